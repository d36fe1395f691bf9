"""Kernels for a cost whose columns are spread over processes.

Every process scans the columns it holds, and answers are put together in the order of the
columns: the arrays returned are those of one process, bit for bit, and the same everywhere. So
what is computed from them needs no agreement: all processes take the same branches.
"""

from __future__ import annotations

import numpy as np

from .communicator import gather_arrays
from .cost import ColumnShards, RowPieces

__all__ = ["ShardedKernels"]

BLOCK = 1 << 20  # entries of the cost that are copied at a time


class ShardedKernels:
    """A module of kernels (see `otopt._kernels`) that takes `ColumnShards` for `Ct` as well.

    Parameters
    ----------
    local : module
        That serves everything else.
    """

    def __init__(self, local):
        self.local = local

    def __getattr__(self, name):
        return getattr(self.local, name)

    # -- entries ----------------------------------------------------------------------------------

    def entries(self, Ct, columns, rows):
        if not isinstance(Ct, ColumnShards):
            return self.local.entries(Ct, columns, rows)
        columns, rows = np.broadcast_arrays(columns, rows)
        held, place = Ct.owned(columns)
        values = np.zeros(columns.shape, Ct.local.dtype)
        values[held] = self.local.entries(Ct.local, place[held], rows[held])
        return Ct.communicator.reduce(values, "sum")

    def take_columns(self, Ct, sample):
        """Copied to every process."""
        held, place = Ct.owned(sample)
        block = np.zeros((len(sample), Ct.shape[1]), Ct.local.dtype)
        block[held] = self.local.take_columns(Ct.local, place[held])
        return Ct.communicator.reduce(block, "sum")

    def c_transform(self, x, M):
        if isinstance(M, ColumnShards):
            return gather_arrays(M.communicator, self.local.c_transform(x, M.local))[0]
        shards = M.shards
        lowest = np.full(len(M.local), np.inf)
        if M.local.shape[1] > 0:
            lowest = self.local.c_transform(x[shards.own], M.local)
        return shards.communicator.reduce(lowest, "min")

    # -- columns ----------------------------------------------------------------------------------

    def top_k_conjugate(self, alpha, Ct, b, k, reg, workers=1):
        own = self.local.top_k_conjugate(alpha, Ct.local, b[Ct.own], k[Ct.own], reg, workers)
        return gather_arrays(Ct.communicator, *own)

    def simplex_potentials(self, x, M, mass, reg):
        if isinstance(M, RowPieces):
            return self._row_potentials(x, M, mass, reg)
        own = self.local.simplex_potentials(x, M.local, mass[M.own], reg)
        return gather_arrays(M.communicator, own)[0]

    def _row_potentials(self, x, M, mass, reg):
        """Solve rows that lie in pieces on all processes.

        A piece alone has too low a threshold, so the highest of these is a lower bound on that of
        the row, and few entries exceed it.
        """
        shards = M.shards
        x_own, held = x[shards.own], M.local.shape[1]
        potential = np.full(len(M.local), np.inf)
        if held > 0:
            potential = self.local.simplex_potentials(x_own, M.local, mass, reg)
        floor = -shards.communicator.reduce(potential, "min")
        floor -= 1e-12 * (np.abs(floor) + mass * reg)
        rows, gains = [np.zeros(0, np.int64)], [np.zeros(0)]
        step = max(1, BLOCK // max(held, 1))
        for first in range(0, len(mass) if held > 0 else 0, step):
            gain = x_own - M.local[first : first + step]
            row, column = np.nonzero(gain >= floor[first : first + step, None])
            rows.append(first + row)
            gains.append(gain[row, column])
        row, gain = gather_arrays(shards.communicator, np.concatenate(rows), np.concatenate(gains))
        order = np.argsort(row, kind="stable")  # leaves the entries of a row in their order
        row, gain = row[order], gain[order]
        count = np.bincount(row, minlength=len(mass))
        slot = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        price = np.full((len(mass), int(count.max())), np.inf)
        price[row, slot] = -gain
        return self.local.simplex_potentials(np.zeros(price.shape[1]), price, mass, reg)

    def cheapest_in_columns(self, alpha, Ct, count):
        if not isinstance(Ct, ColumnShards):
            return self.local.cheapest_in_columns(alpha, Ct, count)
        own = self.local.cheapest_in_columns(alpha, Ct.local, count)
        return gather_arrays(Ct.communicator, own)[0]

    def cheapest_in_rows(self, alpha, beta, Ct, count):
        width = min(count, len(Ct.local))
        own = self.local.cheapest_in_rows(alpha, beta[Ct.own], Ct.local, width).T
        rows = np.arange(Ct.shape[1])
        price = self.local.entries(Ct.local, own, rows) - alpha - beta[own + Ct.own.start]
        columns, price = gather_arrays(Ct.communicator, own + Ct.own.start, price)
        order = np.argsort(price, axis=0, kind="stable")[:count]
        return np.take_along_axis(columns, order, axis=0).T.astype(np.int32)

    # -- components -------------------------------------------------------------------------------

    def entry_slack(self, Ct, alpha, threshold, label, column_label):
        own = self.local.entry_slack(
            Ct.local, alpha, threshold[Ct.own], label, column_label[Ct.own]
        )
        return Ct.communicator.reduce(own, "min")
