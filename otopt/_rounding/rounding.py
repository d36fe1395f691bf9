"""Relaxed plan in, k-sparse plan out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otopt._oracles.ascent import ascend

from .counting import has_room
from .dive import dive
from .polish import objective, polish
from .pool import Pool
from .sparsify import sparsify

__all__ = ["DIVE_ABOVE", "FEASIBLE", "IMPROVE_ABOVE", "Rounded", "round_plan", "search_effort"]

FEASIBLE = 1e-9  # accepted L1 marginal error, relative to the mass
REFILLS = 4
WIDER = 4  # a second search has this many times the candidates
DIVE_ABOVE = 3e-4  # relative gap from which a better support is looked for
IMPROVE_ABOVE = 1e-3
EFFORT = 5  # Newton steps of the search, as a multiple of those of the relaxation
LEAST_STEPS = 35  # that the relaxation counts for
FREED = 0.3  # share of the columns that a neighbourhood sets free


@dataclass
class Rounded:
    """A k-sparse plan on `pool`; `feasible` says whether it meets the marginals."""

    pool: Pool
    alpha: NDArray
    nit: int
    feasible: bool
    value: float = np.inf


def search_effort(roomy):
    """Return (multiple, least): the search may take multiple * max(steps, least) Newton steps.

    `steps` are those of the relaxation. Without room, more effort is rarely repaid.
    """
    return (EFFORT if roomy else 1), LEAST_STEPS


def round_plan(problem, kernels, relaxed, certificate, *, search, options, effort):
    """Turn the relaxed plan held by the oracle `relaxed` into a k-sparse one.

    Parameters
    ----------
    problem : SparseOT
    kernels : module
    relaxed : ProximalDual
        After its last evaluation.
    certificate : Certificate
        The best bound.
    search : bool
        False: do nothing where the relaxed plan is not k-sparse already.
    options : SparseOTOptions
    effort : int
        Newton steps spent on the relaxation: improvements may take a few times as many.

    Returns
    -------
    Rounded or None
    """
    alpha, beta = certificate.alpha, certificate.beta
    excess = relaxed.column_counts() > problem.k
    searcher = _Search(problem, kernels, certificate, options, effort)
    if problem.k.max() == 1 or not excess.any():
        # On a support that is final the marginals can be had exactly; for k = 1 a vertex of the
        # face of the linear programme is exact if they are.
        ascend(relaxed, relaxed.reference, tol=1e-11 * problem.mass, maxiter=10)
        excess = relaxed.column_counts() > problem.k
    if not excess.any():
        pool = Pool.of_support(relaxed)
        polished, _, nit, error = polish(problem, kernels, pool, alpha)
        searcher.nit += nit
        if error <= FEASIBLE:
            return Rounded(pool, polished, nit, True)
        # Rows of very small mass may not be on the support yet: the search finds them a column.
    elif not search:
        return None
    relaxed.release_lists()
    pool = Pool.around(relaxed, alpha, beta, options.extra_candidates)
    masses = pool.mass
    best = searcher.attempt(pool, alpha)
    if not best.feasible and searcher.has_room:
        pool = Pool.around(relaxed, alpha, beta, WIDER * options.extra_candidates, feeders=True)
        masses = pool.mass
        best = searcher.attempt(pool, alpha)
    worth = problem.k.max() > 1 and best.feasible and searcher.has_room
    if worth and searcher.gap(best) > DIVE_ABOVE:
        pool.mass = masses
        dived, nit = dive(problem, kernels, pool, alpha)
        best = searcher.better(best, searcher.attempt(pool, dived, nit))
        best = searcher.improve(pool, best)
    best.nit = searcher.nit
    return best


class _Search:
    """One problem, several attempts."""

    def __init__(self, problem, kernels, certificate, options, effort):
        self.problem, self.kernels = problem, kernels
        self.certificate, self.options = certificate, options
        self.rng = np.random.default_rng(0)
        self.nit = 0
        self.has_room = has_room(problem.a, problem.b, problem.k)
        multiple, least = search_effort(self.has_room)
        self.budget = multiple * max(effort, least)

    def gap(self, rounded):
        return self.problem.relative_gap(rounded.value, self.certificate.bound)

    @staticmethod
    def better(first, second):
        return second if second.feasible and second.value < first.value else first

    def attempt(self, pool, alpha, nit=0):
        """Make the masses of the pool k-sparse and optimal on their support."""
        k = self.problem.k
        rounds = (
            self.options.rounding_rounds if self.has_room else self.options.rounding_rounds // 3
        )
        support, alpha, steps, outside = sparsify(
            self.problem, self.kernels, pool, alpha, rounds=rounds, rng=self.rng
        )
        self.nit += nit + steps
        if outside > 0:
            return Rounded(pool.restricted(support), alpha, 0, False)
        best = Rounded(pool.restricted(support), alpha, 0, False)
        for _ in range(REFILLS):
            support |= pool.free_slots(support, alpha, k)
            trial = pool.restricted(support)
            alpha, beta, steps, error = polish(self.problem, self.kernels, trial, alpha)
            self.nit += steps
            value = objective(trial, self.problem.reg)[1]
            if error > FEASIBLE or value >= best.value:
                break
            best = Rounded(trial, alpha, 0, True, value)
            pool.mass = pool.spread(support, trial.mass[trial.used])
            # Entries left at zero make room for others that the new potentials price better.
            carried = pool.mass > 0
            gain = alpha[pool.rows] + beta[:, None] - pool.cost
            wanted = pool.free_slots(carried, alpha, k) & (gain > 1e-9 * self.problem.unit)
            if not (wanted & ~support).any():
                break
            support = carried | wanted
        return best

    def improve(self, pool, best):
        """Large-neighbourhood search: relax the columns that lose most, dive again.

        At fixed alpha the gap is a sum over columns of what each loses against its best k-sparse
        answer: columns are set free with probability in proportion to that.
        """
        mass = self._masses_on(pool, best)
        for _ in range(self.options.improvement_rounds):
            if self.gap(best) <= IMPROVE_ABOVE or self.nit > self.budget:
                break
            regret = self._regret(pool, mass)
            size = min(max(2, int(FREED * len(regret))), int((regret > 0).sum()))
            free = self.rng.choice(len(regret), size=size, replace=False, p=regret / regret.sum())
            allowed = mass > 0
            allowed[free] = pool.used[free]
            pool.mass = mass.copy()
            alpha, nit = dive(self.problem, self.kernels, pool, best.alpha, allowed=allowed)
            trial = self.attempt(pool, alpha, nit)
            if trial.feasible and trial.value < best.value:
                best, mass = trial, self._masses_on(pool, trial)
        return best

    def _regret(self, pool, mass):
        reduced = pool.cost - self.certificate.alpha[pool.rows]
        spent = (mass * reduced).sum(axis=1) + 0.5 * self.problem.reg * (mass**2).sum(axis=1)
        return np.maximum(spent + self.certificate.conjugate, 0.0)

    @staticmethod
    def _masses_on(pool, rounded):
        """Masses of a plan on a subset of the pool, in the shape of the pool."""
        n = int(pool.rows.max()) + 1
        columns = np.arange(len(pool.rows))[:, None]
        keys = (columns * n + pool.rows)[pool.used]
        wanted = (columns * n + rounded.pool.rows)[rounded.pool.used]
        masses = np.zeros(len(keys))
        order = np.argsort(keys)
        masses[order[np.searchsorted(keys, wanted, sorter=order)]] = rounded.pool.mass[
            rounded.pool.used
        ]
        return pool.spread(pool.used, masses)
