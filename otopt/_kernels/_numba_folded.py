"""Columns of the proximal dual for a whole ascent: the centre is folded into the cost.

While an ascent lasts, neither centre nor curvature moves, and a column sees only
``alpha - (cost - mu centre)``. The columns are either the dense cost, in which a slot is a row, or
the candidate lists where there is none (Ct is empty). Which slots carry mass is kept from one point
to the next: most often they are the same again, and one vectorised pass proves it.

What an ascent carries along, its `state`, are three arrays (m, slots): folded costs, the slots that
carry mass (heads before ties, as many as `columns` counts) and their masses.
"""

import numpy as np
from numba import njit

from ._numba_column import HEAD, TIE, search_column
from ._numba_few import scratch
from ._numba_leaf import leaf
from ._numba_short import largest


@njit(cache=True)
def fold(Ct, mu, lists, columns):
    """The state at the start of an ascent, with the support of `columns`."""
    m, listed = lists.rows.shape
    folded = np.empty((m, Ct.shape[1] if Ct.shape[0] > 0 else listed))
    if Ct.shape[0] > 0:
        folded[:] = Ct
    slot = np.empty((m, folded.shape[1]), np.int32)
    mass = np.empty((m, folded.shape[1]))
    _fold_columns(
        Ct.shape[0] > 0, mu, lists.rows, lists.cost, lists.centre, lists.count, columns.mass,
        columns.kind, columns.heads, columns.ties, folded, slot, mass,
    )  # fmt: skip
    return folded, slot, mass


@leaf
def _fold_columns(is_dense, mu, rows, cost, centre, count, given, kind, heads, ties, folded, slot,
                  mass):  # fmt: skip
    for j in range(rows.shape[0]):
        for q in range(count[j]):
            at = rows[j, q] if is_dense else q
            folded[j, at] = cost[j, q] - mu * centre[j, q]
        used = 0
        for wanted in (HEAD, TIE):
            for q in range(count[j]):
                if kind[j, q] == wanted:
                    slot[j, used] = rows[j, q] if is_dense else q
                    mass[j, used] = given[j, q]
                    used += 1
        if used != heads[j] + ties[j]:  # lists that were rebuilt: start anew
            heads[j] = ties[j] = 0


@njit(cache=True)
def unfold(Ct, state, lists, columns):
    """Bring the lists and their solutions to the support of `state`.

    Lists of a dense cost are made of it and the centre, and are completed where they are next used.
    """
    _, slot, mass = state
    if Ct.shape[0] > 0:
        where = np.full(Ct.shape[1], -1)
        lists.bound[:] = np.inf
        _unfold_dense(
            Ct, slot, mass, lists.rows, lists.cost, lists.centre, lists.count, columns.mass,
            columns.kind, columns.heads, columns.ties, where,
        )  # fmt: skip
    else:
        _unfold_lists(slot, mass, columns.mass, columns.kind, columns.heads, columns.ties)


@leaf
def _unfold_dense(Ct, slot, mass, rows, cost, centre, count, solved, kind, heads, ties, where):
    """`where` (n,) is -1 before and after."""
    for j in range(slot.shape[0]):
        kept = 0
        for q in range(count[j]):
            if centre[j, q] > 0.0:
                where[rows[j, q]] = kept
                rows[j, kept], cost[j, kept] = rows[j, q], cost[j, q]
                centre[j, kept] = centre[j, q]
                kept += 1
        used = heads[j] + ties[j]
        for r in range(used):
            i = slot[j, r]
            if where[i] < 0:
                where[i] = kept
                rows[j, kept], cost[j, kept], centre[j, kept] = i, Ct[j, i], 0.0
                kept += 1
        count[j] = kept
        solved[j] = 0.0
        kind[j] = 0
        for r in range(used):
            q = where[slot[j, r]]
            solved[j, q] = mass[j, r]
            kind[j, q] = HEAD if r < heads[j] else TIE
        for q in range(kept):
            where[rows[j, q]] = -1


@leaf
def _unfold_lists(slot, mass, solved, kind, heads, ties):
    for j in range(slot.shape[0]):
        solved[j] = 0.0
        kind[j] = 0
        for r in range(heads[j] + ties[j]):
            solved[j, slot[j, r]] = mass[j, r]
            kind[j, slot[j, r]] = HEAD if r < heads[j] else TIE


