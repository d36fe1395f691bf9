"""Successive shortest paths for matchings with k columns a row and so many rows a column."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _sift_up(heap, key, place, at):
    x = heap[at]
    while at > 0:
        parent = (at - 1) // 2
        if key[heap[parent]] <= key[x]:
            break
        heap[at] = heap[parent]
        place[heap[at]] = at
        at = parent
    heap[at] = x
    place[x] = at


@njit(cache=True, nogil=True)
def _sift_down(heap, key, place, size):
    x = heap[0]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and key[heap[child + 1]] < key[heap[child]]:
            child += 1
        if key[heap[child]] >= key[x]:
            break
        heap[at] = heap[child]
        place[heap[at]] = at
        at = child
    heap[at] = x
    place[x] = at


@njit(cache=True, nogil=True)
def _reach(x, d, node, via, distance, before, how, heap, place, touched, size, count):
    """Offer node x the distance d over `node`; return the sizes of the heap and of `touched`."""
    if d >= distance[x]:
        return size, count
    if distance[x] == np.inf:
        touched[count] = x
        count += 1
        heap[size] = x
        place[x] = size
        size += 1
    distance[x] = d
    before[x] = node
    how[x] = via
    if place[x] >= 0:
        _sift_up(heap, distance, place, place[x])
    return size, count


@njit(cache=True, nogil=True)
def match_lists(columns, scores, k, room):
    """Best matching on lists of candidates by successive shortest paths (Dijkstra)."""
    n, length = columns.shape
    m = room.shape[0]
    slots = np.full((n, k), -1, np.int64)
    members = np.full((m, max(1, room.max())), -1, np.int64)  # rows at every column, and
    through = np.full(members.shape, -1, np.int64)  # by which of their k slots
    load = np.zeros(m, np.int64)
    u = np.zeros(n)
    w = np.zeros(m)
    taken = np.zeros((n, length), np.bool_)
    # Nodes: columns 0..m-1, then rows. `how` is the place in the list of the row before a column,
    # or the seat of a row at the column before it.
    nodes = m + n
    distance = np.full(nodes, np.inf)
    before = np.full(nodes, -1, np.int64)
    how = np.full(nodes, -1, np.int64)
    heap = np.empty(nodes, np.int64)
    place = np.full(nodes, -1, np.int64)
    touched = np.empty(nodes, np.int64)
    for i in range(n):
        for t in range(length):
            if columns[i, t] >= 0:
                u[i] = scores[i, t] if t == 0 else max(u[i], scores[i, t])
    for number in range(n * k):
        source = m + number // k
        nearest = np.inf  # of the columns with room; nobody farther is on a shortest path to one
        size, count = _reach(source, 0.0, -1, -1, distance, before, how, heap, place, touched, 0, 0)
        goal, reach = -1, np.inf
        while size > 0:
            x = heap[0]
            size -= 1
            place[x] = -1
            if size > 0:
                heap[0] = heap[size]
                place[heap[0]] = 0
                _sift_down(heap, distance, place, size)
            if x >= m:
                i = x - m
                for t in range(length):
                    j = columns[i, t]
                    if j < 0:
                        break
                    if taken[i, t]:
                        continue
                    d = distance[x] + max(u[i] + w[j] - scores[i, t], 0.0)
                    if d >= nearest:
                        continue
                    if load[j] < room[j]:
                        nearest = d
                    size, count = _reach(
                        j, d, x, t, distance, before, how, heap, place, touched, size, count
                    )
            elif load[x] < room[x]:
                goal, reach = x, distance[x]
                break
            else:
                for seat in range(load[x]):
                    i = members[x, seat]
                    t = slots[i, through[x, seat]]
                    d = distance[x] + max(scores[i, t] - w[x] - u[i], 0.0)
                    if d >= nearest:
                        continue
                    size, count = _reach(
                        m + i, d, x, seat, distance, before, how, heap, place, touched, size, count
                    )
        for s in range(count):
            x = touched[s]
            if goal >= 0 and distance[x] < reach:
                if x < m:
                    w[x] += reach - distance[x]
                else:
                    u[x - m] -= reach - distance[x]
            distance[x] = np.inf
            place[x] = -1
        if goal < 0:
            continue
        j, seat = goal, load[goal]
        load[goal] += 1
        while True:
            row = before[j]
            i, t = row - m, how[j]
            column, old = -1, -1
            if row == source:
                slot = number % k
            else:
                column, old = before[row], how[row]
                slot = through[column, old]
                taken[i, slots[i, slot]] = False
            slots[i, slot] = t
            taken[i, t] = True
            members[j, seat] = i
            through[j, seat] = slot
            if row == source:
                break
            j, seat = column, old
    return slots, u, w
