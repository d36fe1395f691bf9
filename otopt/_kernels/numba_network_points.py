"""Kernels of exact transport between points: those of `numba_network` for a `PointCost`.

Rows are searched by branch and bound over the boxes of a kd-tree (`_numba_cost_rows`), exactly.
In few dimensions a row takes a few hundred entries; in many, all of them.
"""

import numpy as np
from numba import njit

from ._numba_coarsen import cluster
from ._numba_cost_rows import bounds_at, row_list, row_minimum, row_space, shape_of
from ._numba_matching import match
from ._numba_network import simplex
from ._numba_starts import forest_flow, regret_flow
from ._numba_tree import hang, tree_arcs
from .numba_network import cold

__all__ = [
    "c_transform",
    "checked_potentials",
    "cluster",
    "cold",
    "column_potentials",
    "forest_flow",
    "hang",
    "match",
    "regret_flow",
    "row_potentials",
    "shortlist",
    "simplex",
    "tree_arcs",
]


@njit(cache=True, nogil=True)
def row_potentials(C, v):
    """``u_i = min_j C_ij - v_j``."""
    n, _ = shape_of(C)
    u = np.empty(n)
    space = row_space(C, 1)
    bounds = bounds_at(C, v)
    for i in range(n):
        u[i], _ = row_minimum(C, i, v, bounds, np.inf, space)
    return u


def checked_potentials(C, v):
    """The same; distances between finite points are finite."""
    return row_potentials(C, v), 0


def column_potentials(C, u):
    """``v_j = min_i C_ij - u_i``."""
    return row_potentials(C.transposed, u)


def c_transform(C, v):
    """``u_i = min_j C_ij - v_j``, then the largest v that goes with it."""
    u = row_potentials(C, v)
    return u, column_potentials(C, u)


@njit(cache=True, nogil=True)
def shortlist(C, v, length):
    """Per row the minimum of ``C_ij - v_j`` and its `length` cheapest entries, in any order."""
    n, _ = shape_of(C)
    u = np.empty(n)
    columns = np.empty((n, length), np.int32)
    cost = np.empty((n, length))
    space = row_space(C, length)
    bounds = bounds_at(C, v)
    for i in range(n):
        row_list(C, i, v, bounds, space, columns[i], cost[i])
        u[i] = np.inf
        for k in range(length):
            u[i] = min(u[i], cost[i, k] - v[columns[i, k]])
    return u, columns, cost
