"""Quadratic transport on a fixed support, to machine precision."""

import numpy as np

from otopt._oracles.ascent import ascend
from otopt._oracles.proximal_dual import ProximalDual

__all__ = ["objective", "polish"]

OUTER_STEPS = 12


def objective(pool, reg):
    """<T, C> and <T, C> + reg/2 ||T||^2 for the masses of the pool."""
    linear = float((pool.cost * pool.mass).sum())
    return linear, linear + 0.5 * reg * float((pool.mass**2).sum())


def polish(problem, kernels, pool, alpha):
    """Set the masses of `pool` to the minimiser over its entries, all of which may carry mass.

    Proximal steps of quickly vanishing curvature: without one, the Newton system is singular
    wherever the support falls apart.

    Returns
    -------
    alpha, beta : ndarray, shape (n,), (m,)
        Potentials of the restricted problem.
    nit : int
    error : float
        L1 marginal error left, relative to the mass.
    """
    typical = float(problem.b.mean())
    mu = 0.02 * max(problem.reg, 1e-2 * problem.unit / typical)
    oracle = ProximalDual(
        kernels,
        problem.a,
        problem.b,
        None,
        len(problem.a),
        problem.reg,
        mu=mu,
        lists=pool.as_lists(),
    )
    nit, value = 0, np.inf
    for _ in range(OUTER_STEPS):
        step = ascend(oracle, alpha, tol=1e-11 * problem.mass, maxiter=30)
        alpha = step.x
        nit += step.nit
        oracle.recentre()
        previous, value = value, oracle.relaxed_value()
        if abs(previous - value) <= 1e-10 * abs(value):
            break
        oracle.mu *= 0.1
    pool.mass = oracle.lists.centre.copy()
    return alpha, -oracle.columns.threshold, nit, _settle(problem, kernels, pool)


def _settle(problem, kernels, pool):
    """Remove what is left of the marginal error along a spanning forest of the support."""
    rows = pool.rows[pool.used].astype(np.int64)
    columns = np.repeat(np.arange(len(pool.used)), pool.used.sum(axis=1))
    mass = pool.mass[pool.used]

    def needs(mass):
        return (
            problem.a - np.bincount(rows, mass, minlength=len(problem.a)),
            problem.b - np.bincount(columns, mass, minlength=len(problem.b)),
        )

    def error(mass):
        return sum(float(np.abs(need).sum()) for need in needs(mass)) / problem.mass

    settled = mass.copy()
    kernels.settle_on_forest(rows, columns, settled, *needs(mass))
    settled = np.maximum(settled, 0.0)
    if error(settled) < error(mass):
        mass = settled
        pool.mass[pool.used] = mass
    return error(mass)
