"""Relaxed plan in, k-sparse plan out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .polish import objective, polish
from .pool import Pool
from .sparsify import sparsify

__all__ = ["Rounded", "round_plan"]

FEASIBLE = 1e-9  # accepted L1 marginal error, relative to the mass
REFILLS = 4


@dataclass
class Rounded:
    """A k-sparse plan on `pool`; `feasible` says whether it meets the marginals."""

    pool: Pool
    alpha: NDArray
    nit: int
    feasible: bool


def round_plan(problem, kernels, relaxed, alpha, beta, *, search, rounds, extra):
    """Turn the relaxed plan held by the oracle `relaxed` into a k-sparse one.

    Parameters
    ----------
    problem : SparseOT
    kernels : module
    relaxed : ProximalDual
        After its last evaluation.
    alpha, beta : ndarray
        Potentials of the best bound.
    search : bool
        False: do nothing where the relaxed plan is not k-sparse already.
    rounds, extra : int
        See `SparseOTOptions`.

    Returns
    -------
    Rounded or None
    """
    excess = relaxed.column_counts() > problem.k
    if not excess.any():
        pool = Pool.of_support(relaxed)
        alpha, _, nit, error = polish(problem, kernels, pool, alpha)
        return Rounded(pool, alpha, nit, error <= FEASIBLE)
    if not search:
        return None

    pool = Pool.around(relaxed, alpha, beta, extra)
    support, alpha, nit, outside = sparsify(
        problem, kernels, pool, alpha, rounds=rounds, rng=np.random.default_rng(0)
    )
    if outside > 0:
        return Rounded(pool.restricted(support), alpha, nit, False)
    best = None
    for _ in range(REFILLS):
        support |= pool.free_slots(support, alpha, problem.k)
        trial = pool.restricted(support)
        alpha, beta, steps, error = polish(problem, kernels, trial, alpha)
        nit += steps
        feasible = error <= FEASIBLE
        value = objective(trial, problem.reg)[1]
        if best is None or (feasible and value < best_value):
            best, best_value = Rounded(trial, alpha, nit, feasible), value
        else:
            break
        # Entries left at zero make room for others that the new potentials price better.
        carried = np.zeros(support.shape, bool)
        carried[np.nonzero(support)] = trial.mass[trial.used] > 0
        gain = alpha[pool.rows] + beta[:, None] - pool.cost
        better = pool.free_slots(carried, alpha, problem.k) & (gain > 1e-9 * problem.unit)
        if not (better & ~support).any():
            break
        support = carried | better
    best.nit = nit
    return best
