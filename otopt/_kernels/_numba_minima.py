"""Minima of the reduced costs ``C_ij - v_j`` over rows and columns, in one pass each.

A row is folded onto 64 groups or m / 16, ``low[g] = min over l of c[l G + g] - v[l G + g]``: a loop
over neighbours, which LLVM turns into vector minima without any reordering of floating point.
What is looked for in a row is then looked for in the groups that can hold it.
"""

import numpy as np
from numba import njit

from ._numba_prefetch import prefetch

FOLDS = 16
LEAST_GROUPS = 64  # a fold keeps its groups in memory: of fewer it would wait for the last one
LANES = 8
AHEAD = 128  # entries by which memory is asked for before they are read, into the next row


@njit(cache=True, nogil=True)
def group_count(m):
    """Number of groups that a row of m entries is folded onto: whole vectors where it is long."""
    size = (m + FOLDS - 1) // FOLDS
    return min(m, LEAST_GROUPS) if size <= LEAST_GROUPS else (size + LANES - 1) // LANES * LANES


@njit(cache=True, nogil=True)
def _fold(c, v, low):
    size = low.shape[0]
    m = c.shape[0]
    for g in range(0, size, LANES):
        prefetch(c, g + AHEAD)
    for g in range(size):
        low[g] = c[g] - v[g]
    for first in range(size, m, size):
        part = c[first : first + size]
        price = v[first : first + size]
        for g in range(0, size, LANES):
            prefetch(part, g + AHEAD)
        for g in range(part.shape[0]):
            x = part[g] - price[g]
            low[g] = x if x < low[g] else low[g]


@njit(cache=True, nogil=True)
def _fold_and_add(c, v, low, total):
    """The same, and the sums of the entries: finite only where the entries are."""
    size = low.shape[0]
    m = c.shape[0]
    for g in range(0, size, LANES):
        prefetch(c, g + AHEAD)
    for g in range(size):
        low[g] = c[g] - v[g]
        total[g] = c[g]
    for first in range(size, m, size):
        part = c[first : first + size]
        price = v[first : first + size]
        for g in range(0, size, LANES):
            prefetch(part, g + AHEAD)
        for g in range(part.shape[0]):
            x = part[g] - price[g]
            low[g] = x if x < low[g] else low[g]
            total[g] += part[g]


@njit(cache=True, nogil=True)
def _all_finite(x):
    bad = 0
    for g in range(x.shape[0]):
        bad += not (abs(x[g]) < np.inf)
    return bad == 0


@njit(cache=True, nogil=True)
def _least(x):
    """Minimum; eight side by side fill the vector units, as LLVM does not for one."""
    even = LANES * (x.shape[0] // LANES)
    m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = np.inf
    for j in range(0, even, LANES):
        m0, m1, m2, m3 = min(m0, x[j]), min(m1, x[j + 1]), min(m2, x[j + 2]), min(m3, x[j + 3])
        m4, m5, m6, m7 = min(m4, x[j + 4]), min(m5, x[j + 5]), min(m6, x[j + 6]), min(m7, x[j + 7])
    for j in range(even, x.shape[0]):
        m0 = min(m0, x[j])
    return min(min(min(m0, m1), min(m2, m3)), min(min(m4, m5), min(m6, m7)))  # noqa: PLW3301 (a tree)


@njit(cache=True, nogil=True)
def row_least(c, v, low):
    """Minimum of ``c - v``; `low` is left with the minima of its groups."""
    _fold(c, v, low)
    return _least(low)


@njit(cache=True, nogil=True)
def short_row_least(c, v):
    """The same where nothing else is asked, quick for a few hundred entries."""
    even = LANES * (c.shape[0] // LANES)
    m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = np.inf
    for j in range(0, even, LANES):
        m0 = min(m0, c[j] - v[j])
        m1 = min(m1, c[j + 1] - v[j + 1])
        m2 = min(m2, c[j + 2] - v[j + 2])
        m3 = min(m3, c[j + 3] - v[j + 3])
        m4 = min(m4, c[j + 4] - v[j + 4])
        m5 = min(m5, c[j + 5] - v[j + 5])
        m6 = min(m6, c[j + 6] - v[j + 6])
        m7 = min(m7, c[j + 7] - v[j + 7])
    for j in range(even, c.shape[0]):
        m0 = min(m0, c[j] - v[j])
    return min(min(min(m0, m1), min(m2, m3)), min(min(m4, m5), min(m6, m7)))  # noqa: PLW3301 (a tree)


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
def list_row(c, v, low, key, columns, cost):
    """Write the cheapest entries of ``c - v`` to one list, given the minima of the groups.

    A level that as many groups reach as the list has room for is reached by that many entries, and
    only those groups are searched. `key` is scratch space of the length of the list.
    """
    m = c.shape[0]
    groups = low.shape[0]
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
    n, m = C.shape
    u = np.empty(n)
    low = np.empty(group_count(m))
    for i in range(n):
        u[i] = row_least(C[i], v, low)
    return u


@njit(cache=True, nogil=True)
def checked_potentials(C, v):
    """The same, and how many entries of C are not finite, while a row is in the cache."""
    n, m = C.shape
    u = np.empty(n)
    low = np.empty(group_count(m))
    total = np.empty(group_count(m))
    bad = 0
    for i in range(n):
        c = C[i]
        _fold_and_add(c, v, low, total)
        u[i] = _least(low)
        if _all_finite(total):
            continue
        for j in range(m):  # sums of finite numbers may overflow
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
    low = np.empty(group_count(m))
    for i in range(n):
        c = C[i]
        shift = row_least(c, v, low)
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
        u[i] = row_least(C[i], v, low)
        if length > 0:
            list_row(C[i], v, low, key, columns[i], cost[i])
    return u, columns, cost
