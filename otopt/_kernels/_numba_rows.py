"""Rows of scores less prices: their largest entries, and the level of the capped simplex.

A row is folded onto a few groups by vector maxima (as in `_numba_minima`). What is looked for can
only be in groups whose maximum reaches a level, and only those are searched.
"""

import numpy as np
from numba import njit

LANES = 32  # shorter loops would not be vectorised


@njit(cache=True, nogil=True)
def group_count(m):
    """Number of groups of a row of m entries."""
    size = max(LANES, m // 4)
    return min(m, (size + LANES - 1) // LANES * LANES)


@njit(cache=True, nogil=True)
def fold(s, q, top):
    """Maxima of ``s - q`` over the entries ``g, g + G, ...`` of every group."""
    groups, m = top.shape[0], s.shape[0]
    for g in range(groups):
        top[g] = s[g] - q[g]
    for first in range(groups, m, groups):
        part = s[first : first + groups]
        price = q[first : first + groups]
        for g in range(part.shape[0]):
            x = part[g] - price[g]
            top[g] = x if x > top[g] else top[g]


@njit(cache=True, nogil=True)
def reached(top, k, best):
    """A level that the k largest entries reach: the k-th largest of the groups' maxima."""
    groups = top.shape[0]
    if k > groups:
        return -np.inf
    if k == 1:
        x = top[0]
        for g in range(1, groups):
            x = top[g] if top[g] > x else x
        return np.float64(x)
    count = 0
    for g in range(groups):
        x = top[g]
        if count < k:
            at = count
            count += 1
        elif x > best[k - 1]:
            at = k - 1
        else:
            continue
        while at > 0 and best[at - 1] < x:
            best[at] = best[at - 1]
            at -= 1
        best[at] = x
    return np.float64(best[k - 1])


@njit(cache=True, nogil=True)
def collect(s, q, top, level, values, where):
    """Write entries of ``s - q`` that reach `level`, largest first; return how many there are.

    No more than there is room for, the largest. Of equal entries the first stands first.
    """
    groups, m, room = top.shape[0], s.shape[0], values.shape[0]
    count = 0
    for g in range(groups):
        if top[g] < level:
            continue
        for j in range(g, m, groups):
            x = np.float64(s[j] - q[j])
            if x < level:
                continue
            if count < room:
                at = count
                count += 1
            elif x > values[room - 1] or (x == values[room - 1] and j < where[room - 1]):
                at = room - 1
            else:
                continue
            while at > 0 and (values[at - 1] < x or (values[at - 1] == x and where[at - 1] > j)):
                values[at] = values[at - 1]
                where[at] = where[at - 1]
                at -= 1
            values[at] = x
            where[at] = j
    return count


@njit(cache=True, nogil=True)
def capped_level(values, count, k, reg):
    """``tau`` with ``sum clip((values - tau) / reg, 0, 1) = k``, how many are 1, how many positive.

    Walks tau down through the breakpoints: an entry becomes positive at its value and 1 at its
    value less reg. `values` (descending) needs at least k entries.
    """
    if k >= count:
        return values[count - 1] - reg, count, count
    full, used, total = 0, 0, 0.0
    while full < k:
        enter = values[used] if used < count else -np.inf
        leave = values[full] - reg if full < used else -np.inf
        tau = max(enter, leave)
        if full + (total - (used - full) * tau) / reg >= k:
            break
        if enter >= leave:
            total += values[used]
            used += 1
        else:
            total -= values[full]
            full += 1
    if full in (k, used):
        return values[k - 1] - reg, k, k
    total = 0.0
    for a in range(full, used):
        total += values[a]
    return (total - reg * (k - full)) / (used - full), full, used
