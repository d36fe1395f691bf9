r"""Search for a k-sparse plan by a difference-of-convex method with cycle cancelling.

The mass that a column puts outside its k largest entries, ``b_j - topsum_k(t_j)``, is a concave
penalty that vanishes exactly on k-sparse columns. Linearised at the current plan it is a price on
the entries outside the current top k, so every round is one proximal step of quadratic transport
on a small pool: marginals hold throughout and the price rises until nothing is left outside.
(Gotoh, Takeda, Tono 2018, doi 10.1007/s10107-017-1181-0, treat cardinality in this way.)

Where the rounds stall, because full columns leave a row nowhere to go, the plan is reduced to a
forest: n + m - 1 nonzeros at most, which empties slots all over the support.
"""

import numpy as np

from otopt._oracles.ascent import ascend
from otopt._oracles.proximal_dual import ProximalDual

__all__ = ["sparsify"]

NEWTON_STEPS = 25
PIVOTS = 100  # without progress
CONVERGED = 1e-6  # relative marginal error up to which a round counts
PATIENCE = 6  # stalled rounds without progress before the search gives up
STALL = 0.7  # a round that leaves more than this share of the mass outside has stalled


def sparsify(problem, kernels, pool, alpha, *, rounds, rng):
    """Move the masses of `pool` until every column has at most k nonzeros.

    Returns
    -------
    support : ndarray of bool, shape of the pool
        At most k entries in each column.
    alpha : ndarray, shape (n,)
    nit : int
        Newton steps.
    outside : float
        Mass left outside `support`; 0 on success.
    """
    k, reg, unit = problem.k, problem.reg, problem.unit
    b = problem.b
    typical = float(b.mean())
    tiny = 1e-10 * typical
    price = max(0.5 * reg * typical / float(k.mean()), 1e-4 * unit)
    mu = 0.2 * max(reg, 1e-2 * unit / typical)
    oracle = ProximalDual(
        kernels, problem.a, b, None, len(problem.a), reg, mu=mu, lists=pool.as_lists()
    )
    if k.max() == 1:
        pool.mass = _reduce_to_forest(problem, kernels, pool, rng, tiny)
    support = pool.top(pool.mass, k)
    if not (pool.mass[~support] > 0).any():
        return support, alpha, 0, 0.0
    cost = pool.cost  # with surcharges, once there are some
    best = support, pool.mass, alpha, np.inf
    nit, last, stalled, idle = 0, np.inf, False, 0
    for _ in range(rounds):
        oracle.lists.cost[:] = cost
        oracle.lists.cost[~support] += price
        step = ascend(oracle, alpha, tol=1e-7 * problem.mass, maxiter=NEWTON_STEPS)
        nit += step.nit
        if np.abs(step.gradient).sum() <= CONVERGED * problem.mass:
            alpha = step.x
            oracle.recentre()
            pool.mass = oracle.lists.centre.copy()
            pool.mass[pool.mass <= tiny] = 0.0
        else:  # prices too steep for this curvature: stay, and move less next time
            oracle.mu *= 10.0
        support = pool.top(pool.mass, k)
        outside = float(pool.mass[~support].sum())
        stalled = stalled or outside > STALL * last
        last = min(last, outside)
        if outside > 0 and stalled:
            pool.mass = _reduce_to_forest(problem, kernels, pool, rng, tiny)
            oracle.lists.centre[:] = pool.mass
            support = pool.top(pool.mass, k)
            outside = float(pool.mass[~support].sum())
        idle += stalled
        if outside < best[3]:
            best = support, pool.mass, alpha, outside
            idle = 0
        if outside == 0.0 or idle > PATIENCE:
            break
        price = min(2.0 * price, unit)
        if stalled:
            overfull = ~support & (pool.mass > 0)
            cost = cost.copy() if cost is pool.cost else cost
            cost[overfull] += unit * rng.uniform(0.03, 0.15, size=overfull.sum())
            support |= pool.free_slots(support, alpha, k)
            cost[support] = pool.cost[support]
    support, pool.mass, alpha, outside = best
    return support, alpha, nit, outside


def _reduce_to_forest(problem, kernels, pool, rng, tiny):
    """Cancel the cycles of the plan, then pivot the forest into the columns' capacities."""
    mass = pool.mass[pool.used]
    columns = np.repeat(np.arange(len(pool.used)), pool.used.sum(axis=1))
    # For k = 1 the quadratic term is the same for all 1-sparse columns.
    price = pool.cost[pool.used] + np.where(problem.k[columns] > 1, problem.reg * mass, 0.0)
    graph = pool.rows[pool.used].astype(np.int64), columns
    size = len(problem.a), len(problem.b), problem.k
    kernels.cancel_cycles(*graph, mass, price, *size)
    mass[mass <= tiny] = 0.0  # what is left of cycles that were not quite balanced
    kernels.pivot_to_capacity(*graph, mass, price, *size, rng.random(1009), PIVOTS)
    reduced = np.zeros(pool.mass.shape)
    reduced[pool.used] = np.where(mass > tiny, mass, 0.0)
    return reduced
