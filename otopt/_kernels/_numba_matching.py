"""Shortest augmenting paths on listed arcs, for as many rows as columns of equal mass each."""

import numpy as np
from numba import njit

from ._numba_cost_rows import entry
from ._numba_heap import pop, push

UNSEEN, OPEN, DONE = 0, 1, 2


@njit(cache=True, nogil=True)
def match(C, u, v, columns, cost, tol, most_work):
    """A perfect matching, as the column of every row; optimal on the lists if work suffices.

    Starts from potentials with ``C_ij >= u_i + v_j``: takes tight arcs first, then augments along
    shortest paths in reduced cost (Dijkstra with potentials, as in Jonker and Volgenant 1987, but
    on lists of a few columns), and gives what is left its cheapest free column. u and v are
    updated in place: they price every row that a path has reached.
    """
    n = columns.shape[0]
    length = columns.shape[1]
    column_of = np.full(n, -1, np.int64)
    row_of = np.full(n, -1, np.int64)
    for i in range(n):
        for k in range(length):
            j = columns[i, k]
            if row_of[j] < 0 and cost[i, k] - u[i] - v[j] <= tol:
                column_of[i] = j
                row_of[j] = i
                break
    distance = np.empty(n)
    reached_from = np.empty(n, np.int64)
    state = np.zeros(n, np.uint8)
    keys = np.empty(n * length)
    items = np.empty(n * length, np.int64)
    touched = np.empty(n, np.int64)
    finished = np.empty(n, np.int64)
    work = 0
    for source in range(n):
        if column_of[source] >= 0 or work > most_work:
            continue
        heap = 0
        seen = 0
        closed = 0
        row = source
        so_far = 0.0
        target = -1
        while True:
            work += length
            for k in range(length):
                j = columns[row, k]
                if state[j] == DONE:
                    continue
                reach = max(so_far + cost[row, k] - u[row] - v[j], so_far)
                if state[j] == UNSEEN:
                    state[j] = OPEN
                    touched[seen] = j
                    seen += 1
                elif reach >= distance[j]:
                    continue
                distance[j] = reach
                reached_from[j] = row
                push(keys, items, heap, reach, j)
                heap += 1
            near = -1
            while heap > 0 and near < 0:
                j = items[0]
                if state[j] != DONE and keys[0] <= distance[j]:
                    near = j
                pop(keys, items, heap)
                heap -= 1
            if near < 0:
                break
            if row_of[near] < 0:
                target = near
                break
            state[near] = DONE
            finished[closed] = near
            closed += 1
            row = row_of[near]
            so_far = distance[near]
        if target >= 0:
            u[source] += distance[target]
            for t in range(closed):
                j = finished[t]
                change = distance[target] - distance[j]
                v[j] -= change
                u[row_of[j]] += change
            j = target
            while True:
                i = reached_from[j]
                row_of[j] = i
                j, column_of[i] = column_of[i], j
                if i == source:
                    break
        for t in range(seen):
            state[touched[t]] = UNSEEN
    free = np.flatnonzero(row_of < 0)
    left = free.shape[0]
    for i in range(n):
        if column_of[i] >= 0:
            continue
        best = np.inf
        at = 0
        for t in range(left):
            x = entry(C, i, free[t]) - v[free[t]]
            if x < best:
                best = x
                at = t
        column_of[i] = free[at]
        left -= 1
        free[at] = free[left]
    return column_of
