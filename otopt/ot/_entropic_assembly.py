"""From the state of the dual to an `EntropicResult`: measure, conclude, say it in words."""

from __future__ import annotations

import time

import numpy as np

from otopt._core.status import Status

from .entropic_result import Bounds, EntropicResult
from .result import Potentials

__all__ = ["assemble"]


def assemble(dual, outcome, tol, maxiter, started):
    problem, reg = dual.problem, dual.problem.reg
    phi, psi, sums = dual.phi, dual.psi, dual.sums
    rows = dual.row_sums()
    wanted = dual.wanted(phi)
    error = float(np.abs(wanted - sums).sum())

    total = float(sums.sum())
    value = reg * (float(sums @ phi) + float(rows @ psi)) + reg * (1.0 - total)
    lower = reg * (1.0 - total)
    lower += _dual_term(problem.weight, phi, reg, problem.weight_penalty)
    lower += _dual_term(problem.mass, psi, reg, problem.mass_penalty)
    value += _penalty(sums, problem.weight, problem.weight_penalty)
    value += _penalty(rows, problem.mass, problem.mass_penalty)
    upper, linear_upper, linear_lower = value, np.inf, -np.inf
    if np.isinf(problem.weight_penalty):
        upper, linear_upper = _rounded_bounds(dual)
        linear_lower = reg * float(problem.weight @ phi - problem.mass @ dual.top)

    s = problem.scale
    status, message = _conclude(outcome, error, tol, maxiter, dual)
    return EntropicResult(
        potentials=_full_potentials(dual),
        value=s * value,
        linear_value=s * dual.linear,
        dual_bound=s * lower,
        primal_bound=s * upper,
        gap=(upper - lower) / max(abs(upper), 1e-9 * problem.unit),
        unregularised=Bounds(s * linear_lower, s * linear_upper),
        marginal_error=s * error,
        status=status,
        message=message,
        nit=dual.passes,
        nfev=dual.evaluations,
        elapsed=time.perf_counter() - started,
        reg=reg,
        _problem=problem,
    )


def _dual_term(masses, potential, reg, penalty):
    if np.isinf(penalty):
        return reg * float(masses @ potential)
    return -penalty * float(masses @ np.expm1(-reg / penalty * potential))


def _penalty(sums, masses, penalty):
    if np.isinf(penalty):
        return 0.0
    return penalty * float(sums @ np.log(sums / masses) - sums.sum() + masses.sum())


def _rounded_bounds(dual):
    """Upper bounds on the objective and the cost of the plan after rounding to its marginals.

    Rows are met. Columns above their mass are scaled by ``x = min(1, weight / sums)``, which takes
    delta from the rows, and a matrix E of rank one and mass delta is added. With ``log(T / a b) =
    phi + psi - C / reg`` the scaled plan has the objective ``reg (sum x sums (phi + log x) + row
    sums @ psi)``. An entry that grows by e to t, under the masses of its row and column, costs at
    most ``e c + reg e (1 + log(t / a b)) <= e c + reg e (1 - log b)`` more.
    """
    problem, reg = dual.problem, dual.problem.reg
    phi, psi, sums, weight = dual.phi, dual.psi, dual.sums, problem.weight
    x = np.minimum(weight / np.maximum(sums, 1e-300), 1.0)
    scaled = x * sums
    missing = np.maximum(weight - scaled, 0.0)
    delta = float(missing.sum())
    objective = float(scaled @ (phi + np.log(x))) + float(problem.mass @ psi) - delta * psi.min()
    objective += float(missing @ (1.0 - np.log(weight)))
    upper = reg * objective + delta * problem.high
    return upper, dual.linear + delta * (problem.high - problem.low)


def _full_potentials(dual):
    """Potentials in units of cost, of all sources and targets."""
    problem, reg = dual.problem, dual.problem.reg
    phi, psi = dual.phi, dual.psi
    if problem.balanced:
        # The plan leaves a constant free: the same price for all of the mass on both sides.
        shift = 0.5 * float(problem.mass @ psi - problem.weight @ phi)
        phi, psi = phi + shift, psi - shift
    source, target = (phi, psi) if problem.swapped else (psi, phi)
    f, g = np.empty(len(problem.a)), np.empty(len(problem.b))
    f[problem.rows], g[problem.columns] = reg * source, reg * target
    a, b = problem.a / problem.scale, problem.b / problem.scale
    penalties = problem.mass_penalty, problem.weight_penalty
    penalty_f, penalty_g = penalties[::-1] if problem.swapped else penalties
    for i in np.setdiff1d(np.arange(len(f)), problem.rows):
        cost = problem.cost_row(i)[problem.columns]
        f[i] = _soft_minimum(cost - g[problem.columns], b[problem.columns], reg, penalty_f)
    for j in np.setdiff1d(np.arange(len(g)), problem.columns):
        cost = problem.cost_column(j)[problem.rows]
        g[j] = _soft_minimum(cost - f[problem.rows], a[problem.rows], reg, penalty_g)
    return Potentials(f, g)


def _soft_minimum(x, weights, reg, penalty):
    low = x.min()
    soft = low - reg * np.log(weights @ np.exp((low - x) / reg))
    return soft / (1.0 + reg / penalty)


def _conclude(outcome, error, tol, maxiter, dual):
    if error <= tol:
        return Status.OPTIMAL, f"Converged: marginal error {error:.1e} of the mass <= tol."
    missed = f"the plan misses the marginals by {error:.1e} of the mass > tol = {tol:.1e}"
    if outcome == "stopped":
        return Status.STOPPED, (
            f"Stopped after {dual.passes} passes; {missed}. Pass this result as `warm_start` to go "
            "on."
        )
    if outcome == "precision":
        return Status.PRECISION_LIMIT, (
            f"Rounding errors of exponents up to {dual.problem.unit / dual.problem.reg:.0e} leave "
            f"no more accuracy: {missed}. Loosen tol or increase reg."
        )
    return Status.ITERATION_LIMIT, (
        f"Stopped after maxiter = {maxiter} passes: {missed}. "
        "Raise maxiter, loosen tol, or increase reg."
    )
