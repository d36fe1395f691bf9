"""Point clouds in place of a cost matrix: sorted along a kd-tree whose boxes bound the cost."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["METRICS", "Cloud", "PointCost", "entries", "kd_order"]

METRICS = ("sqeuclidean", "euclidean", "cosine")  # a kernel knows them by their place
LEAF = 24  # points a leaf at most: a few vector registers


class Cloud(NamedTuple):
    """Points in the order of a balanced tree, and the boxes of its nodes.

    Nodes are numbered as in a heap: 1 is the root, 2 v and 2 v + 1 are the children of v, the
    leaves come last and hold consecutive points.
    """

    points: NDArray  # (d, N), float32 or float64
    start: NDArray  # (leaves + 1,) where each leaf begins
    low: NDArray  # (2 leaves, d) corners of the boxes; row 0 is not used
    high: NDArray

    @classmethod
    def of_sorted(cls, points):
        """The tree over points (N, d) that stand in `kd_order`, or near to it."""
        start = _leaf_starts(len(points))
        leaves = len(start) - 1
        low = np.zeros((2 * leaves, points.shape[1]), points.dtype)
        high = low.copy()
        low[leaves:] = np.minimum.reduceat(points, start[:-1])
        high[leaves:] = np.maximum.reduceat(points, start[:-1])
        level = leaves // 2
        while level:
            nodes = slice(level, 2 * level)
            low[nodes] = low[2 * level : 4 * level].reshape(level, 2, -1).min(axis=1)
            high[nodes] = high[2 * level : 4 * level].reshape(level, 2, -1).max(axis=1)
            level //= 2
        return cls(np.ascontiguousarray(points.T), start, low, high)

    @property
    def leaf_of(self):
        """The leaf of every point, (N,)."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def merged(self, order, start):
        """The cloud of the means of clusters ``order[start[r] : start[r + 1]]``."""
        sums = np.add.reduceat(self.points[:, order].astype(float), start[:-1], axis=1)
        return Cloud.of_sorted((sums / np.diff(start)).T.astype(self.points.dtype))

    def clustered(self, mass):
        """The cloud of the leaves' centres of mass, and their masses."""
        total = np.add.reduceat(mass, self.start[:-1])
        centres = np.add.reduceat(self.points * mass, self.start[:-1], axis=1) / total
        return Cloud.of_sorted(centres.T.astype(self.points.dtype)), total


class PointCost(NamedTuple):
    """Stands for a matrix whose row j holds the costs from query j to every point.

    ``cost.points`` is the cloud that a scan of a row runs over.
    """

    points: Cloud
    queries: Cloud
    metric: int

    @property
    def shape(self):
        """Rows and columns of the matrix."""
        return self.queries.points.shape[1], self.points.points.shape[1]

    @property
    def size(self):
        """Entries of the matrix."""
        n, m = self.shape
        return n * m

    @property
    def transposed(self):
        """The same costs with points and queries exchanged."""
        return PointCost(self.queries, self.points, self.metric)

    def entries(self, rows, columns):
        """Costs of rows and columns of the matrix, broadcast; the same bits as in the kernels."""
        square = np.zeros(np.broadcast_shapes(np.shape(rows), np.shape(columns)))
        for x, y in zip(self.queries.points, self.points.points, strict=True):
            square += (y[columns].astype(float) - x[rows]) ** 2
        if METRICS[self.metric] == "sqeuclidean":
            return square
        return np.sqrt(square) if METRICS[self.metric] == "euclidean" else 0.5 * square

    def sample(self, most_rows=64, most_columns=512):
        """Entries of some rows and columns, spread evenly."""
        rows, columns = (
            np.arange(0, size, -(-size // most))
            for size, most in zip(self.shape, (most_rows, most_columns), strict=True)
        )
        return self.entries(rows[:, None], columns)

    def merged(self, rows, columns):
        """Costs between the means of clusters, each given as the order of its points and starts.

        Squared distances between means differ from means of squared distances by a constant in
        every row and column, which the potentials take up.
        """
        queries, points = self.queries.merged(*rows), self.points.merged(*columns)
        return PointCost(points, queries, self.metric)


def entries(C, rows, columns):
    """Entries of a matrix or of a `PointCost`."""
    return C.entries(rows, columns) if isinstance(C, PointCost) else C[rows, columns]


def _leaf_starts(count):
    start = [0, count]
    while start[1] > LEAF:
        middles = [(low + high) // 2 for low, high in pairwise(start)]
        start = sorted({*start, *middles})
    return np.array(start)


def kd_order(points):
    """The order of points (N, d) in a kd-tree that halves the widest side of each box."""
    order = np.arange(len(points))
    start = [0, len(points)]
    leaves = len(_leaf_starts(len(points))) - 1
    while len(start) <= leaves:
        for low, high in pairwise(start):
            block = points[order[low:high]]
            axis = int(np.argmax(np.ptp(block, axis=0)))
            order[low:high] = order[low:high][np.argsort(block[:, axis], kind="stable")]
        middles = [(low + high) // 2 for low, high in pairwise(start)]
        start = sorted([*start, *middles])
    return order
