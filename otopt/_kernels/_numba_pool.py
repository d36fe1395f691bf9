"""Pools of entries in compiled code: padded columns ``rows, cost, mass (m, L)``, ``count (m,)``.

What `otopt._rounding.pool` does, whose comments hold the reasons.
"""

import numpy as np
from numba import njit

from ._numba_forest import cheapest_in_rows, pivot_to_capacity
from ._numba_scan import BLOCK, top_k
from .layout import CandidateLists, ColumnSolutions

PIVOTS = 100  # without progress
LUCK = 1009  # random numbers that pivots draw on


@njit(cache=True)
def pool_around(support, alpha, beta, Ct, k, extra):
    """The support, the k + `extra` cheapest entries of a column, the `extra` of a row."""
    m, n = Ct.shape
    start, rows, _, mass, _ = support
    chosen = np.zeros((m, n), np.bool_)
    carried = np.zeros((m, n))
    in_rows = cheapest_in_rows(alpha, beta, Ct, min(m, extra))
    room = min(n, 2 * (k.max() + extra) + BLOCK)
    v, idx = np.empty(room), np.empty(room, np.int32)
    for j in range(m):
        for q in range(start[j], start[j + 1]):
            chosen[j, rows[q]] = True
            carried[j, rows[q]] = mass[q]
        for q in range(top_k(alpha, Ct[j], min(n, k[j] + extra), np.inf, v, idx)):
            chosen[j, idx[q]] = True
    for i in range(n):
        for j in in_rows[i]:
            chosen[j, i] = True
    return _padded(chosen, carried, Ct)


@njit(cache=True)
def pool_of_support(support, Ct):
    """The support alone."""
    m, n = Ct.shape
    start, rows, _, mass, _ = support
    chosen = np.zeros((m, n), np.bool_)
    carried = np.zeros((m, n))
    for j in range(m):
        for q in range(start[j], start[j + 1]):
            chosen[j, rows[q]] = True
            carried[j, rows[q]] = mass[q]
    return _padded(chosen, carried, Ct)


@njit(cache=True)
def _padded(chosen, carried, Ct):
    m, n = Ct.shape
    count = np.zeros(m, np.int64)
    for j in range(m):
        count[j] = chosen[j].sum()
    width = count.max()
    pool_rows = np.zeros((m, width), np.int32)
    cost = np.zeros((m, width))
    mass = np.zeros((m, width))
    for j in range(m):
        q = 0
        for i in range(n):
            if chosen[j, i]:
                pool_rows[j, q] = i
                cost[j, q] = Ct[j, i]
                mass[j, q] = carried[j, i]
                q += 1
    return pool_rows, cost, mass, count


@njit(cache=True)
def used_entries(count, width):
    used = np.zeros((count.shape[0], width), np.bool_)
    for j in range(count.shape[0]):
        used[j, : count[j]] = True
    return used


@njit(cache=True)
def empty_lists(m, width, bound):
    """`CandidateLists.empty` with that bound (-inf: nothing is left out) and its solutions."""
    lists = CandidateLists(
        np.zeros((m, width), np.int32), np.zeros((m, width)), np.zeros((m, width)),
        np.zeros(m, np.int64), np.full(m, bound), np.zeros(m),
    )  # fmt: skip
    columns = ColumnSolutions(
        np.zeros((m, width)), np.zeros((m, width), np.int8), np.zeros(m, np.int64),
        np.zeros(m, np.int64), np.full(m, -np.inf), np.full(m, np.inf),
    )  # fmt: skip
    return lists, columns


@njit(cache=True)
def lists_of(rows, cost, mass, keep):
    """The entries marked by `keep` as a sparse cost, with the masses as proximal centre."""
    m, width = rows.shape
    lists, columns = empty_lists(m, width, -np.inf)
    for j in range(m):
        z = 0
        for q in range(width):
            if keep[j, q]:
                lists.rows[j, z] = rows[j, q]
                lists.cost[j, z] = cost[j, q]
                lists.centre[j, z] = mass[j, q]
                z += 1
        lists.count[j] = z
    return lists, columns


@njit(cache=True)
def spread(lists, keep, mass):
    """Write the proximal centres of the lists of `keep` to `mass`; other entries get 0."""
    for j in range(keep.shape[0]):
        z = 0
        for q in range(keep.shape[1]):
            mass[j, q] = 0.0
            if keep[j, q]:
                mass[j, q] = lists.centre[j, z]
                z += 1


@njit(cache=True)
def recentre(lists, columns):
    """Make the current plan the proximal centre."""
    for j in range(lists.count.shape[0]):
        for q in range(lists.count[j]):
            lists.centre[j, q] = columns.mass[j, q]


