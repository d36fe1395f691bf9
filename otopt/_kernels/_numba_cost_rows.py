"""How the kernels of exact transport read a cost: one text for a matrix and for points.

numba picks the version by the type of C: an array, or a `PointCost`, whose rows are searched by
branch and bound over the boxes of its points. Both give the same numbers for the same costs.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from ._numba_minima import AHEAD, group_count, list_row, row_least
from ._numba_scan import BLOCK
from ._numba_search import leaf_costs, node_planes, point_cost, push_children, search_top

NODE_WORK = 16  # a box costs as much time as so many entries
POINTS_PER_ROW = 64  # fitting planes to so many points takes as long as refilling a row


@njit(cache=True, nogil=True)
def least_cost(y, cloud, metric, v, planes, above, space):
    """Minimum of ``c - v`` over the points and the work it took; inf if it is not below `above`."""
    c, nodes, bounds = space
    leaves = cloud.start.shape[0] - 1
    best = -above
    found = False
    work = 0
    nodes[0], bounds[0], size = 1, np.inf, 1
    while size > 0:
        size -= 1
        node = nodes[size]
        if bounds[size] <= best:
            continue
        if node < leaves:
            size = push_children(y, cloud, node, metric, planes, best, nodes, bounds, size)
            work += 2 * NODE_WORK
            continue
        lo, hi = cloud.start[node - leaves], cloud.start[node - leaves + 1]
        leaf_costs(y, cloud.points, lo, hi, metric, c)
        work += hi - lo
        for q in range(hi - lo):
            x = v[lo + q] - c[q]
            if x > best:
                best = x
                found = True
    return -best if found else np.inf, work


# -- one entry ----------------------------------------------------------------------------------


def shape_of(C) -> Any:
    """Rows and columns."""


def entry(C, i, j) -> Any:
    """One entry."""


@overload(shape_of)
def _shape_of(C):
    if isinstance(C, types.Array):
        return lambda C: C.shape
    return lambda C: (C.queries.points.shape[1], C.points.points.shape[1])


@overload(entry)
def _entry(C, i, j):
    if isinstance(C, types.Array):
        return lambda C, i, j: C[i, j]
    return lambda C, i, j: point_cost(C.queries.points, i, C.points.points, j, C.metric)


# -- one row ------------------------------------------------------------------------------------


def row_space(C, length) -> Any:
    """Scratch space for rows, and for lists of so many entries."""


def bounds_at(C, v) -> Any:
    """What bounds ``C - v`` from below, for as long as v does not change."""


def rows_at_once(C, batch) -> Any:
    """How many rows to refill at the same v: more where new bounds take long."""


def row_minimum(C, i, v, bounds, guess, space) -> Any:
    """Minimum of ``C_i - v`` and the work it took; quick where `guess` is just above it."""


def row_list(C, i, v, bounds, space, columns, cost):
    """Write the cheapest entries of ``C_i - v``."""


def short_row_minimum(C, i, v, following) -> Any:
    """Minimum of ``C_i - v`` over a short row of a matrix; asks the memory for row `following`."""


@overload(row_space)
def _row_space(C, length):
    if isinstance(C, types.Array):
        return _matrix_space
    return _points_space


@overload(bounds_at)
def _bounds_at(C, v):
    if isinstance(C, types.Array):
        return lambda C, v: 0
    return lambda C, v: node_planes(v, C.points)


@overload(rows_at_once)
def _rows_at_once(C, batch):
    if isinstance(C, types.Array):
        return lambda C, batch: batch
    return lambda C, batch: max(batch, C.points.points.shape[1] // POINTS_PER_ROW)


@overload(row_minimum)
def _row_minimum(C, i, v, bounds, guess, space):
    if isinstance(C, types.Array):
        return _matrix_minimum
    return _points_minimum


@overload(row_list)
def _row_list(C, i, v, bounds, space, columns, cost):
    if isinstance(C, types.Array):
        return _matrix_list
    return _points_list


@overload(short_row_minimum)
def _short_row_minimum(C, i, v, following):
    if isinstance(C, types.Array):
        return _matrix_short_row
    return lambda C, i, v, following: np.inf  # points have lists


def _matrix_short_row(C, i, v, following):
    return row_least(C[i], v, (following - i) * v.shape[0])[0]


def _matrix_space(C, length):
    return np.empty(group_count(C.shape[1])), np.empty(length)


def _matrix_minimum(C, i, v, bounds, guess, space):
    return row_least(C[i], v, AHEAD)[0], v.shape[0]


def _matrix_list(C, i, v, bounds, space, columns, cost):
    list_row(C[i], v, space[0], space[1], columns, cost)


def _points_space(C, length):
    d, m = C.points.points.shape
    room = min(m, 2 * length + BLOCK)
    search = np.empty(BLOCK), np.empty(128, np.int64), np.empty(128)
    return np.empty(d), np.empty(room), np.empty(room, np.int32), search


@njit(cache=True, nogil=True)
def _query(C, i, y):
    for t in range(y.shape[0]):
        y[t] = C.queries.points[t, i]


def _points_minimum(C, i, v, bounds, guess, space):
    y = space[0]
    _query(C, i, y)
    least, work = least_cost(y, C.points, C.metric, v, bounds, guess, space[3])
    if least == np.inf:
        least, more = least_cost(y, C.points, C.metric, v, bounds, np.inf, space[3])
        work += more
    return least, work


def _points_list(C, i, v, bounds, space, columns, cost):
    y, value, where, search = space
    length = columns.shape[0]
    _query(C, i, y)
    search_top(y, C.points, C.metric, v, bounds, length, np.inf, value, where, search)
    for k in range(length):
        columns[k] = where[k]
        cost[k] = point_cost(C.queries.points, i, C.points.points, where[k], C.metric)
