"""From a flow and its potentials to an `OTResult`."""

from __future__ import annotations

import time

import numpy as np

from otopt._core.clouds import entries
from otopt._core.status import Status

from .result import OTResult, Potentials

__all__ = ["assemble", "dual_value", "linear_value"]

EPS = np.finfo(float).eps


def linear_value(problem, rows, columns, flow):
    """<T, C> of a flow."""
    return float(
        (entries(problem.C, rows, columns) * (flow * problem.quantum)).sum(dtype=np.float64)
    )


def dual_value(problem, u, v):
    """What potentials with ``u_i + v_j <= C_ij`` prove."""
    return float((problem.a * u).sum() + (problem.b * v).sum())


def assemble(problem, kernels, arcs, potentials, solution, limits, started, kind=OTResult):
    """Measure, conclude, say it in words."""
    rows, columns, flow = _by_column(problem, *arcs)
    mass = flow * problem.quantum
    value = linear_value(problem, rows, columns, flow)
    bound = dual_value(problem, *potentials)
    gap = problem.relative_gap(value, bound)
    error = np.abs(np.bincount(rows, mass, len(problem.a)) - problem.a).sum()
    error += np.abs(np.bincount(columns, mass, len(problem.b)) - problem.b).sum()
    status, message = _conclude(solution, limits, gap)
    all_rows, all_mass = _padded(problem, rows, columns, mass)
    return kind(
        rows=all_rows,
        mass=all_mass,
        value=value,
        linear_value=value,
        dual_bound=bound,
        gap=gap,
        marginal_error=float(error),
        potentials=_full_potentials(problem, kernels, *potentials),
        relaxed=None,
        status=status,
        message=message,
        nit=limits.pivots,
        nfev=round(limits.passes),
        elapsed=time.perf_counter() - started,
        reg=0.0,
        k=problem.shape[0],
        method=solution.method,
    )


def _by_column(problem, rows, columns, flow):
    """Sort the arcs; leave out what is below the rounding of both its marginals."""
    least = np.minimum(problem.a[rows], problem.b[columns])
    kept = flow * problem.quantum > EPS * least
    rows, columns, flow = rows[kept], columns[kept], flow[kept]
    order = np.argsort(columns * np.int64(len(problem.a)) + rows)
    return rows[order], columns[order], flow[order]


def _padded(problem, rows, columns, mass):
    """The plan as (m, width) rows and masses, in the numbering of the arrays that were given."""
    m = problem.shape[1]
    count = np.bincount(columns, minlength=len(problem.columns))
    slot = np.arange(len(columns)) - np.repeat(np.cumsum(count) - count, count)
    all_rows = np.full((m, int(count.max())), -1)
    all_mass = np.zeros(all_rows.shape)
    place = problem.columns[columns], slot
    all_rows[place] = problem.rows[rows]
    all_mass[place] = mass
    return all_rows, all_mass


def _conclude(solution, limits, gap):
    if solution.optimal:
        return Status.OPTIMAL, f"Certified optimal: gap {max(gap, 0.0):.1e}."
    remedy = f"the plan is feasible and within {gap:.1e} of optimal."
    if limits.outcome == "stopped":
        return Status.STOPPED, f"Stopped after {limits.pivots} pivots; {remedy}"
    limit = f"maxiter = {limits.most_pivots}" if limits.outcome == "maxiter" else "time_limit"
    return Status.ITERATION_LIMIT, (
        f"Stopped at {limit} after {limits.pivots} pivots; {remedy} "
        "Raise the limit, or pass this result as `warm_start` to go on."
    )


def _full_potentials(problem, kernels, source, target):
    """Potentials of all rows and columns; those without mass are priced out."""
    n, m = problem.shape
    alpha, beta = np.empty(n), np.empty(m)
    alpha[problem.rows], beta[problem.columns] = source, target
    if len(source) < n:
        empty_rows = np.setdiff1d(np.arange(n), problem.rows)
        alpha[empty_rows] = kernels.row_potentials(problem.row_block(empty_rows), target)
    if len(target) < m:
        empty_columns = np.setdiff1d(np.arange(m), problem.columns)
        block, order = problem.column_block(empty_columns)
        beta[empty_columns] = kernels.row_potentials(block, alpha[order])
    return Potentials(alpha, beta)
