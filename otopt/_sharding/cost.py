"""A cost matrix of which every process holds a run of columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .communicator import Communicator

__all__ = ["ColumnShards", "RowPieces"]


@dataclass(frozen=True, eq=False)
class ColumnShards:
    """In place of `Ct`: whole columns of the cost, in order of the ranks.

    Two views of the same entries, because kernels go along either axis.
    """

    local: NDArray  # (columns of this process, n)
    by_rows: NDArray  # (n, columns of this process)
    counts: tuple[int, ...]  # columns of every process
    communicator: Communicator

    @property
    def own(self) -> slice:
        """Columns of this process."""
        first = sum(self.counts[: self.communicator.rank])
        return slice(first, first + len(self.local))

    @property
    def shape(self) -> tuple[int, int]:
        """Of the transposed cost, (m, n)."""
        return sum(self.counts), self.local.shape[1]

    @property
    def transposed(self) -> RowPieces:
        """The same cost by rows."""
        return RowPieces(self.by_rows, self)

    def owned(self, columns):
        """Which of `columns` this process holds, and where."""
        columns = np.asarray(columns)
        held = (columns >= self.own.start) & (columns < self.own.stop)
        return held, columns - self.own.start


@dataclass(frozen=True, eq=False)
class RowPieces:
    """In place of `C`, or of some rows of it: of every row the part in the own columns."""

    local: NDArray  # (rows, columns of this process)
    shards: ColumnShards
