"""Exact transport where only some pairs are allowed: a sparse cost forbids what it does not hold.

The missing entries get a cost of their own, which is raised until an optimal plan leaves them
alone: such a plan, and its potentials, then solve the sparse problem. Whether there is one at all
is decided first, by the least mass that has to go where it may not.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from otopt._core.problems import LinearOT
from otopt._core.status import Status

from ._exact_solve import Session

__all__ = ["solve_sparse"]

NEGLIGIBLE = 1e-12  # share of the mass: what rounding of the masses can push onto forbidden pairs


def solve_sparse(a, b, C, settings):
    """Solve on the entries that `C`, a scipy.sparse array, holds; explicit zeros are allowed."""
    started = time.perf_counter()
    name = settings.function
    C = C.tocoo(copy=True)
    C.sum_duplicates()
    if C.nnz == 0:
        message = (
            f"{name}: `C` must hold at least one entry; got none; missing entries are forbidden."
        )
        raise ValueError(message)
    if not np.isfinite(C.data).all():
        at = int(np.argmin(np.isfinite(C.data)))
        place = f"C[{C.row[at]}, {C.col[at]}] = {C.data[at]}"
        message = f"{name}: `C` must be finite; got {place}; leave forbidden pairs out."
        raise ValueError(message)
    forbidden = np.ones(C.shape)
    forbidden[C.row, C.col] = 0.0
    with Session(settings) as session:

        def run(cost):
            find_range = session.kernels.cost_range
            problem = LinearOT.from_arrays(a, b, cost, find_range, function=name)
            return session.run(problem, started=started), problem.mass

        least, mass = run(forbidden)
        low, high = float(C.data.min()), float(C.data.max())
        if least.value > NEGLIGIBLE * mass and least.status is Status.OPTIMAL:
            return _infeasible(least, C, mass)
        width = (high - low) or abs(high) or 1.0
        enough = (min(C.shape) + 1) * width  # no cycle of exchanges can be worth more
        penalty = 2.0 * width
        cost = np.empty(C.shape)
        while True:
            cost[:] = high + penalty
            cost[C.row, C.col] = C.data
            result, _ = run(cost)
            crossing = _crossing(result, forbidden)
            if crossing.sum() <= NEGLIGIBLE * mass or result.status is not Status.OPTIMAL:
                break
            if penalty > enough:
                break
            penalty *= 8.0
    return _without(result, crossing, C, mass)


def _crossing(result, forbidden):
    """Mass of every slot of the plan that is on a forbidden pair."""
    columns = np.arange(len(result.rows))[:, None]
    return np.where(result.rows >= 0, result.mass * forbidden[result.rows, columns], 0.0)


def _without(result, crossing, C, mass):
    """The result without what crosses, which is dust where it is optimal."""
    if not crossing.any():
        return result
    kept = (crossing == 0) & (result.rows >= 0)
    order = np.argsort(~kept, axis=1, kind="stable")  # used slots first
    rows = np.take_along_axis(np.where(kept, result.rows, -1), order, 1)
    masses = np.take_along_axis(np.where(kept, result.mass, 0.0), order, 1)
    column, slot = np.nonzero(masses)
    dense = C.tocsr()
    value = float(dense[rows[column, slot], column] @ masses[column, slot])
    lost = float(crossing.sum())
    feasible = lost <= NEGLIGIBLE * mass
    return dataclasses.replace(
        result, rows=rows, mass=masses, value=value, linear_value=value,
        gap=result.gap if feasible else np.inf, marginal_error=result.marginal_error + 2 * lost,
    )  # fmt: skip


def _infeasible(least, C, mass):
    forbidden = np.ones(C.shape)
    forbidden[C.row, C.col] = 0.0
    result = _without(least, _crossing(least, forbidden), C, mass)
    message = (
        f"Proven infeasible: at least {least.dual_bound / mass:.3g} of the mass has to go where "
        "`C` has no entry. The plan is the most that can be sent; add entries, or mass elsewhere."
    )
    return dataclasses.replace(
        result, status=Status.INFEASIBLE, message=message, dual_bound=np.inf, gap=np.inf
    )
