"""The pricing loop of the network simplex."""

import numpy as np
from numba import njit

from ._numba_cost_rows import (
    bounds_at,
    entry,
    row_list,
    row_minimum,
    row_space,
    rows_at_once,
    short_row_minimum,
)
from ._numba_tree import column_prices, pivot

OPTIMAL, PAUSED = 0, 1
LOOKED = 16  # rows for each place of a batch that are priced before what was found enters


@njit(cache=True, nogil=True)
def _set_prices(tree, n, price, stamp, epoch, stack, v):
    column_prices(tree, n, price, stamp, epoch, stack)
    for j in range(v.shape[0]):
        v[j] = -price[n + j]


@njit(cache=True, nogil=True)
def _row_price(tree, row, price, stamp, epoch):
    if stamp[row] != epoch:
        price[row] = tree[row].rise + price[tree[row].parent]
        stamp[row] = epoch
    return price[row]


@njit(cache=True, nogil=True)
def _price_list(columns, cost, v, level):
    """Slot of the cheapest entry of a list below `level`, or -1, and its price."""
    best = level
    slot = -1
    for k in range(columns.shape[0]):
        x = cost[k] - v[columns[k]]
        if x < best:
            best = x
            slot = k
    return slot, best


@njit(cache=True, nogil=True)
def scattering_stride(n):
    """A step that visits all of n places, one after the other far apart."""
    stride = max(1, int(0.618 * n))
    while True:
        x, y = n, stride
        while y > 0:
            x, y = y, x % y
        if x == 1:
            return stride
        stride += 1


@njit(cache=True, nogil=True)
def _column_of(C, i, v, x):
    """Column of the entry of row i that is x."""
    j = 0
    while entry(C, i, j) - v[j] != x:
        j += 1
    return j


@njit(cache=True, nogil=True)
def simplex(C, columns, cost, tree, batch, tol, most_pivots, most_work, tally):
    """Pivot until all reduced costs of C, at the same potentials, are at least -tol.

    Candidate arcs come from the lists. Up to `batch` rows are priced before their best arcs enter,
    steepest first; the potentials of all columns are then set anew. Where no list offers an arc,
    whole rows of C are priced, and lists refilled, until `batch` rows had something to offer. Lists
    of no length stand for whole rows, and then there is nothing else to price.

    Returns OPTIMAL, or PAUSED after `most_pivots` pivots or `most_work` priced entries (call again
    to go on); u, v; and with OPTIMAL ``least_i = min_j C_ij - v_j``. Lists and tree change in
    place; `tally` counts pivots, rows of C priced and lists refilled, and keeps two positions.
    """
    n, length = columns.shape
    root = tree.shape[0] - 1
    m = root - n
    whole = length == 0
    price = np.empty(root + 1)
    stamp = np.zeros(root + 1, np.int64)
    stack = np.empty(root + 1, np.int32)
    v = np.empty(m)
    epoch = 1
    _set_prices(tree, n, price, stamp, epoch, stack, v)
    least = np.empty(n)
    space = row_space(C, length)
    most_refilled = rows_at_once(C, batch)
    most_looked = LOOKED * batch
    batch_row = np.empty(batch, np.int64)
    batch_slot = np.empty(batch, np.int64)
    batch_price = np.empty(batch)
    stride = scattering_stride(n)
    row = tally[3]
    dense_row = tally[4]
    pivots = 0
    work = 0
    status = OPTIMAL
    scanned = 0  # whole rows priced at these potentials
    while True:
        quiet = 0  # lists priced at these potentials
        while quiet < n and status == OPTIMAL:
            found = 0
            looked = 0
            while found < batch and quiet < n and (found == 0 or looked < most_looked):
                following = row + stride
                if following >= n:
                    following -= n
                u = _row_price(tree, row, price, stamp, epoch)
                if whole:
                    x = short_row_minimum(C, row, v, following)
                    slot = _column_of(C, row, v, x) if x < u - tol else -1
                    least[row] = x
                else:
                    slot, x = _price_list(columns[row], cost[row], v, u - tol)
                if slot >= 0:
                    k = found
                    while k > 0 and batch_price[k - 1] > x - u:
                        batch_price[k] = batch_price[k - 1]
                        batch_row[k] = batch_row[k - 1]
                        batch_slot[k] = batch_slot[k - 1]
                        k -= 1
                    batch_price[k] = x - u
                    batch_row[k] = row
                    batch_slot[k] = slot
                    found += 1
                row = following
                quiet += 1
                looked += 1
            work += looked * (m if whole else length)
            tally[1] += looked if whole else 0
            done = 0
            for k in range(found):
                if pivots + done >= most_pivots:
                    break
                i, slot = batch_row[k], batch_slot[k]
                if whole:
                    done += pivot(tree, i, n + slot, entry(C, i, slot), tol)
                else:
                    done += pivot(tree, i, n + columns[i, slot], cost[i, slot], tol)
            if done > 0:
                quiet = 0
                scanned = 0
                pivots += done
                work += root
                epoch += 1
                _set_prices(tree, n, price, stamp, epoch, stack, v)
                if pivots >= most_pivots or work >= most_work:
                    status = PAUSED
        if status == PAUSED or whole:
            break
        refilled = 0
        bounds = bounds_at(C, v)
        while scanned < n and refilled < most_refilled:
            u = _row_price(tree, dense_row, price, stamp, epoch)
            least[dense_row], looked = row_minimum(C, dense_row, v, bounds, u + tol, space)
            if least[dense_row] < u - tol:
                row_list(C, dense_row, v, bounds, space, columns[dense_row], cost[dense_row])
                refilled += 1
            scanned += 1
            tally[1] += 1
            work += looked
            dense_row += 1
            if dense_row == n:
                dense_row = 0
        tally[2] += refilled
        # Violations that no pivot could confirm are rounding: the pass is over once it is complete.
        if refilled == 0:
            break
    for i in range(n):
        _row_price(tree, i, price, stamp, epoch)
    tally[0] += pivots
    tally[3] = row
    tally[4] = dense_row
    return status, price[:n].copy(), v, least
