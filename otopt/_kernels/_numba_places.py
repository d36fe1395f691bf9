"""Places at experts with room for so many: first come first served, and the repair of overload."""

import numpy as np
from numba import njit

from ._numba_lanes import largest_between
from ._numba_rows import collect, group_count, reached


@njit(cache=True, nogil=True, inline="always")
def token_hash(i):
    """A number in (0, 1) that looks random and depends on the token alone."""
    x = np.uint64(i) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return (np.float64(x >> np.uint64(12)) + 0.5) / 4503599627370496.0


@njit(cache=True, nogil=True)
def places(experts, order, m):
    """Position of every pair among those of its expert, in the given order; -1 for none."""
    position = np.full(experts.shape[0], -1, np.int64)
    taken = np.zeros(m, np.int64)
    for at in order:
        j = experts[at]
        if j >= 0:
            position[at] = taken[j]
            taken[j] += 1
    return position


@njit(cache=True, nogil=True)
def _holds(row, j):
    for x in row:  # noqa: SIM110 - numba knows no generators
        if x == j:
            return True
    return False


@njit(cache=True, nogil=True)
def _best_open(s, q, row, load, room, start):
    """The best expert with room that the token does not hold, and its lead over the next one."""
    m = s.shape[0]
    best, first, second = -1, -np.inf, -np.inf
    for t in range(m):
        j = t + start
        if j >= m:
            j -= m
        if load[j] >= room[j] or _holds(row, j):
            continue
        x = np.float64(s[j] - q[j])
        if x > first:
            best, first, second = j, x, first
        elif x > second:
            second = x
    return best, first - second


@njit(cache=True, nogil=True)
def _next_best(S, i, q, k, j, top, best, bound, values, where):
    """What the best expert is worth that a token does not hold, of which it holds the k best.

    If that is one expert it is j.
    """
    m = S.shape[1]
    if k == 1 and m > 1:
        if j == 0:
            return np.float64(largest_between(S, i, q, 1, m))
        x = largest_between(S, i, q, 0, j)
        return np.float64(max(x, largest_between(S, i, q, j + 1, m)) if j + 1 < m else x)
    room = values.shape[0]
    collect(S, i, q, reached(S, i, q, room, top, best), bound, values, where)
    return values[room - 1]


@njit(cache=True, nogil=True)
def _crowds(S, q, indices, weight, load, room, start, key):
    """Pairs of experts with more than their room, one expert after the other.

    Their keys say how much they are worth above the best expert that the token does not hold. They
    are filled in here where they are not known yet: until it moves, a token holds its best experts.
    """
    n, k = indices.shape
    m = S.shape[1]
    length = min(k + 1, m)
    top = np.empty(group_count(m), S.dtype)
    best, bound = np.empty(length, S.dtype), np.empty(1, S.dtype)
    values, where = np.empty(length), np.empty(length, np.int64)
    members = np.empty(start[m], np.int64)
    fill = start[:m].copy()
    for i in range(n):
        if weight[i] == 0.0:
            continue
        for a in range(k):
            j = indices[i, a]
            if j < 0 or load[j] <= room[j]:
                continue
            members[fill[j]] = i * k + a
            fill[j] += 1
            if not np.isnan(key[i, a]):
                continue
            other = _next_best(S, i, q, k, j, top, best, bound, values, where)
            u = token_hash(i)
            for b in range(k):
                if np.isnan(key[i, b]):
                    lead = np.float64(S[i, indices[i, b]] - q[indices[i, b]]) - other
                    key[i, b] = lead * (1.0 + 1e-9 * u) + 1e-30 * u
    return members


@njit(cache=True, nogil=True)
def repair(S, q, indices, room, weight):
    """Move pairs from experts with more than `room` to others, in place; return how many are left.

    An expert with too many keeps the pairs that lead by most; the others take the best expert that
    still has room, and all compete again there. What is left is then placed by exchange: where a
    token holds every expert with room, another token gives up a place for it and takes that room.
    Pairs that find no place get index -1.
    """
    n, k = indices.shape
    m = S.shape[1]
    price = q.astype(S.dtype)
    key = np.full((n, k), np.nan)
    load = np.zeros(m, np.int64)
    for i in range(n):
        if weight[i] > 0.0:
            for a in range(k):
                load[indices[i, a]] += 1
    left = 0
    while True:
        start = np.zeros(m + 1, np.int64)
        over = False
        for j in range(m):
            crowd = load[j] if load[j] > room[j] else 0
            over = over or crowd > 0
            start[j + 1] = start[j] + crowd
        if not over:
            break
        members = _crowds(S, price, indices, weight, load, room, start, key)
        moved = np.empty(start[m], np.int64)
        count = 0
        for j in range(m):
            crowd = members[start[j] : start[j + 1]]
            if crowd.shape[0] == 0:
                continue
            keys = np.empty(crowd.shape[0])
            for t in range(crowd.shape[0]):
                keys[t] = key[crowd[t] // k, crowd[t] % k]
            order = np.argsort(keys)
            for t in range(crowd.shape[0] - room[j]):
                moved[count] = crowd[order[t]]
                count += 1
            load[j] = room[j]
        arriving = np.zeros(m, np.int64)
        for t in range(count):
            i, a = moved[t] // k, moved[t] % k
            u = token_hash(i)
            indices[i, a] = -1
            j, lead = _best_open(S[i], price, indices[i], load, room, int(u * m))
            if j < 0:
                left += 1
                continue
            indices[i, a] = j
            key[i, a] = min(lead, 1e300) * (1.0 + 1e-9 * u) + 1e-30 * u
            arriving[j] += 1
        for j in range(m):
            load[j] += arriving[j]
    return _exchange(S, price, indices, room, load, weight) if left else 0


@njit(cache=True, nogil=True)
def _exchange(S, q, indices, room, load, weight):
    n, k = indices.shape
    m = S.shape[1]
    left = 0
    for i in range(n):
        if weight[i] == 0.0:
            continue
        for a in range(k):
            if indices[i, a] >= 0:
                continue
            best, gain = -1, -np.inf
            target = -1
            for t in range(n):
                if weight[t] == 0.0 or t == i:
                    continue
                for b in range(k):
                    j = indices[t, b]
                    if j < 0 or _holds(indices[i], j):
                        continue
                    for e in range(m):
                        if load[e] < room[e] and not _holds(indices[t], e):
                            x = np.float64(S[t, e] - S[t, j] + S[i, j] - q[e])
                            if x > gain:
                                best, target, gain = t * k + b, e, x
            if best < 0:
                left += 1
                continue
            t, b = best // k, best % k
            indices[i, a] = indices[t, b]
            indices[t, b] = target
            load[target] += 1
    return left
