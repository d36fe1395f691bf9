"""The compiled rounding of small problems beside the one it repeats."""

import warnings

import numpy as np
import pytest

import otopt
from otopt._core.problems import SparseOT
from otopt._rounding.counting import has_room, smallest_support
from otopt.ot._solve import check_settings, solve


def solved(problem, k, *, whole):
    settings = check_settings(
        "sparse_ot", tol=1e-6, maxiter=None, rounding="repair", workers=1, callback=None,
        options=None,
    )  # fmt: skip
    from otopt._kernels import numba_cpu

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return solve(problem, numba_cpu, k, settings, whole=whole)


@pytest.mark.parametrize(
    ("n", "m", "k", "reg"), [(20, 15, 4, 1.0), (12, 30, 2, 10.0), (9, 9, 1, 0.0)]
)
def test_finds_plans_as_good(n, m, k, reg):
    rng = np.random.default_rng(n)
    pairs = []
    for _ in range(12):
        uniform = k == 1
        a = np.full(n, 1 / n) if uniform else rng.dirichlet(np.ones(n))
        b = np.full(m, 1 / m) if uniform else rng.dirichlet(np.ones(m))
        problem = SparseOT.from_arrays(a, b, rng.random((n, m)), k, reg)
        pairs.append([solved(problem, k, whole=whole) for whole in (True, False)])
    for compiled, stepwise in pairs:
        assert compiled.success == stepwise.success
        assert compiled.dual_bound == pytest.approx(stepwise.dual_bound, rel=1e-6)
        assert compiled.relaxed.value == pytest.approx(stepwise.relaxed.value, rel=1e-6)
        if compiled.success:
            plan = compiled.to_plan("dense")
            assert ((plan > 0).sum(axis=0) <= k).all()
            assert compiled.marginal_error <= 1e-9
    gaps = np.array([[r.gap for r in pair] for pair in pairs if pair[0].success])
    assert gaps[:, 0].mean() <= 1.5 * gaps[:, 1].mean() + 1e-6


def test_room_is_what_the_count_says():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, m = rng.integers(1, 12, 2)
        a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
        for k in range(1, n + 1):
            assert has_room(a, b, k) == (k * m >= 1.1 * smallest_support(a, b))
