"""Starting flows of the network simplex: both are forests of arcs."""

import numpy as np
from numba import njit

from ._numba_cost_rows import entry
from ._numba_heap import pop, push

PATIENCE = 16  # second choices of a row before it takes the next one at once


@njit(cache=True, nogil=True)
def _two_cheapest(C, i, columns, cost, price):
    """Column of the least ``C_ij - price_j``, and by how much it beats the next one.

    Among the listed columns, or among all where none of them is open or none is listed: those that
    are closed have an infinite price.
    """
    best = second = np.inf
    column = -1
    for k in range(columns.shape[1]):
        x = cost[i, k] - price[columns[i, k]]
        if x < best:
            best, second = x, best
            column = columns[i, k]
        elif x < second:
            second = x
    if column < 0:
        for j in range(price.shape[0]):
            x = entry(C, i, j) - price[j]
            if x < best:
                best, second = x, best
                column = j
            elif x < second:
                second = x
    return column, second - best


@njit(cache=True, nogil=True)
def regret_flow(C, v, supply, demand, columns, cost):
    """Rows fill their cheapest open columns, those first that would lose most by their second.

    Every arc empties its row or its column, so the arcs form a forest.
    """
    n, m = supply.shape[0], demand.shape[0]
    row_left = supply.copy()
    column_left = demand.copy()
    price = v.copy()
    choice = np.empty(n, np.int64)
    keys = np.empty(n)
    items = np.empty(n, np.int64)
    turns = np.zeros(n, np.int64)
    for i in range(n):
        choice[i], regret = _two_cheapest(C, i, columns, cost, price)
        push(keys, items, i, -regret, i)
    arc_rows = np.empty(n + m, np.int64)
    arc_columns = np.empty(n + m, np.int64)
    flow = np.empty(n + m, np.int64)
    count = 0
    waiting = n
    while waiting > 0:
        i = items[0]
        pop(keys, items, waiting)
        waiting -= 1
        j = choice[i]
        moved = min(row_left[i], column_left[j])
        if moved > 0:
            row_left[i] -= moved
            column_left[j] -= moved
            arc_rows[count] = i
            arc_columns[count] = j
            flow[count] = moved
            count += 1
            if column_left[j] == 0:
                price[j] = -np.inf
        if row_left[i] > 0:
            choice[i], regret = _two_cheapest(C, i, columns, cost, price)
            turns[i] += 1
            push(keys, items, waiting, -regret if turns[i] < PATIENCE else -np.inf, i)
            waiting += 1
    return arc_rows[:count], arc_columns[:count], flow[:count]


@njit(cache=True, nogil=True)
def forest_flow(rows, columns, supply, demand):
    """The flow on a forest of arcs that meets supply and demand, by stripping leaves.

    Second result: whether there is one. It is unique.
    """
    n = supply.shape[0]
    size = n + demand.shape[0]
    arcs = rows.shape[0]
    degree = np.zeros(size, np.int64)
    incident = np.zeros(size, np.int64)  # exclusive or of the arcs at a node: of a leaf, its arc
    left = np.empty(size, np.int64)
    left[:n] = supply
    left[n:] = demand
    for e in range(arcs):
        for x in (rows[e], n + columns[e]):
            degree[x] += 1
            incident[x] ^= e
    flow = np.zeros(arcs, np.int64)
    for first in range(size):
        x = first
        while degree[x] == 1:
            e = incident[x]
            y = n + columns[e] if x < n else rows[e]
            moved = left[x]
            if moved < 0:
                return flow, False
            flow[e] = moved
            left[x] = 0
            left[y] -= moved
            degree[x] = 0
            degree[y] -= 1
            incident[y] ^= e
            x = y
    for x in range(size):
        if left[x] != 0 or degree[x] != 0:
            return flow, False
    return flow, True
