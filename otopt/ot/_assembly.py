"""From the state of the solvers to an `OTResult`: measure, conclude, say it in words."""

from __future__ import annotations

import time

import numpy as np

from otopt._core.status import Status
from otopt._rounding.counting import proof_of_infeasibility, smallest_count
from otopt._rounding.rounding import FEASIBLE

from .result import OTResult, Potentials, RelaxedPlan

__all__ = ["allowed_counts", "assemble", "compact"]


def assemble(problem, monitor, relaxation, rounded, outcome, k, tol, started):
    oracle = relaxation.oracle
    n, m = problem.shape
    relaxed_plan = _relaxed_plan(problem, oracle.support)
    relaxed = RelaxedPlan(
        plan=relaxed_plan,
        value=oracle.relaxed_value(),
        excess_columns=np.sort(problem.columns[oracle.column_counts() > problem.k]),
        marginal_error=float(np.abs(relaxation.gradient).sum()),
    )

    if rounded is None:
        rows, mass = monitor.best.rows, monitor.best.mass
    else:
        rows, mass = rounded.pool.rows, rounded.pool.mass
    linear, value, error = _measure(problem, oracle.kernels, rows, mass)
    rows, mass = compact(problem.rows[rows], mass)
    feasible = rounded is not None and rounded.feasible and error <= FEASIBLE * problem.mass
    gap = problem.relative_gap(value, monitor.best.bound) if feasible else np.inf
    status, message = _conclude(
        problem, relaxed, rounded, outcome, feasible, gap, tol, error, monitor
    )
    allowed = allowed_counts(k, n)
    width = rows.shape[1] if k is None else int(np.max(allowed))
    all_rows, all_mass = np.full((m, width), -1), np.zeros((m, width))
    used = mass > 0
    all_rows[problem.columns, : rows.shape[1]] = np.where(used, rows, -1)
    all_mass[problem.columns, : rows.shape[1]] = mass
    return OTResult(
        rows=all_rows,
        mass=all_mass,
        value=value,
        linear_value=linear,
        dual_bound=monitor.best.bound,
        gap=gap,
        marginal_error=error,
        potentials=_full_potentials(problem, oracle.kernels, monitor),
        relaxed=relaxed,
        status=status,
        message=message,
        nit=monitor.nit + (rounded.nit if rounded is not None else 0),
        nfev=oracle.nfev,
        elapsed=time.perf_counter() - started,
        reg=problem.reg,
        k=allowed,
    )


def _relaxed_plan(problem, support):
    from scipy.sparse import csc_array

    n, m = problem.shape
    start, rows, _, mass, _ = support
    rows = problem.rows[rows]
    if not np.array_equal(problem.columns, np.arange(m)):
        indptr = np.zeros(m + 1, np.int64)
        indptr[1 + problem.columns] = np.diff(start)
        by_column = np.argsort(problem.columns, kind="stable")
        width = np.diff(start)[by_column]
        shift = np.repeat(start[by_column] - (np.cumsum(width) - width), width)
        entry = np.arange(len(rows)) + shift
        start, rows, mass = np.cumsum(indptr), rows[entry], mass[entry]
    plan = csc_array((mass, rows, start), shape=(n, m), copy=True)  # sorted in place
    plan.sort_indices()
    return plan


def allowed_counts(k, n):
    """What `OTResult.k` says of k as it was given."""
    if k is None:
        return n
    return min(int(k), n) if np.ndim(k) == 0 else np.minimum(np.asarray(k, np.int64), n)


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


def _full_potentials(problem, kernels, monitor):
    """Potentials of all rows and columns; those without mass are priced out."""
    n, m = problem.shape
    if len(problem.a) == n and len(problem.b) == m and isinstance(problem.Ct, np.ndarray):
        return Potentials(monitor.best.alpha, monitor.best.beta)
    alpha, beta = np.empty(n), np.empty(m)
    alpha[problem.rows], beta[problem.columns] = monitor.best.alpha, monitor.best.beta
    empty_rows = np.setdiff1d(np.arange(n), problem.rows)
    if len(empty_rows):
        alpha[empty_rows] = kernels.c_transform(monitor.best.beta, problem.row_block(empty_rows))
    empty_columns = np.setdiff1d(np.arange(m), problem.columns)
    if len(empty_columns):
        block, order = problem.column_block(empty_columns)
        beta[empty_columns] = kernels.c_transform(alpha[order], block)
    return Potentials(alpha, beta)


def _conclude(problem, relaxed, rounded, outcome, feasible, gap, tol, error, monitor):
    share = error / problem.mass
    if feasible and gap <= tol:
        return Status.OPTIMAL, f"Certified optimal: gap {max(gap, 0.0):.1e} <= tol = {tol:.1e}."
    if outcome == "stopped":
        return Status.STOPPED, (
            f"Stopped after {monitor.nit} Newton steps; the plan misses the marginals by "
            f"{share:.1e} of the mass. Pass this result as `warm_start` to go on."
        )
    if outcome == "limit":
        return Status.ITERATION_LIMIT, (
            f"Stopped after maxiter = {monitor.nit} Newton steps with relaxed gap "
            f"{monitor.gap:.1e} > tol = {tol:.1e}. Raise maxiter, loosen tol, or increase reg."
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
    if rounded is None:
        return Status.RELAXED_ONLY, (
            f"{len(relaxed.excess_columns)} columns of the relaxed plan exceed k and rounding is "
            f"off; the plan misses the marginals by {share:.1e} of the mass. "
            "Use rounding='repair'."
        )
    return Status.NOT_FOUND, (
        f"No k-sparse plan found: the best one misses the marginals by {share:.1e} of the mass. "
        f"Counting needs k >= {smallest}{alike}; raise k, or use `relaxed.plan`."
    )
