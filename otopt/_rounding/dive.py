"""Diving: fix the columns that the relaxation decides most clearly, solve again, repeat."""

import numpy as np

from otopt._oracles.ascent import ascend
from otopt._oracles.proximal_dual import ProximalDual

__all__ = ["dive"]

DEPTH = 6
PROXIMAL_STEPS = 3  # they settle columns that are nearly undecided
NEWTON_STEPS = 10  # a guide need not be exact: more make no better plans


def dive(problem, kernels, pool, alpha, *, allowed=None):
    """Solve the relaxation on `pool` with ever more columns held to their k largest entries.

    `allowed` marks the entries to begin with; None means all of them, with the masses that the
    pool holds for their relaxation.

    Returns
    -------
    alpha : ndarray, shape (n,)
    nit : int
        Newton steps; the masses of `pool` are those of the last relaxation.
    """
    typical = float(problem.b.mean())
    nit = 0
    if allowed is None:
        allowed = pool.used.copy()
    else:
        alpha, nit = _relax_on(problem, kernels, pool, allowed, alpha, typical)
    for _ in range(DEPTH):
        top = pool.top(pool.mass, problem.k)
        tied = np.flatnonzero((pool.mass > 0).sum(axis=1) > problem.k)
        if len(tied) == 0:
            break
        # How much of the lightest kept entry the heaviest dropped one falls short of.
        kept = np.where(top, pool.mass, np.inf).min(axis=1)[tied]
        dropped = np.where(top, 0.0, pool.mass).max(axis=1)[tied]
        order = np.argsort((kept - dropped) / kept)
        decided = tied[order[-max(1, len(tied) // 2) :]]
        allowed[decided] &= top[decided]
        alpha, steps = _relax_on(problem, kernels, pool, allowed, alpha, typical)
        nit += steps
    return alpha, nit


def _relax_on(problem, kernels, pool, allowed, alpha, typical):
    trial = pool.restricted(allowed)
    mu = 0.2 * max(problem.reg, 1e-2 * problem.unit / typical)
    oracle = ProximalDual(
        kernels, problem.a, problem.b, None, problem.k, problem.reg, mu=mu, lists=trial.as_lists()
    )
    nit = 0
    for _ in range(PROXIMAL_STEPS):
        step = ascend(oracle, alpha, tol=1e-7 * problem.mass, maxiter=NEWTON_STEPS)
        alpha = step.x
        nit += step.nit
        oracle.recentre()
        oracle.mu *= 0.25
    pool.mass = pool.spread(allowed, oracle.lists.centre[trial.used])
    return alpha, nit
