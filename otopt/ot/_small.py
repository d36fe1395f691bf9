"""Small problems in one compiled call: the relaxation, or the whole solve."""

from __future__ import annotations

from functools import cache

import numpy as np

from otopt._kernels.layout import CandidateLists, ColumnSolutions
from otopt._oracles.proximal_dual import ProximalDual
from otopt._rounding.counting import has_room
from otopt._rounding.rounding import DIVE_ABOVE, FEASIBLE, IMPROVE_ABOVE, search_effort
from otopt._solvers.proximal_point import BELOW_FLOOR

from ._assembly import Ending, allowed_counts, relaxed_columns
from ._linear_start import pays_linear_start
from ._relaxation import ALTERNATIONS, RELATIVE, SAMPLE, SPREAD, Relaxation, schedule_for
from .result import RelaxedPlan

__all__ = ["relax_small", "solve_small"]

LUCK = 1 << 14


def relax_small(problem, kernels, monitor, *, tol, maxiter, options):
    """`relax` in one compiled call; the monitor hears of the end only.

    Returns
    -------
    Relaxation
    """
    n, m = len(problem.a), len(problem.b)
    lists, columns = CandidateLists.empty(m, n), ColumnSolutions.empty(m, n)
    _, best, gradient, support, reference, mu, gap, nit, nfev, converged = kernels.relax_small(
        *_arguments(problem), tol, maxiter, lists, columns, _schedule(problem, options)
    )
    oracle = ProximalDual(
        kernels, problem.a, problem.b, problem.Ct, problem.k, problem.reg,
        mu=mu, lists=lists, columns=columns,
    )  # fmt: skip
    oracle.support, oracle.reference, oracle.nfev = support, reference, nfev
    monitor.nit = nit
    monitor.gap = gap
    monitor.consider(oracle, best)
    return Relaxation(oracle, gradient, "converged" if converged else "limit")


def solve_small(problem, kernels, k, *, tol, maxiter, options):
    """`relax_small` and the search for a k-sparse plan, with its first pool of entries.

    `k` as it was given.

    Returns
    -------
    Ending or None
        None where a second search, with a larger pool, may still find a plan.
    """
    n, m = problem.shape
    width = 0 if k is None else int(np.max(allowed_counts(k, n)))
    roomy = has_room(problem.a, problem.b, problem.k)
    rounds = options.rounding_rounds if roomy else options.rounding_rounds // 3
    rounding = (
        int(options.extra_candidates), int(rounds), roomy, int(options.improvement_rounds),
        FEASIBLE, DIVE_ABOVE, IMPROVE_ABOVE,
    )  # fmt: skip
    search, certificate, (start, rows, mass), value, error, plan, measured = kernels.solve_small(
        *_arguments(problem), tol, maxiter, _schedule(problem, options), rounding,
        search_effort(roomy), _luck(), (problem.rows, problem.columns, m, width),
    )  # fmt: skip
    found, converged, nit_relaxed, nit, nfev, gap = search
    if not found and roomy:
        return None
    linear, square, plan_error = measured
    bound, alpha, beta = certificate
    relaxed = RelaxedPlan(
        entries=relaxed_columns(problem, start, rows, mass),
        value=value,
        excess_columns=np.sort(problem.columns[np.diff(start) > problem.k]),
        marginal_error=error,
    )
    return Ending(
        outcome="converged" if converged else "limit",
        bound=bound,
        alpha=alpha,
        beta=beta,
        relaxed=relaxed,
        is_rounded=True,
        found=found,
        rows=plan[0],
        mass=plan[1],
        linear=linear,
        value=linear + 0.5 * problem.reg * square,
        error=plan_error,
        nit_relaxed=nit_relaxed,
        gap_relaxed=gap,
        nit=nit,
        nfev=nfev,
    )


def _arguments(problem):
    # numba would compile anew for the other order, and for single precision.
    by_rows, by_columns = (np.ascontiguousarray(x, float) for x in (problem.C, problem.Ct))
    return (
        problem.a, problem.b, by_rows, by_columns, problem.k, float(problem.reg),
        float(problem.unit), problem.mass,
    )  # fmt: skip


def _schedule(problem, options):
    schedule = schedule_for(problem, options)
    starts_linear = bool(options.linear_start) and pays_linear_start(problem)
    return (
        starts_linear, float(options.window), float(schedule.shrink), int(schedule.newton_limit),
        ALTERNATIONS, SPREAD, SAMPLE, RELATIVE, schedule.easy, schedule.patience,
        schedule.inner_rtol, schedule.inner_cap, BELOW_FLOOR,
    )  # fmt: skip


@cache
def _luck():
    return np.random.default_rng(0).random(LUCK)
