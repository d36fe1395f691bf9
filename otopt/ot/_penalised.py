"""Transport with penalised or bounded marginals: relax, then round at the marginals found."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._core.problems import SparseOT
from otopt._core.progress import StatusLine
from otopt._core.status import Status
from otopt._oracles.penalised_dual import PenalisedDual
from otopt._rounding.counting import proof_of_infeasibility
from otopt._rounding.pool import Pool
from otopt._rounding.rounding import FEASIBLE
from otopt._solvers.semismooth_newton import semismooth_newton

from ._assembly import allowed_counts, compact
from ._relaxation import STOPS, Monitor, relax
from ._solve import solve
from .result import OTResult, Potentials, RelaxedPlan, SparseColumns

__all__ = ["solve_penalised"]

TIGHT = 1e-12  # marginal error, relative to the mass, to which the relaxed masses are settled
STEPS = 40
OUTER_STEPS = 12
HOPELESS = 1e-6  # marginal error, relative to the mass, that a settled support does not leave


def solve_penalised(problem, kernels, k, settings, warm_start, penalties) -> OTResult:
    """`solve` for `problem` (a `SparseOT` without balance) with penalties of rows and columns."""
    from scipy.sparse import csc_array

    warm = None
    if warm_start is not None:
        warm = warm_start.potentials.source, csc_array((warm_start.relaxed or warm_start).plan)
    with StatusLine(settings.options.progress) as status_line:
        monitor = Monitor(problem, settings.tol, settings.callback, status_line)
        relaxation = relax(
            problem, kernels, monitor,
            tol=settings.tol, maxiter=settings.maxiter, workers=settings.workers,
            options=settings.options, warm_start=warm,
            dual=partial(PenalisedDual, penalties=penalties),  # pyright: ignore
        )  # fmt: skip
        oracle, outcome = relaxation.oracle, relaxation.outcome
        gradient = relaxation.gradient
        if outcome == "converged":
            try:
                gradient = _tighten(problem, oracle, gradient)
                monitor.consider(oracle, oracle.reference)
            except STOPS:
                outcome = "stopped"
    n, m = problem.shape
    start, rows, _, mass, _ = oracle.support
    relaxed = RelaxedPlan(
        entries=SparseColumns(start, rows, mass, n),
        value=oracle.relaxed_value(),
        excess_columns=np.flatnonzero(oracle.column_counts() > problem.k),
        marginal_error=float(np.abs(gradient).sum()),
    )
    best = None
    if outcome == "converged":
        best = _round(problem, kernels, k, settings, penalties, oracle, monitor, relaxed.plan)
    feasible = best is not None and best.error <= FEASIBLE * problem.mass
    if best is None:
        best = _Rounded(*monitor.plan_of_best(oracle), float(np.abs(gradient).sum()))
    rows, mass = compact(best.rows, best.mass)
    linear, value, r, s = _measure(problem, kernels, rows, mass)
    value += penalties[0].value(r, problem.a) + penalties[1].value(s, problem.b)
    bound = monitor.certificate.bound
    gap = problem.relative_gap(value, bound) if feasible else np.inf
    status, message = _conclude(problem, penalties, outcome, feasible, gap, settings, monitor)
    width = rows.shape[1] if k is None else int(problem.k.max())
    all_rows, all_mass = np.full((m, width), -1), np.zeros((m, width))
    all_rows[:, : rows.shape[1]] = np.where(mass > 0, rows, -1)
    all_mass[:, : rows.shape[1]] = mass
    return OTResult(
        rows=all_rows,
        mass=all_mass,
        value=value,
        linear_value=linear,
        dual_bound=bound,
        gap=gap,
        marginal_error=best.error,
        potentials=Potentials(monitor.certificate.alpha, monitor.certificate.beta),
        relaxed=relaxed,
        status=status,
        message=message,
        nit=monitor.nit,
        nfev=oracle.nfev,
        elapsed=time.perf_counter() - settings.started,
        reg=problem.reg,
        k=allowed_counts(k, n),
    )


def _tighten(problem, oracle, gradient):
    """Settle the masses as far as Newton steps take them; the gradient left."""
    before, residual = oracle.reference, np.abs(gradient).sum()
    step = semismooth_newton(oracle, before, tol=TIGHT * problem.mass, maxiter=STEPS)
    if np.abs(step.gradient).sum() <= residual:
        return step.gradient
    return oracle.evaluate(before)[1]  # rounding errors are all that was left


class _Rounded(NamedTuple):
    """A plan of at most k entries a column; `error` is the L1 distance to marginals allowed."""

    rows: NDArray
    mass: NDArray
    error: float


def _round(problem, kernels, k, settings, penalties, oracle, monitor, plan):
    """The better of two supports: the heaviest entries, and a plan of the same marginals."""
    alpha, beta = monitor.certificate.alpha, monitor.certificate.beta
    pool = Pool.around(oracle, alpha, beta, settings.options.extra_candidates)
    support = pool.top(pool.mass, problem.k)
    is_sparse = not (pool.mass[~support] > 0).any()
    if settings.rounding == "none" and not is_sparse:
        return None
    support |= pool.free_slots(support, alpha, problem.k)
    best = _settle(problem, kernels, penalties, pool.restricted(support), alpha)
    if is_sparse and best.error <= FEASIBLE * problem.mass:
        return best
    # At the marginals of the relaxation the problem is a balanced one.
    at = SparseOT.from_arrays(plan.sum(axis=1), plan.sum(axis=0), problem.cost, k, problem.reg)
    if proof_of_infeasibility(at.a, at.b, at.k) is not None:
        return best
    balanced = solve(at, kernels, k, replace(settings, callback=None))
    if balanced.success:
        pool = _pool_of(problem, kernels, balanced, alpha)
        other = _settle(problem, kernels, penalties, pool, alpha)
        best = min(best, other, key=lambda x: _rank(problem, kernels, penalties, x))
    return best


def _rank(problem, kernels, penalties, rounded):
    _, value, r, s = _measure(problem, kernels, rounded.rows, rounded.mass)
    value += penalties[0].value(r, problem.a) + penalties[1].value(s, problem.b)
    return rounded.error > FEASIBLE * problem.mass, value


def _pool_of(problem, kernels, balanced, alpha):
    """The support of a result; columns that it leaves empty get their cheapest row."""
    rows, mass = balanced.rows.copy(), balanced.mass
    cheapest = kernels.cheapest_in_columns(alpha, problem.Ct, 1)[:, 0]
    rows[:, 0] = np.where(rows[:, 0] < 0, cheapest, rows[:, 0])
    column, slot = np.nonzero(rows >= 0)
    row = rows[column, slot]
    cost = kernels.entries(problem.Ct, column, row).astype(float)
    return Pool.of_entries(column, row, cost, mass[column, slot], len(rows))


def _settle(problem, kernels, penalties, pool, alpha):
    """The optimum on a support, masses of rows and columns included."""
    typical = float(problem.b.mean())
    oracle = PenalisedDual(
        kernels, problem.a, problem.b, None, len(problem.a), problem.reg,
        mu=0.02 * max(problem.reg, 1e-2 * _size(problem, alpha) / typical), lists=pool.as_lists(),
        penalties=penalties,
    )  # fmt: skip
    value, error = np.inf, np.inf
    for _ in range(OUTER_STEPS):
        step = semismooth_newton(oracle, alpha, tol=1e-11 * problem.mass, maxiter=STEPS)
        alpha, error = step.x, float(np.abs(step.gradient).sum())
        if step.nit == STEPS and error > HOPELESS * problem.mass:
            break  # no masses on this support are allowed: the dual grows without end
        oracle.recentre()
        previous, value = value, oracle.relaxed_value()
        if abs(previous - value) <= 1e-10 * abs(value):
            break
        # The rounding of potentials is divided by mu, and must not be seen in the masses.
        least = np.finfo(float).eps * _size(problem, alpha) / (TIGHT * problem.mass)
        oracle.mu = max(0.1 * oracle.mu, least)
    mass = np.where(oracle.empty_columns()[:, None], 0.0, oracle.lists.centre)
    return _Rounded(pool.rows, mass, error)


def _size(problem, alpha):
    """Of the potentials: a steep penalty may make more of them than the cost does."""
    return max(problem.unit, float(np.abs(alpha).max()))


def _measure(problem, kernels, rows, mass):
    """<T, C>, the same with reg/2 ||T||^2, and the masses of rows and columns."""
    column, slot = np.nonzero(mass)
    row, t = rows[column, slot], mass[column, slot]
    linear = float(kernels.entries(problem.Ct, column, row) @ t)
    value = linear + 0.5 * problem.reg * float(t @ t)
    return linear, value, np.bincount(row, t, minlength=len(problem.a)), mass.sum(axis=1)


def _conclude(problem, penalties, outcome, feasible, gap, settings, monitor):
    tol = settings.tol
    n, _ = problem.shape
    if penalties[0].limits[0] > 0 and n > problem.k.sum():
        return Status.INFEASIBLE, (
            f"Proven infeasible: every row needs a nonzero, and all k add up to "
            f"{problem.k.sum()} < n = {n}."
        )
    if outcome == "stopped":
        return Status.STOPPED, (
            f"Stopped after {monitor.nit} Newton steps. Pass this result as `warm_start` to go on."
        )
    if outcome == "limit":
        return Status.ITERATION_LIMIT, (
            f"Stopped at maxiter = {settings.maxiter} after {monitor.nit} Newton steps with "
            f"relaxed gap {monitor.gap:.1e} > tol = {tol:.1e}. "
            "Raise maxiter, loosen tol, or increase reg."
        )
    if feasible and gap <= tol:
        return Status.OPTIMAL, f"Certified optimal: gap {max(gap, 0.0):.1e} <= tol = {tol:.1e}."
    if feasible:
        return Status.FEASIBLE, (
            f"Feasible and k-sparse; within {gap:.1e} of optimal (tol = {tol:.1e}). "
            "Raise k for a smaller gap."
        )
    if settings.rounding == "none":
        return Status.RELAXED_ONLY, (
            "Columns of the relaxed plan exceed k and rounding is off. Use rounding='repair'."
        )
    return Status.NOT_FOUND, (
        "No k-sparse plan with allowed marginals found; raise k, or use `relaxed.plan`."
    )
