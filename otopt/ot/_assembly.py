"""From the state of the solvers to an `OTResult`: measure, conclude, say it in words."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._core.status import Status
from otopt._rounding.counting import proof_of_infeasibility, smallest_count
from otopt._rounding.rounding import FEASIBLE

from .result import OTResult, Potentials, RelaxedPlan, SparseColumns

__all__ = ["Ending", "allowed_counts", "assemble", "compact", "ending_of", "relaxed_columns"]


class Ending(NamedTuple):
    """What a solve came to, measured."""

    outcome: str  # of the relaxation: "converged", "limit" or "stopped"
    bound: float
    alpha: NDArray  # (n,) potentials that prove it
    beta: NDArray  # (m,)
    relaxed: RelaxedPlan
    is_rounded: bool  # False where no k-sparse plan was looked for
    found: bool  # a k-sparse plan, by the measure of the search
    rows: NDArray  # of the plan, as `OTResult` has them
    mass: NDArray
    linear: float  # <T, C>
    value: float
    error: float  # L1 distance to the marginals
    nit_relaxed: int
    gap_relaxed: float
    nit: int
    nfev: int


def ending_of(problem, monitor, relaxation, rounded, outcome, k):
    """Measure where the solvers ended; `k` as it was given."""
    oracle, best = relaxation.oracle, monitor.best
    if rounded is None:
        plan = monitor.plan_of_best(oracle)
    else:
        plan = rounded.pool.rows, rounded.pool.mass
    linear, value, error = _measure(problem, oracle.kernels, *plan)
    start, rows, _, mass, _ = oracle.support
    relaxed = RelaxedPlan(
        entries=relaxed_columns(problem, start, rows, mass),
        value=oracle.relaxed_value(),
        excess_columns=np.sort(problem.columns[oracle.column_counts() > problem.k]),
        marginal_error=float(np.abs(relaxation.gradient).sum()),
    )
    all_rows, all_mass = _slots(problem, *compact(*plan), k)
    return Ending(
        outcome=outcome,
        bound=best.bound,
        alpha=best.alpha,
        beta=best.beta,
        relaxed=relaxed,
        is_rounded=rounded is not None,
        found=rounded is not None and rounded.feasible,
        rows=all_rows,
        mass=all_mass,
        linear=linear,
        value=value,
        error=error,
        nit_relaxed=monitor.nit,
        gap_relaxed=monitor.gap,
        nit=monitor.nit + (0 if rounded is None else rounded.nit),
        nfev=oracle.nfev,
    )


def assemble(problem, kernels, end, k, settings):
    """Conclude from an `Ending`; `k` as it was given."""
    feasible = end.found and end.error <= FEASIBLE * problem.mass
    gap = problem.relative_gap(end.value, end.bound) if feasible else np.inf
    status, message = _conclude(problem, end, feasible, gap, settings)
    return OTResult(
        rows=end.rows,
        mass=end.mass,
        value=end.value,
        linear_value=end.linear,
        dual_bound=end.bound,
        gap=gap,
        marginal_error=end.error,
        potentials=_full_potentials(problem, kernels, end.alpha, end.beta),
        relaxed=end.relaxed,
        status=status,
        message=message,
        nit=end.nit,
        nfev=end.nfev,
        elapsed=time.perf_counter() - settings.started,
        reg=problem.reg,
        k=allowed_counts(k, problem.shape[0]),
    )


def relaxed_columns(problem, start, rows, mass):
    """A plan in columns of the problem, as columns of the arrays that were given."""
    n, m = problem.shape
    rows = problem.rows[rows]
    if not np.array_equal(problem.columns, np.arange(m)):
        indptr = np.zeros(m + 1, np.int64)
        indptr[1 + problem.columns] = np.diff(start)
        by_column = np.argsort(problem.columns, kind="stable")
        width = np.diff(start)[by_column]
        shift = np.repeat(start[by_column] - (np.cumsum(width) - width), width)
        entry = np.arange(len(rows)) + shift
        start, rows, mass = np.cumsum(indptr), rows[entry], mass[entry]
    return SparseColumns(start, rows, mass, n)


def _slots(problem, rows, mass, k):
    """Rows and masses (m, width) of a compact plan, for the arrays that were given."""
    n, m = problem.shape
    filled = mass.shape[1]
    width = filled if k is None else int(np.max(allowed_counts(k, n)))
    all_rows, all_mass = np.full((m, width), -1), np.zeros((m, width))
    all_rows[problem.columns, :filled] = np.where(mass > 0, problem.rows[rows], -1)
    all_mass[problem.columns, :filled] = mass
    return all_rows, all_mass


def allowed_counts(k, n):
    """What `OTResult.k` says of k as it was given."""
    if k is None:
        return n
    if np.ndim(k) == 0:
        return min(int(k), n)
    return np.minimum(np.asarray(k), np.int64(n)).astype(np.int64)


def compact(rows, mass):
    """Shift the used slots of every column to the front, by increasing row."""
    keys = np.where(mass > 0, rows, np.iinfo(rows.dtype).max)
    order = np.argsort(keys, axis=1, kind="stable")
    width = max(int((mass > 0).sum(axis=1).max()), 1)
    order = order[:, :width]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(mass, order, 1)


def _measure(problem, kernels, rows, mass):
    """<T, C>, the objective, and the L1 marginal error of a plan."""
    column, slot = np.nonzero(mass)
    row, t = rows[column, slot], mass[column, slot]
    linear = float(kernels.entries(problem.Ct, column, row) @ t)
    value = linear + 0.5 * problem.reg * float(t @ t)
    row_sums = np.bincount(row, t, minlength=len(problem.a))
    error = np.abs(row_sums - problem.a).sum() + np.abs(mass.sum(axis=1) - problem.b).sum()
    return linear, value, float(error)


def _full_potentials(problem, kernels, alpha, beta):
    """Potentials of all rows and columns; those without mass are priced out."""
    n, m = problem.shape
    if len(problem.a) == n and len(problem.b) == m and isinstance(problem.Ct, np.ndarray):
        return Potentials(alpha, beta)
    kept_alpha, kept_beta = alpha, beta
    alpha, beta = np.empty(n), np.empty(m)
    alpha[problem.rows], beta[problem.columns] = kept_alpha, kept_beta
    empty_rows = np.setdiff1d(np.arange(n), problem.rows)
    if len(empty_rows):
        alpha[empty_rows] = kernels.c_transform(kept_beta, problem.row_block(empty_rows))
    empty_columns = np.setdiff1d(np.arange(m), problem.columns)
    if len(empty_columns):
        block, order = problem.column_block(empty_columns)
        beta[empty_columns] = kernels.c_transform(alpha[order], block)
    return Potentials(alpha, beta)


def _conclude(problem, end, feasible, gap, settings):
    share, tol, maxiter = end.error / problem.mass, settings.tol, settings.maxiter
    if feasible and gap <= tol:
        return Status.OPTIMAL, f"Certified optimal: gap {max(gap, 0.0):.1e} <= tol = {tol:.1e}."
    if end.outcome == "stopped":
        return Status.STOPPED, (
            f"Stopped after {end.nit_relaxed} Newton steps; the plan misses the marginals by "
            f"{share:.1e} of the mass. Pass this result as `warm_start` to go on."
        )
    if end.outcome == "limit":
        return Status.ITERATION_LIMIT, (
            f"Stopped at maxiter = {maxiter} after {end.nit_relaxed} Newton steps with relaxed gap "
            f"{end.gap_relaxed:.1e} > tol = {tol:.1e}. Raise maxiter, loosen tol, or increase reg."
        )
    if feasible:
        return Status.FEASIBLE, (
            f"Feasible and k-sparse; within {gap:.1e} of optimal (tol = {tol:.1e}). "
            "Raise k for a smaller gap."
        )
    # In the order that was given: the proof may name a column.
    order = np.argsort(problem.columns, kind="stable")
    proof = proof_of_infeasibility(problem.a, problem.b[order], problem.k[order])
    smallest, alike = smallest_count(problem.a, problem.b), " for all columns alike"
    if np.ptp(problem.k) == 0:
        smallest, alike = max(smallest, int(problem.k[0]) + (proof is not None)), ""
    if proof is not None:
        return Status.INFEASIBLE, (
            f"Proven infeasible: {proof}. The smallest k{alike} that the count allows is "
            f"{smallest}. "
            f"The plan misses the marginals by {share:.1e} of the mass; `relaxed.plan` meets them."
        )
    if not end.is_rounded:
        return Status.RELAXED_ONLY, (
            f"{len(end.relaxed.excess_columns)} columns of the relaxed plan exceed k and rounding "
            f"is off; the plan misses the marginals by {share:.1e} of the mass. "
            "Use rounding='repair'."
        )
    return Status.NOT_FOUND, (
        f"No k-sparse plan found: the best one misses the marginals by {share:.1e} of the mass. "
        f"Counting needs k >= {smallest}{alike}; raise k, or use `relaxed.plan`."
    )
