"""Clusters of rows and columns that the cost treats alike, and the cost between clusters.

Rows are compared through their cost to a few landmark columns, so no coordinates are needed.
"""

import numpy as np
from numba import njit

DEEPEST = 128  # open boxes; halving needs far fewer


@njit(cache=True, nogil=True)
def _widest(features, order, lo, hi):
    best = -1.0
    axis = 0
    for k in range(features.shape[1]):
        low = high = features[order[lo], k]
        for t in range(lo + 1, hi):
            x = features[order[t], k]
            low = min(low, x)
            high = max(high, x)
        if high - low > best:
            best = high - low
            axis = k
    return axis


@njit(cache=True, nogil=True)
def _split(features, axis, order, lo, hi, middle):
    """Move the smallest of ``order[lo:hi]`` along the axis in front of `middle` (quickselect)."""
    left = lo
    right = hi - 1
    while left < right:
        pivot = features[order[(left + right) >> 1], axis]
        i = left
        j = right
        while i <= j:
            while features[order[i], axis] < pivot:
                i += 1
            while features[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            return


@njit(cache=True, nogil=True)
def cluster(features, size):
    """Boxes of at most `size` points each, by halving the widest side at the median.

    Returns the points in the order of their boxes and where each box starts (and the last ends).
    """
    n = features.shape[0]
    order = np.arange(n)
    start = np.empty(n + 1, np.int64)
    lows = np.empty(DEEPEST, np.int64)
    highs = np.empty(DEEPEST, np.int64)
    lows[0] = 0
    highs[0] = n
    open_boxes = 1
    count = 0
    while open_boxes > 0:
        open_boxes -= 1
        lo = lows[open_boxes]
        hi = highs[open_boxes]
        if hi - lo <= size:
            start[count] = lo
            count += 1
            continue
        middle = (lo + hi) // 2
        if hi - lo > 2 * size:  # in front of it only full boxes
            middle = lo + ((hi - lo) // size + 1) // 2 * size
        _split(features, _widest(features, order, lo, hi), order, lo, hi, middle)
        lows[open_boxes] = middle
        highs[open_boxes] = hi
        lows[open_boxes + 1] = lo
        highs[open_boxes + 1] = middle
        open_boxes += 2
    start[count] = n
    return order, start[: count + 1].copy()


@njit(cache=True, nogil=True)
def _mean_of_rows(C, rows, mean):
    m = C.shape[1]
    c = C[rows[0]]
    for j in range(m):
        mean[j] = c[j]
    for i in rows[1:]:
        c = C[i]
        for j in range(m):
            mean[j] += c[j]
    weight = 1.0 / rows.shape[0]
    for j in range(m):
        mean[j] *= weight


@njit(cache=True, nogil=True)
def cluster_costs(C, row_order, row_start, column_order, column_start):
    """Mean cost from clusters of rows to clusters of columns."""
    rows = row_start.shape[0] - 1
    columns = column_start.shape[0] - 1
    mean = np.empty(C.shape[1])
    costs = np.empty((rows, columns))
    for r in range(rows):
        _mean_of_rows(C, row_order[row_start[r] : row_start[r + 1]], mean)
        for s in range(columns):
            total = 0.0
            for t in range(column_start[s], column_start[s + 1]):
                total += mean[column_order[t]]
            costs[r, s] = total / (column_start[s + 1] - column_start[s])
    return costs


@njit(cache=True, nogil=True)
def potentials_of_clusters(C, row_order, row_start, u):
    """``v_j = min_r C_rj - u_r``, with the mean cost from cluster r of rows.

    The means are made again rather than kept: they would be a good part of the size of C.
    """
    m = C.shape[1]
    mean = np.empty(m)
    v = np.full(m, np.inf)
    for r in range(row_start.shape[0] - 1):
        _mean_of_rows(C, row_order[row_start[r] : row_start[r + 1]], mean)
        for j in range(m):
            x = mean[j] - u[r]
            v[j] = x if x < v[j] else v[j]
    return v