@njit(cache=True)
def pack(Ct, state, lists, columns):
    """The support as `pack_support` has it; its costs, which no direction needs, are not filled."""
    _, slot, mass = state
    listed, p, e = lists.rows, columns.heads, columns.ties
    m = slot.shape[0]
    start = np.zeros(m + 1, np.int64)
    for j in range(m):
        start[j + 1] = start[j] + p[j] + e[j]
    rows = np.empty(start[m], np.int32)
    masses = np.empty(start[m])
    kind = np.empty(start[m], np.int8)
    for j in range(m):
        for r in range(p[j] + e[j]):
            rows[start[j] + r] = slot[j, r] if Ct.shape[0] > 0 else listed[j, slot[j, r]]
            masses[start[j] + r] = mass[j, r]
            kind[start[j] + r] = HEAD if r < p[j] else TIE
    return start, rows, masses, masses, kind


@njit(cache=True)
def evaluate(alpha, a, b, Ct, k, reg, mu, state, lists, columns):
    """Gradient a - T 1 (n,); the solutions of the columns are in `state` and in `columns`."""
    # By names of their own: every access through a tuple counts a reference, at the cost of a sum.
    folded, slot, mass = state
    listed, listed_count = lists.rows, lists.count
    heads, ties, threshold, depth = columns.heads, columns.ties, columns.threshold, columns.depth
    n = folded.shape[1]
    is_dense = Ct.shape[0] > 0
    x = np.empty(n)
    v, order = scratch(n)
    gradient = a.copy()
    for j in range(b.shape[0]):
        count = n
        if is_dense:
            for i in range(n):
                x[i] = alpha[i] - folded[j, i]
        else:
            count = listed_count[j]
            for q in range(count):
                x[q] = alpha[listed[j, q]] - folded[j, q]
        p, e = heads[j], ties[j]
        same, level = False, 0.0
        if p + e > 0:
            same, level = _resume(x, count, b[j], k[j], reg, mu, p, e, j, slot, mass)
        if not same:
            top = largest(x, count)
            p, e, level = search_column(x, count, top, depth[j], b[j], k[j], reg, mu, v, order)
            for r in range(p + e):
                slot[j, r] = order[r]
                mass[j, r] = v[r]
            heads[j] = p
            ties[j] = e
            depth[j] = top - level
        threshold[j] = level
        for r in range(p + e):
            i = slot[j, r] if is_dense else listed[j, slot[j, r]]
            gradient[i] -= mass[j, r]
    return gradient


@leaf
def _above(x, n, level):
    """How many of ``x[:n]`` are above `level`."""
    total = 0
    for i in range(n):
        total += x[i] > level
    return total


@leaf
def _resume(x, n, b, k, reg, mu, p, e, j, slot, mass):
    """Solve column j as if the slots of its last solution, p heads and e ties, were right.

    Returns whether they are, and the threshold; masses are written if so. They are right where
    every head, tie and other entry is on its own side of the two levels that these give.
    """
    both = reg + mu
    window = b * both
    base = x[slot[j, 0]]  # differences keep their digits where all x are large
    heads = ties = 0.0
    lowest = np.inf
    for r in range(p):
        y = x[slot[j, r]] - base
        heads += y
        lowest = y if y < lowest else lowest
        mass[j, r] = y
    if e == 0:
        theta = (heads - window) / p
        excess = lowest - theta
        if not excess > 0.0:
            return False, 0.0
        level = base + theta
        if _above(x, n, level) != p:
            if p < k:
                return False, 0.0
            level += excess * reg / both
            if _above(x, n, level) != p:
                return False, 0.0
        for r in range(p):
            mass[j, r] = (mass[j, r] - theta) / both
        return True, level
    if p >= k:
        return False, 0.0
    least, most = np.inf, -np.inf
    for r in range(p, p + e):
        y = x[slot[j, r]] - base
        ties += y
        least = y if y < least else least
        most = y if y > most else most
        mass[j, r] = y
    w = (k - p) * mu + e * reg
    s = (b - heads / both + p * ties / (e * both)) / (p * w / (e * both) + (k - p))
    beta = (s * w - ties) / e
    head, tie = s * both - beta, s * reg - beta
    if not (lowest >= head > most and least > tie):
        return False, 0.0
    if _above(x, n, base + tie) != p + e:
        return False, 0.0
    for r in range(p):
        mass[j, r] = (mass[j, r] + beta) / both
    for r in range(p, p + e):
        mass[j, r] = (mass[j, r] - tie) / mu
    return True, base + tie
