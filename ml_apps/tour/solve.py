"""Run the solvers of the tour, and say in one row what came of each."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import otopt

__all__ = [
    "COLUMNS",
    "Answer",
    "collect",
    "entropic",
    "pot_sparse",
    "proof",
    "row",
    "sparse",
    "warm_up",
]

COLUMNS = ("method", "sources per target", "marginals missed by", "gap", "seconds", "verdict")
VERDICTS = {
    "OPTIMAL": "proven best",
    "FEASIBLE": "valid, gap proven",
    "INFEASIBLE": "proven impossible",
    "NOT_FOUND": "none found",
    "ITERATION_LIMIT": "ran out of steps",
}
NEGLIGIBLE = 1e-9  # share of a target's mass that counts as nothing


@dataclass(frozen=True)
class Answer:
    """A dense plan (n, m) and what its solver says about it."""

    name: str
    plan: np.ndarray
    seconds: float
    verdict: str = ""
    gap: float | None = None
    message: str = ""

    def missed(self, a, b):
        """L1 distance of the marginals to `a` and `b`, as a share of the mass."""
        rows, columns = self.plan.sum(axis=1), self.plan.sum(axis=0)
        return float(np.abs(rows - a).sum() + np.abs(columns - b).sum()) / float(a.sum())

    def sources(self, b):
        """How many sources feed each target."""
        return (self.plan > NEGLIGIBLE * b).sum(axis=0)


def row(answer, a, b):
    """One line of the table; see `COLUMNS`."""
    sources, missed = answer.sources(b), answer.missed(a, b)
    met = missed <= NEGLIGIBLE
    return (
        answer.name,
        f"{sources.mean():.1f} (at most {sources.max()})",
        f"nothing ({missed:.0e})" if met else _percent(missed),
        "not stated" if answer.gap is None else _percent(answer.gap) if met else "none",
        f"{answer.seconds:.2f}",
        answer.verdict or ("approximate" if missed <= 1e-3 else "misses marginals"),
    )


def proof(answers, a, b):
    """What the dual bounds of our plans prove, in a sentence."""
    gaps = [x.gap for x in answers if x.gap is not None and x.missed(a, b) <= NEGLIGIBLE]
    return (
        f"Each of our {len(gaps)} plans comes with potentials, whose value no plan with as few "
        f"sources can undercut; the widest gap between the two is {_percent(max(gaps))}. "
        "In code: result.dual_bound, result.gap, result.potentials."
        if gaps
        else ""
    )


def _percent(share):
    if share < 1e-12:
        return "0 %"
    if share < 1e-6:
        return "< 0.0001 %"
    if share >= 0.1:
        return f"{share:.0%}".replace("%", " %")
    return f"{100 * share:.2g} %"


def collect(jobs, note):
    """Run ``(text, job)`` pairs; the answers so far, and whether Ctrl-C cut them short.

    Jobs that return None, because a package is missing, are left out.
    """
    answers = []
    try:
        for text, job in jobs:
            note(text)
            answer = job()
            if answer is not None:
                answers.append(answer)
    except KeyboardInterrupt:
        return answers, False
    return answers, True


def sparse(a, b, C, k, reg=None, name=None):
    """Transport with at most k sources a target, by otopt."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)  # the table says it
        result = otopt.sparse_ot(a, b, C, k, reg=reg)
    seconds = time.perf_counter() - start
    if result.status.name == "STOPPED":  # sparse_ot keeps Ctrl-C to itself; the tour ends
        raise KeyboardInterrupt
    return Answer(
        name or f"otopt, k = {k}",
        result.plan.toarray(),
        seconds,
        VERDICTS.get(result.status.name, result.status.name.lower()),
        result.gap,
        result.message,
    )


def entropic(a, b, C, share=0.02):
    """Entropic transport by POT, `share` of the largest cost as temperature; None without POT."""
    try:
        import ot
    except ImportError:
        return None
    with _quiet():
        start = time.perf_counter()
        plan = ot.sinkhorn(a, b, C, share * C.max())
        return Answer("POT, entropic", plan, time.perf_counter() - start)


def pot_sparse(a, b, C, k, reg=None):
    """POT's sparsity-constrained transport at its defaults and our reg; None without POT."""
    try:
        import ot
    except ImportError:
        return None
    unit = np.ptp(C)
    scaled = 1.0 / a.sum() if reg is None else reg / unit  # the same problem, cost scaled to 1
    with _quiet():
        start = time.perf_counter()
        plan = ot.smooth.smooth_ot_semi_dual(
            a, b, C / unit, scaled, reg_type="sparsity_constrained", max_nz=k
        )
        return Answer(f"POT, k = {k}", plan, time.perf_counter() - start)


@contextlib.contextmanager
def _quiet():
    """POT prints a line at every evaluation."""
    with (
        Path(os.devnull).open("w") as sink,
        contextlib.redirect_stdout(sink),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def warm_up():
    """Compile the kernels, so that no part pays for it; seconds it took."""
    start = time.perf_counter()
    rng = np.random.default_rng(0)
    # Unequal sizes, a matching, colours that repeat, many colours for few paints: all ways to go.
    for n, m, k, shades in (
        (160, 320, 1, 256), (160, 160, 1, 256), (160, 320, 3, 4), (400, 160, 1, 256),
    ):  # fmt: skip
        x, y = (rng.integers(shades, size=(size, 3)) / shades for size in (n, m))
        C = ((x[:, None] - y) ** 2).sum(axis=2)
        sparse(np.full(n, 1 / n), np.full(m, 1 / m), C, k)
    return time.perf_counter() - start
