"""Run the solvers of the tour and say in one row what came of it."""

import contextlib
import os
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import otopt


@dataclass(frozen=True)
class Answer:
    """A dense plan (n, m) and what is known about it."""

    name: str
    plan: np.ndarray
    seconds: float
    status: str
    gap: float | None = None
    message: str = ""


COLUMNS = ("method", "status", "sources per target", "marginal error", "gap", "seconds")


def row(answer, a, b):
    """One line of the table."""
    error = np.abs(answer.plan.sum(1) - a).sum() + np.abs(answer.plan.sum(0) - b).sum()
    used = answer.plan > 1e-12 * b
    gap = "unknown" if answer.gap is None else f"{answer.gap:.1e}"
    return (
        answer.name,
        answer.status,
        f"{used.sum(0).mean():.1f} (at most {used.sum(0).max()})",
        f"{error:.0e}",
        gap if answer.gap is None or np.isfinite(answer.gap) else "none: misses the marginals",
        f"{answer.seconds:.2f}",
    )


def sparse(a, b, C, k):
    """Our plan with at most k sources a target."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.FeasibilityWarning)  # shown in the table
        result = otopt.sparse_ot(a, b, C, k)
    seconds = time.perf_counter() - start
    status = result.status.name.lower().replace("_", " ")
    return Answer(
        f"otopt, k = {k}", result.plan.toarray(), seconds, status, result.gap, result.message
    )


def warm_up():
    """Compile the kernels, so that the seconds of the table are those of solving."""
    rng = np.random.default_rng(0)
    for n, m, k in ((160, 160, 3), (40, 80, 2), (30, 30, 1)):
        a, b = rng.uniform(1, 2, n), rng.uniform(1, 2, m)
        sparse(a / a.sum(), b / b.sum(), rng.random((n, m)), k)


def entropic(a, b, C, reg):
    """POT's entropic plan, or None without POT."""
    try:
        import ot
    except ImportError:
        return None
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan = ot.sinkhorn(a, b, C, reg * C.max())
    return Answer("POT entropic", plan, time.perf_counter() - start, "dense")


def pot_sparse(a, b, C, k):
    """POT's sparsity-constrained plan at its defaults, or None without POT."""
    try:
        import ot
    except ImportError:
        return None
    start = time.perf_counter()
    with (
        Path(os.devnull).open("w") as sink,
        contextlib.redirect_stdout(sink),  # POT prints a line at every evaluation
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        plan = ot.smooth.smooth_ot_semi_dual(
            a, b, C / np.ptp(C), 1.0, reg_type="sparsity_constrained", max_nz=k
        )
    return Answer(f"POT sparse, k = {k}", plan, time.perf_counter() - start, "no certificate")
