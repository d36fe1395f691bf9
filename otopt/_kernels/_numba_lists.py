"""Candidate lists: what stays in one that is rebuilt, what enters it, and how deep it reaches."""

import numpy as np
from numba import njit

from ._numba_scan import select_largest


@njit(cache=True)
def keep_centre(j, lists, listed):
    """Move the proximal centre to the front of list j, drop the rest; how many, marked in `listed`.

    The centre stays listed whatever its x.
    """
    kept = 0
    for q in range(lists.count[j]):
        if lists.centre[j, q] > 0.0:
            lists.rows[j, kept] = lists.rows[j, q]
            lists.cost[j, kept] = lists.cost[j, q]
            lists.centre[j, kept] = lists.centre[j, q]
            listed[lists.rows[j, q]] = True
            kept += 1
    lists.count[j] = kept
    return kept


@njit(cache=True)
def refill(j, found, likely, reach, final, lists, listed, bv, bi):
    """Append the entries ``bi[:found]`` above `reach`, with x in `bv`; room that is lacking, or 0.

    `likely` of them are above the threshold. A list that is too short takes the largest entries:
    often their threshold is already too high for the others. It is reported as too short only if
    `final`. The caller writes the cost of what was appended. Clears `listed` for the centre.
    """
    kept = lists.count[j]
    for q in range(kept):
        listed[lists.rows[j, q]] = False
    room = lists.rows.shape[1] - kept
    if found > 2 * likely + 16 or found > room:
        lists.margin[j] *= 0.5
    elif 4 * found < 5 * likely + 16:
        lists.margin[j] *= 1.5
    if final and likely > room:
        lists.bound[j] = np.inf
        return likely + kept + 8
    lists.bound[j] = reach
    if found > room:
        select_largest(bv, bi, found, room)
        lists.bound[j] = bv[room:found].max()
        found = room
    for q in range(found):
        lists.rows[j, kept + q] = bi[q]
        lists.centre[j, kept + q] = 0.0
    lists.count[j] = kept + found
    return 0
