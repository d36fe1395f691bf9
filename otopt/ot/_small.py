"""The relaxation of a small problem in one compiled call."""

from __future__ import annotations

import numpy as np

from otopt._kernels.layout import CandidateLists, ColumnSolutions
from otopt._oracles.proximal_dual import DENSE_ROWS, ProximalDual
from otopt._solvers.proximal_point import BELOW_FLOOR

from ._relaxation import ALTERNATIONS, RELATIVE, SAMPLE, SPREAD, Relaxation, schedule_for

__all__ = ["has_small_shape", "is_dense", "is_small", "relax_small"]

LARGEST = 512  # columns


def is_small(problem):
    """Whether calls between the steps of a solve would cost more than the steps."""
    return is_dense(problem) and has_small_shape(problem)


def is_dense(problem):
    """Whether the cost is a matrix, whole and in this process."""
    return isinstance(problem.Ct, np.ndarray)


def has_small_shape(problem):
    """The same, if the cost were a matrix."""
    return len(problem.a) <= DENSE_ROWS and len(problem.b) <= LARGEST


def relax_small(problem, kernels, monitor, *, tol, maxiter, options):
    """`relax` in one compiled call; the monitor hears of the end only.

    Returns
    -------
    Relaxation
    """
    n, m = len(problem.a), len(problem.b)
    lists, columns = CandidateLists.empty(m, n), ColumnSolutions.empty(m, n)
    schedule = schedule_for(problem, options)
    settings = (
        float(options.window), float(schedule.shrink), int(schedule.newton_limit),
        ALTERNATIONS, SPREAD, SAMPLE, RELATIVE, schedule.easy, schedule.patience,
        schedule.inner_rtol, schedule.inner_cap, BELOW_FLOOR,
    )  # fmt: skip
    reg = float(problem.reg)
    # numba would compile anew for the other order, and for single precision.
    by_rows, by_columns = (np.ascontiguousarray(x, float) for x in (problem.C, problem.Ct))
    _, best, gradient, support, reference, mu, gap, nit, nfev, converged = kernels.relax_small(
        problem.a, problem.b, by_rows, by_columns, problem.k, reg, float(problem.unit),
        problem.mass, tol, maxiter, lists, columns, settings,
    )  # fmt: skip
    oracle = ProximalDual(
        kernels, problem.a, problem.b, problem.Ct, problem.k, reg,
        mu=mu, lists=lists, columns=columns,
    )  # fmt: skip
    oracle.support, oracle.reference, oracle.nfev = support, reference, nfev
    monitor.nit = nit
    monitor.gap = gap
    monitor.consider(oracle, best)
    return Relaxation(oracle, gradient, "converged" if converged else "limit")
