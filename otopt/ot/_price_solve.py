"""From a start to prices: annealed Newton, a fixed number of passes, or quantile sweeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otopt._backend import torch_module
from otopt._core.status import Status
from otopt._oracles.price_dual import PriceDual
from otopt._solvers.prices import diagonal_passes, newton, sinkhorn_prices

from .price_result import PriceResult

__all__ = ["METHODS", "PriceSettings", "solve"]

METHODS = ("auto", "newton", "diagonal", "quantile", "sinkhorn")
FULL_LIMIT = 1024  # columns up to which the full curvature is used
START = 0.25  # smoothing of the entropic start and
START_ITERATIONS = 5
LEVELS = (0.05, 0.015, 0.005)  # smoothing of the annealed solve
LEVEL_TOL = 0.05
FIXED_SMOOTHING = 0.1  # where the number of passes is fixed


@dataclass(frozen=True)
class PriceSettings:
    """How to solve; see `solve_prices`."""

    method: str
    reg: float | None
    smoothing: float | None
    passes: int | None
    tol: float
    maxiter: int
    certify: bool


def solve(rows, dual: PriceDual, start: Any, settings: PriceSettings) -> PriceResult:
    """Return the result for rows and a dual that were checked."""
    mass, shift, spread = dual.moments()
    if rows.on_host and (mass == 0 or dual.capacity.sum() == 0 or spread == 0):
        q = np.zeros(rows.S.shape[1]) if start is None else start
        return _result(rows, dual, q, 0.0, 0.0, 0, settings, fixed=spread == 0)
    smoothing = settings.smoothing
    unit = spread if rows.on_host else spread.clip(min=1e-30)

    def reg_of(level):
        return settings.reg if settings.reg is not None else level * unit

    q = start
    if q is None:
        iterations = START_ITERATIONS
        if settings.method == "sinkhorn" and settings.passes is not None:
            iterations = settings.passes
        level = START if settings.method != "sinkhorn" or smoothing is None else smoothing
        reg = START * unit if settings.method != "sinkhorn" else reg_of(level)
        q = sinkhorn_prices(dual, shift, reg, iterations)
        if settings.method == "sinkhorn":
            load, _ = dual.curvature(q, reg)
            error = dual.violation(q, load)
            return _result(rows, dual, q, error, reg, iterations, settings, fixed=True)
    if settings.method == "quantile":
        return _quantile(rows, dual, q, settings)
    if settings.passes is not None:
        reg = reg_of(FIXED_SMOOTHING if smoothing is None else smoothing)
        q, error, done, seen = diagonal_passes(dual, dual.project(q), reg, settings.passes)
        return _result(rows, dual, q, error, reg, done, settings, fixed=True, seen=seen)
    return _anneal(rows, dual, q, reg_of, settings)


def _anneal(rows, dual, q, reg_of, settings):
    last = LEVELS[-1] if settings.smoothing is None else settings.smoothing
    levels = [*[x for x in LEVELS if x > 1.5 * last], last]
    if settings.reg is not None:
        levels = [last]
    use_newton = settings.method == "newton" or (
        settings.method == "auto" and rows.on_host and rows.S.shape[1] <= FULL_LIMIT
        and not hasattr(dual.reduce, "size")
    )  # fmt: skip
    if not (use_newton or dual.equality or settings.reg is not None):
        levels = [1.0, 0.25, *levels]  # one-sided steps are no longer than reg: far prices first
    q, error, done, reg = dual.project(q), np.inf, 0, 0.0
    for number, level in enumerate(levels):
        is_last = number == len(levels) - 1
        reg, tol = reg_of(level), settings.tol if is_last else LEVEL_TOL
        left = settings.maxiter - done
        budget = left if is_last else min(left, 20)
        if budget <= 0:
            break
        run = newton if use_newton else diagonal_passes
        q, error, count, _ = run(dual, q, reg, budget, tol)
        done += count
    return _result(rows, dual, q, error, reg, done, settings, fixed=False)


def _result(rows, dual, q, error, reg, passes, settings, *, fixed, seen=None):
    price = rows.real(q)
    load = bound = None
    if settings.certify:
        # At the prices as they are returned, rounded to their dtype.
        exact = np.asarray(price, dtype=np.float64) if rows.on_host else price.double()
        bound, load = dual.bound(exact)
        bound, load = rows.number(bound), rows.real(load)
    if fixed:
        status, message = Status.OPTIMAL, f"{passes} passes, as many as asked for"
    elif float(error) <= settings.tol:
        status, message = Status.OPTIMAL, "loads meet the capacities within tol"
    else:
        status = Status.ITERATION_LIMIT
        message = (
            f"loads miss the capacities by {float(error):.2g} of their mean after {passes} passes; "
            "raise maxiter, smoothing or tol"
        )
    return PriceResult(
        price, load, bound, rows.number(error), rows.number(reg), passes, status, message,
        None if seen is None else rows.real(dual.xp.stack(seen)),
    )  # fmt: skip


def _quantile(rows, dual, q, settings):
    """Exact minimisation of the dual over all row potentials, then over all prices, in turn."""
    xp: Any = np if rows.on_host else torch_module()
    n, m = rows.S.shape
    sweeps = 10 if settings.passes is None else settings.passes
    valid = dual.weight > 0
    done = 0
    if dual.k < m and n > 0:
        # The (C + 1)-th largest: C tokens stay above the price.
        rank = xp.asarray(xp.floor(dual.capacity + 1e-9), dtype=xp.int64)
        rank = rank.clip(min=0, max=n - 1)
        for _ in range(sweeps):
            order, _, _ = dual.kernels.route(rows.S, q, dual.k + 1, dual.weight)
            last = order[:, dual.k]
            at = xp.arange(n) if rows.on_host else xp.arange(n, device=rows.S.device)
            level = rows.S[at, last] - xp.asarray(q, dtype=rows.S.dtype)[last]
            lead = xp.where(valid[:, None], rows.S - level[:, None], -xp.inf)
            q = dual.project(_columns(xp, lead, rank, q))
            done += 1
    _, load = dual.bound(q)
    error = dual.violation(q, load)
    return _result(rows, dual, q, error, 0.0, done, settings, fixed=True)


def _columns(xp, lead, rank, q):
    if xp is np:
        place = len(lead) - 1 - rank
        if (rank == rank[0]).all():
            found = np.partition(lead, place[0], axis=0)[place[0]]
        else:
            found = np.array([np.partition(x, p)[p] for x, p in zip(lead.T, place, strict=True)])
    else:
        found = lead.sort(dim=0, descending=True).values.gather(0, rank[None])[0]
    found = xp.asarray(found, dtype=q.dtype)
    return xp.where(xp.isfinite(found), found, q)
