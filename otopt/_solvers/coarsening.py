"""Smaller problems that a cost is merged into: rows, and columns, that it treats alike are one.

Points are merged by their coordinates. Rows of a matrix are compared through their cost to a few
landmark columns, so that it needs none.
"""

from types import ModuleType

import numpy as np

from otopt._core.clouds import PointCost

__all__ = ["coarsen", "lifted_potentials", "variance"]

LANDMARKS = 12


def coarsen(kernels: ModuleType, C, size):
    """Clusters of rows and of columns, each as an order and its starts, and the cost between."""
    rows, columns = (kernels.cluster(features, size) for features in _features(C))
    if isinstance(C, PointCost):
        return rows, columns, C.merged(rows, columns)
    return rows, columns, kernels.cluster_costs(C, *rows, *columns)


def lifted_potentials(kernels: ModuleType, C, rows, between, u):
    """Potentials of the columns of C from those of the clusters of its rows."""
    if isinstance(C, PointCost):
        return kernels.column_potentials(between._replace(points=C.points), u)
    return kernels.potentials_of_clusters(C, *rows, u)


def variance(C):
    """Variance of a cost, from a sample of its rows."""
    if isinstance(C, PointCost):
        return C.sample().var()
    return C[:: max(1, len(C) // 64)].var()


def _features(C):
    """What clusters of rows, and of columns, are to have in common."""
    if isinstance(C, PointCost):
        clouds = C.queries, C.points
        return [np.ascontiguousarray(cloud.points.T, np.float64) for cloud in clouds]
    n, m = C.shape
    landmarks = C[:, _spread(m)], C[_spread(n)].T
    return [np.ascontiguousarray(part, np.float64) for part in landmarks]


def _spread(length):
    count = min(LANDMARKS, length)
    return (np.arange(count) * length + length // 2) // count
