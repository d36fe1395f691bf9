"""Rows of scores less prices: their largest entries, and the level of the capped simplex.

For k > 1 a row is folded onto a few groups: the k largest of their maxima tell a level that the k
largest entries reach.
"""

import numpy as np
from numba import njit

from ._numba_fold import fold
from ._numba_lanes import WORD, first_bit, largest_lead, reaching

LANES = 32  # shorter loops would not be vectorised
NONE, ONE = np.uint64(0), np.uint64(1)


@njit(cache=True, nogil=True)
def group_count(m):
    """Number of groups of a row of m entries."""
    size = max(LANES, m // 4)
    return min(m, (size + LANES - 1) // LANES * LANES)


@njit(cache=True, nogil=True)
def reached(S, i, q, k, top, best):
    """A level that the k largest entries reach: their least, or that of groups' maxima."""
    if k == 1:
        return np.float64(largest_lead(S, i, q))
    fold(S[i], q, top)
    groups = top.shape[0]
    if k > groups:
        return -np.inf
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
def collect(S, i, q, level, bound, values, where):
    """Write entries of ``S[i] - q`` that reach `level`, largest first; return how many there are.

    No more than there is room for, the largest. Of equal entries the first stands first. `bound`
    (1,) has the type of the scores: what lies between a level and its rounding is looked at.
    """
    m, room = S.shape[1], values.shape[0]
    bound[0] = level
    count = 0
    for first in range(0, m, WORD):
        word = reaching(S, i, q, first, bound[0])
        while word != NONE:
            j = first + first_bit(word)
            word &= word - ONE
            x = np.float64(S[i, j] - q[j])
            if x < level:
                continue
            if count < room:
                at = count
                count += 1
            elif x > values[room - 1]:
                at = room - 1
            else:
                continue
            while at > 0 and values[at - 1] < x:
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
