"""The small set of entries that the search for a k-sparse plan may use."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otopt._kernels.layout import CandidateLists

__all__ = ["Pool"]


@dataclass
class Pool:
    """Candidate entries by columns: padded arrays of shape (m, L), `used` marks real entries."""

    rows: NDArray
    cost: NDArray
    mass: NDArray
    used: NDArray

    @classmethod
    def of_support(cls, oracle):
        """The support of the relaxed plan."""
        start, rows, cost, mass, _ = oracle.support
        column = np.repeat(np.arange(oracle.m), np.diff(start))
        return cls.of_entries(column, rows, cost, mass, oracle.m)

    @classmethod
    def around(cls, oracle, alpha, beta, extra, *, feeders=False):
        """That support, the k_j + `extra` cheapest entries of a column, the `extra` of a row.

        With `feeders` also, for every column, the cheapest rows that hold b_j / k_j at least: a
        heavy column can be filled by k_j rows only if such are among them.
        """
        n, m = oracle.n, oracle.m
        start, rows, _, mass, _ = oracle.support
        in_rows = oracle.kernels.cheapest_in_rows(alpha, beta, oracle.Ct, min(m, extra))
        support = np.repeat(np.arange(m), np.diff(start)) * n + rows
        chosen = [
            support,
            _cheapest_in_columns(oracle, alpha, extra),
            (in_rows.astype(np.int64) * n + np.arange(n)[:, None]).ravel(),
        ]
        if feeders:
            feeder_columns, feeder_rows = oracle.cheapest_feeders(alpha, extra)
            chosen.append(feeder_columns * n + feeder_rows)
        keys = np.sort(np.concatenate(chosen))  # half the time of `np.unique`
        keys = keys[np.diff(keys, prepend=-1) > 0]
        masses = np.zeros(len(keys))
        masses[np.searchsorted(keys, support)] = mass
        column, row = np.divmod(keys, n)
        return cls.of_entries(
            column, row, oracle.kernels.entries(oracle.Ct, column, row).astype(float), masses, m
        )

    @classmethod
    def of_entries(cls, column, row, cost, mass, m):
        count = np.bincount(column, minlength=m)
        slot = np.arange(len(column)) - np.repeat(np.cumsum(count) - count, count)
        shape = m, int(count.max())
        pool = cls(
            rows=np.zeros(shape, np.int32),
            cost=np.zeros(shape),
            mass=np.zeros(shape),
            used=np.arange(shape[1]) < count[:, None],
        )
        pool.rows[column, slot] = row
        pool.cost[column, slot] = cost
        pool.mass[column, slot] = mass
        return pool

    def restricted(self, keep):
        """The pool of the entries marked by `keep` alone."""
        column, slot = np.nonzero(keep & self.used)
        return Pool.of_entries(
            column, self.rows[column, slot], self.cost[column, slot], self.mass[column, slot],
            len(keep),
        )  # fmt: skip

    def spread(self, keep, values):
        """An array of the shape of the pool with `values` at the entries marked by `keep`."""
        full = np.zeros(self.used.shape, values.dtype)
        full[np.nonzero(keep & self.used)] = values
        return full

    def as_lists(self):
        """A sparse cost for `ProximalDual`, with the masses as proximal centre."""
        return CandidateLists(
            rows=self.rows,
            cost=self.cost.copy(),
            centre=self.mass.copy(),
            count=self.used.sum(axis=1),
            bound=np.full(len(self.rows), -np.inf),
            margin=np.zeros(len(self.rows)),
        )

    def top(self, score, k):
        """Mark the k (m,) entries of every column with the largest positive score."""
        positive = self.used & (score > 0)
        chosen = positive.copy()
        above = positive.sum(axis=1) > k
        for size in np.unique(k[above]):
            over = np.flatnonzero(above & (k == size))
            rank = score[over]
            rank[~positive[over]] = 0.0
            np.negative(rank, out=rank)
            rest = np.argpartition(rank, size - 1, axis=1)[:, size:]
            chosen[over[:, None], rest] = False
        return chosen

    def free_slots(self, support, alpha, k):
        """Mark the entries of smallest reduced cost for the slots that `support` leaves free."""
        chosen = np.zeros(self.used.shape, bool)
        free = k - support.sum(axis=1)
        some = np.flatnonzero(free > 0)
        price = self.cost[some] - alpha[self.rows[some]]
        price[support[some] | ~self.used[some]] = np.inf
        order = np.argsort(price, axis=1)
        chosen[some[:, None], order] = np.arange(order.shape[1]) < free[some, None]
        return chosen & self.used & ~support


def _cheapest_in_columns(oracle, alpha, extra):
    """Keys ``j n + i`` of the k_j + `extra` cheapest entries of every column."""
    keys = []
    for size in np.unique(oracle.k):
        columns = np.flatnonzero(oracle.k == size)
        some = len(columns) < oracle.m
        Ct = oracle.kernels.take_columns(oracle.Ct, columns) if some else oracle.Ct
        rows = oracle.kernels.cheapest_in_columns(alpha, Ct, min(oracle.n, int(size) + extra))
        keys.append((columns[:, None] * oracle.n + rows).ravel())
    return np.concatenate(keys)