@njit(cache=True)
def top(mass, k):
    """Mark the k largest positive entries of every column."""
    chosen = np.zeros(mass.shape, np.bool_)
    for j in range(mass.shape[0]):
        carried = 0
        for q in range(mass.shape[1]):
            chosen[j, q] = mass[j, q] > 0.0
            carried += chosen[j, q]
        for _ in range(carried - k[j]):
            least = -1
            for q in range(mass.shape[1]):
                if chosen[j, q] and (least < 0 or mass[j, q] < mass[j, least]):
                    least = q
            chosen[j, least] = False
    return chosen


@njit(cache=True)
def free_slots(rows, cost, count, support, alpha, k):
    """Mark the entries of smallest reduced cost for the slots that `support` leaves free."""
    chosen = np.zeros(support.shape, np.bool_)
    for j in range(rows.shape[0]):
        for _ in range(k[j] - support[j].sum()):
            best, least = -1, np.inf
            for q in range(count[j]):
                price = cost[j, q] - alpha[rows[j, q]]
                if price < least and not support[j, q] and not chosen[j, q]:
                    best, least = q, price
            if best < 0:
                break
            chosen[j, best] = True
    return chosen


@njit(cache=True)
def outside_of(support, mass):
    """The mass that is not on `support`."""
    total = 0.0
    for j in range(mass.shape[0]):
        for q in range(mass.shape[1]):
            if not support[j, q]:
                total += mass[j, q]
    return total


@njit(cache=True)
def flat(rows, mass, count):
    """Rows, columns and masses of the entries, column by column."""
    total = count.sum()
    row, column, carried = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total)
    z = 0
    for j in range(count.shape[0]):
        for q in range(count[j]):
            row[z], column[z], carried[z] = rows[j, q], j, mass[j, q]
            z += 1
    return row, column, carried


@njit(cache=True)
def reduce_to_forest(rows, cost, mass, count, n, k, reg, tiny, luck):
    """Cancel the cycles of the plan, then pivot the forest into the columns' capacities."""
    m = count.shape[0]
    row, column, carried = flat(rows, mass, count)
    price = flat(rows, cost, count)[2]
    for z in range(price.shape[0]):
        price[z] += reg * carried[z] if k[column[z]] > 1 else 0.0
    pivot_to_capacity(row, column, carried, price, n, m, k, luck, PIVOTS)
    z = 0
    for j in range(m):
        for q in range(count[j]):
            mass[j, q] = carried[z] if carried[z] > tiny else 0.0
            z += 1


@njit(cache=True)
def hold_clearest(mass, allowed, k):
    """Hold the half of the columns above k that is decided most clearly; whether there are any.

    They are held to their k largest entries.
    """
    m, width = mass.shape
    kept_entries = top(mass, k)
    clarity = np.full(m, -np.inf)
    tied = 0
    for j in range(m):
        kept, dropped, carried = np.inf, 0.0, 0
        for q in range(width):
            carried += mass[j, q] > 0.0
            if kept_entries[j, q]:
                kept = min(kept, mass[j, q])
            else:
                dropped = max(dropped, mass[j, q])
        if carried > k[j]:
            clarity[j] = (kept - dropped) / kept
            tied += 1
    for _ in range(max(1, tied // 2) if tied > 0 else 0):
        j = clarity.argmax()
        clarity[j] = -np.inf
        for q in range(width):
            allowed[j, q] = allowed[j, q] and kept_entries[j, q]
    return tied > 0


@njit(cache=True)
def add_marks(marks, more):
    for j in range(marks.shape[0]):
        for q in range(marks.shape[1]):
            marks[j, q] = marks[j, q] or more[j, q]


@njit(cache=True)
def keep_marked(mass, marks):
    for j in range(mass.shape[0]):
        for q in range(mass.shape[1]):
            if not marks[j, q]:
                mass[j, q] = 0.0


@njit(cache=True)
def keep_carried(marks, mass):
    for j in range(mass.shape[0]):
        for q in range(mass.shape[1]):
            marks[j, q] = marks[j, q] and mass[j, q] > 0.0


@njit(cache=True)
def objective(cost, mass, reg):
    """<T, C> + reg/2 ||T||^2."""
    linear = 0.0
    square = 0.0
    for j in range(mass.shape[0]):
        for q in range(mass.shape[1]):
            linear += cost[j, q] * mass[j, q]
            square += mass[j, q] * mass[j, q]
    return linear + 0.5 * reg * square


@njit(cache=True)
def l1_norm(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += abs(x[i])
    return total


@njit(cache=True)
def has_excess(columns, k):
    """Whether some column has more than k nonzeros."""
    return np.any(columns.heads + columns.ties > k)


@njit(cache=True)
def copy_to(target, source):
    """``target[:] = source``, compiled in a tenth of the time."""
    for j in range(target.shape[0]):
        for q in range(target.shape[1]):
            target[j, q] = source[j, q]
