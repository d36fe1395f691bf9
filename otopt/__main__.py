"""Self-check: ``python -m otopt`` solves small problems and verifies their certificates.

About five seconds once the kernels are compiled; the first run compiles them, which takes minutes
on a slow machine. Exit status 0 where everything holds.
"""

import sys
import time
import warnings

import numpy as np

import otopt
from otopt.testing import check_plan


def _clouds(n, m):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 1, 2)), rng.normal(size=(1, m, 2)) + 1.0
    return np.full(n, 1 / n), np.full(m, 1 / m), ((x - y) ** 2).sum(axis=2)


def sparse_ot():
    """At most k sources a target; value, bound and gap computed anew from plan and potentials."""
    a, b, C = _clouds(30, 20)
    result = otopt.sparse_ot(a, b, C, 3)
    check_plan(result, a, b, C, 3)
    return result.success, f"gap {result.gap:.1e}"


def emd():
    """Optimal because the potentials are feasible and prove the value."""
    a, b, C = _clouds(40, 30)
    result = otopt.emd(a, b, C)
    u, v = result.potentials
    proven = a @ u + b @ v
    feasible = (u[:, None] + v - C).max() <= 1e-12 * np.abs(C).max()
    return feasible and abs(result.value - proven) <= 1e-9 * proven, f"gap {result.gap:.1e}"


def sinkhorn():
    """Marginals of the plan, summed here."""
    a, b, C = _clouds(30, 20)
    plan = otopt.sinkhorn(a, b, C, reg=0.5).plan
    error = np.abs(plan.sum(axis=1) - a).sum() + np.abs(plan.sum(axis=0) - b).sum()
    return error <= 1e-8, f"marginal error {error:.1e}"


def mmot_1d():
    """Value of the plan against value of the dual."""
    A = np.random.default_rng(0).dirichlet(np.ones(12), size=3).T
    result = otopt.mmot_1d(A)
    places = result.plan.indices
    cost = (result.plan.mass * (places.max(axis=1) - places.min(axis=1))).sum()
    gap = abs(cost - (A * result.dual).sum())
    return gap <= 1e-12, f"plan and dual differ by {gap:.1e}"


def pattern_search():
    """A quadratic function with a known minimum."""
    result = otopt.pattern_search(lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 2, [0.0, 0.0])
    error = float(np.abs(result.x - [1, -2]).max())
    return error <= 1e-6 and result.certified, f"error {error:.1e}"


def guess_and_check():
    """An acceptance probability that is known: pi / 4."""
    box = [(-1, 1), (-1, 1)]
    result = otopt.guess_and_check(lambda x: x @ x, bounds=box, accept=1.0, n_accept=500, rng=0)
    low, high = result.rate_interval
    return low < np.pi / 4 < high, f"rate {result.rate:.3f} in [{low:.3f}, {high:.3f}]"


def solve_prices():
    """Loads at the prices against the capacities."""
    scores = np.random.default_rng(0).normal(size=(200, 4))
    routing = otopt.assign(scores, otopt.solve_prices(scores), policy="repair")
    return bool((routing.load == 50).all()), f"loads {routing.load.tolist()}"


CHECKS = (sparse_ot, emd, sinkhorn, mmot_1d, pattern_search, guess_and_check, solve_prices)


def main() -> int:
    """Run all checks; the exit status."""
    config = otopt.show_config()
    versions = ", ".join(f"{name} {number}" for name, number in config["versions"].items())
    sys.stdout.write(f"{versions}; kernels {config['kernels']}\n")
    failed = 0
    for check in CHECKS:
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                passed, words = check()
        except Exception as error:  # noqa: BLE001 (a failed check, whatever it is)
            passed, words = False, f"{type(error).__name__}: {error}"
        failed += not passed
        took = time.perf_counter() - began
        verdict = "ok  " if passed else "FAIL"
        sys.stdout.write(f"{verdict} {check.__name__:16} {words} ({took:.2f} s)\n")
    ends = "all checks passed" if not failed else f"{failed} of {len(CHECKS)} checks FAILED"
    sys.stdout.write(f"{ends}\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
