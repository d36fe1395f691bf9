"""The smoothed semi-dual of a sharded cost."""

from __future__ import annotations

import numpy as np

from otopt._kernels.layout import CandidateLists, ColumnSolutions
from otopt._oracles.proximal_dual import ProximalDual

from .communicator import gather_arrays

__all__ = ["ShardedDual"]


class ShardedDual(ProximalDual):
    """`ProximalDual` for `ShardedKernels` and `ColumnShards`.

    The semi-dual is a sum over columns. Every process keeps candidate lists for its own columns
    and solves those; the support of the plan, about k + 1 entries a column, goes to all, and sums
    over columns are taken there, in the order of the columns. Summing at home would send less,
    n + 1 numbers, but answers would depend on where the columns were cut.
    """

    def __init__(self, kernels, a, b, Ct, k, reg, *, mu, lists=None, **settings):
        if lists is not None:
            lists = CandidateLists(*(x[Ct.own].copy() for x in lists))
        self.mine = ProximalDual(
            kernels.local, a, b[Ct.own], Ct.local, k[Ct.own], reg, mu=mu, lists=lists, **settings
        )
        super().__init__(
            kernels, a, b, Ct, k, reg, mu=mu, lists=CandidateLists.empty(0, 0), **settings
        )
        self.own, self.communicator = Ct.own, Ct.communicator

    @property
    def mu(self):
        """Curvature of the proximal term."""
        return self.mine.mu

    @mu.setter
    def mu(self, mu):
        self.mine.mu = mu

    def evaluate(self, alpha):
        self.nfev += 1
        value = self.mine.solve_columns(alpha, self._widest)
        self.reference = self.mine.reference
        start, *support = self.kernels.pack_support(self.mine.lists, self.mine.columns)
        solutions = self.mine.columns
        self.support = ()
        count, value, heads, ties, threshold, *support = gather_arrays(
            self.communicator, np.diff(start), value,
            solutions.heads, solutions.ties, solutions.threshold, *support,
        )  # fmt: skip
        self.support = np.concatenate([[0], np.cumsum(count)]), *support
        self.columns = ColumnSolutions.empty(self.m, 0)._replace(
            heads=heads, ties=ties, threshold=threshold
        )
        return self._sum_of_columns(alpha, value)

    def _widest(self, need):
        # Lists of one width everywhere: shorter ones may hold their entries in another order.
        return int(self.communicator.reduce(np.array([need]), "max")[0])

    def recentre(self):
        self.mine.recentre()

    def limit_margins(self, reach):
        self.mine.limit_margins(reach[self.own])

    def release_lists(self):
        self.mine.release_lists()

    def cheapest_feeders(self, alpha, count):
        column, row = self.mine.cheapest_feeders(alpha, count)
        column, row = gather_arrays(self.communicator, column + self.own.start, row)
        return column, row
