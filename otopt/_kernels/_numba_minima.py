"""Minima of the reduced costs ``C_ij - v_j`` over rows and columns, in one pass each.

Eight minima side by side fill the vector units, which LLVM does not do for one. For its cheapest
entries a row is folded onto groups, and only those that can hold one are searched.
"""

import numpy as np
from numba import njit

from ._numba_fold import fold
from ._numba_prefetch import prefetch

FOLDS = 16
LEAST_GROUPS = 64  # a fold keeps its groups in memory: of fewer it would wait for the last one
LANES = 8
AHEAD = 1024  # entries by which memory is asked for before they are read, far into the next row


@njit(cache=True, nogil=True)
def row_least(c, v, ahead):
    """Minimum of ``c - v``, and a sum that is finite only where all entries of c are.

    The memory is asked for what lies `ahead` of the entries of c.
    """
    even = LANES * (c.shape[0] // LANES)
    m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = np.inf
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(0, even, LANES):
        prefetch(c, j + ahead)
        m0 = min(m0, c[j] - v[j])
        m1 = min(m1, c[j + 1] - v[j + 1])
        m2 = min(m2, c[j + 2] - v[j + 2])
        m3 = min(m3, c[j + 3] - v[j + 3])
        m4 = min(m4, c[j + 4] - v[j + 4])
        m5 = min(m5, c[j + 5] - v[j + 5])
        m6 = min(m6, c[j + 6] - v[j + 6])
        m7 = min(m7, c[j + 7] - v[j + 7])
        s0 += c[j]
        s1 += c[j + 1]
        s2 += c[j + 2]
        s3 += c[j + 3]
        s4 += c[j + 4]
        s5 += c[j + 5]
        s6 += c[j + 6]
        s7 += c[j + 7]
    for j in range(even, c.shape[0]):
        m0 = min(m0, c[j] - v[j])
        s0 += c[j]
    m0, m2, m4, m6 = min(m0, m1), min(m2, m3), min(m4, m5), min(m6, m7)  # waits less than a chain
    m0, m4 = min(m0, m2), min(m4, m6)
    return min(m0, m4), ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@njit(cache=True, nogil=True)
def _count_unfinite(C):
    n, m = C.shape
    total = 0
    for i in range(n):
        c = C[i]
        for j in range(m):
            total += not (abs(c[j]) < np.inf)
    return total


def cost_range(C):
    """The least and the largest of every so many rows; NaN where any entry of C is not finite."""
    if C.flags.c_contiguous and C.flags.writeable:
        bad = _count_unfinite(C)
    elif C.flags.f_contiguous and C.flags.writeable:
        bad = _count_unfinite(C.T)
    else:  # which numba would compile anew for
        bad = C.size - np.count_nonzero(np.isfinite(C))
    return (np.nan, np.nan) if bad else sample_range(C)


def sample_range(C):
    """The least and the largest of every so many rows."""
    sample = C[:: max(1, len(C) // 64)]
    return sample.min(), sample.max()


@njit(cache=True, nogil=True)
def _worst_slot(key, count):
    worst = 0
    for k in range(1, count):
        if key[k] > key[worst]:
            worst = k
    return worst


@njit(cache=True, nogil=True)
def group_count(m):
    """Number of groups that a row of m entries is folded onto: whole vectors where it is long."""
    size = (m + FOLDS - 1) // FOLDS
    return min(m, LEAST_GROUPS) if size <= LEAST_GROUPS else (size + LANES - 1) // LANES * LANES


@njit(cache=True, nogil=True)
def list_row(c, v, low, key, columns, cost):
    """Write the cheapest entries of ``c - v`` to one list.

    A level that as many groups reach as the list has room for is reached by that many entries, and
    only those groups are searched. `low` and `key` are scratch space for the groups and the list.
    """
    m = c.shape[0]
    groups = low.shape[0]
    fold(v, c, low)
    for g in range(groups):
        low[g] = -low[g]
    room = key.shape[0]
    level = np.inf
    if groups > room:
        for g in range(room):
            key[g] = low[g]
        worst = _worst_slot(key, room)
        for g in range(room, groups):
            if low[g] < key[worst]:
                key[worst] = low[g]
                worst = _worst_slot(key, room)
        level = key[worst]
    count = 0
    worst = 0
    for g in range(groups):
        if low[g] > level:
            continue
        for j in range(g, m, groups):
            x = c[j] - v[j]
            if count < room:
                if x <= level:
                    key[count] = x
                    columns[count] = j
                    count += 1
                    if count == room:
                        worst = _worst_slot(key, room)
            elif x < key[worst]:
                key[worst] = x
                columns[worst] = j
                worst = _worst_slot(key, room)
    for k in range(room):
        cost[k] = c[columns[k]]


@njit(cache=True, nogil=True)
def row_potentials(C, v):
    """``u_i = min_j C_ij - v_j``."""
    n = C.shape[0]
    u = np.empty(n)
    for i in range(n):
        u[i], _ = row_least(C[i], v, AHEAD)
    return u


@njit(cache=True, nogil=True)
def checked_potentials(C, v):
    """The same, and how many entries of C are not finite, while a row is in the cache."""
    n, m = C.shape
    u = np.empty(n)
    bad = 0
    for i in range(n):
        c = C[i]
        u[i], total = row_least(c, v, AHEAD)
        if not (abs(total) < np.inf):  # sums of finite numbers may overflow
            for j in range(m):
                bad += not (abs(c[j]) < np.inf)
    return u, bad


@njit(cache=True, nogil=True)
def column_potentials(C, u):
    """``v_j = min_i C_ij - u_i``."""
    n, m = C.shape
    v = np.full(m, np.inf)
    for i in range(n):
        c = C[i]
        shift = u[i]
        for j in range(m):
            x = c[j] - shift
            v[j] = x if x < v[j] else v[j]
    return v


@njit(cache=True, nogil=True)
def c_transform(C, v):
    """``u_i = min_j C_ij - v_j``, then the largest v that goes with it, in one pass over C."""
    n, m = C.shape
    u = np.empty(n)
    raised = np.full(m, np.inf)
    for i in range(n):
        c = C[i]
        shift, _ = row_least(c, v, AHEAD)
        u[i] = shift
        for j in range(m):
            x = c[j] - shift
            raised[j] = x if x < raised[j] else raised[j]
    return u, raised


@njit(cache=True, nogil=True)
def shortlist(C, v, length):
    """Per row the minimum of ``C_ij - v_j`` and its `length` cheapest entries, in any order."""
    n, m = C.shape
    u = np.empty(n)
    columns = np.empty((n, length), np.int32)
    cost = np.empty((n, length))
    low = np.empty(group_count(m))
    key = np.empty(length)
    for i in range(n):
        u[i], _ = row_least(C[i], v, AHEAD)
        if length > 0:
            list_row(C[i], v, low, key, columns[i], cost[i])
    return u, columns, cost
