"""Cycles and forests in the support of a plan: nodes are rows 0..n-1 and columns n..n+m-1."""

import numpy as np
from numba import njit


@njit(cache=True)
def _hang(parent, arc, root, below, by):
    """Re-root the tree that holds `root` at `root` and hang it below the node `below`."""
    node, up, up_arc = root, below, by
    while node >= 0:
        next_node, next_arc = parent[node], arc[node]
        parent[node], arc[node] = up, up_arc
        up, up_arc = node, next_arc
        node = next_node


@njit(cache=True)
def _top(parent, node):
    while parent[node] >= 0:
        node = parent[node]
    return node


@njit(cache=True)
def _cycle(parent, arc, e, i, j, seen, arcs, signs):
    """Arcs and signs of the cycle that e = (i, j) closes, e itself last; 0 if it closes none.

    Mass rises on e; counted from either of its ends it falls, rises, falls... up to their meeting.
    """
    node = i
    while node >= 0:
        seen[node] = e
        node = parent[node]
    meet = j
    while meet >= 0 and seen[meet] != e:
        meet = parent[meet]
    node = i
    while node >= 0:
        seen[node] = -1
        node = parent[node]
    if meet < 0:
        return 0
    length = 0
    for end in (i, j):
        node = end
        sign = -1.0
        while node != meet:
            arcs[length] = arc[node]
            signs[length] = sign
            length += 1
            sign = -sign
            node = parent[node]
    arcs[length] = e
    signs[length] = 1.0
    return length + 1


@njit(cache=True)
def _smallest(mass, arcs, signs, length, sign):
    """The arc of the cycle with the given sign that carries the least."""
    best = -1
    for q in range(length):
        if signs[q] == sign and (best < 0 or mass[arcs[q]] < mass[best]):
            best = arcs[q]
    return best


@njit(cache=True)
def _push_round(mass, arcs, signs, length, moved, emptied):
    for q in range(length):
        mass[arcs[q]] = max(mass[arcs[q]] + signs[q] * moved, 0.0)
    mass[emptied] = 0.0


@njit(cache=True)
def _exchange(parent, arc, entering, i, j, leaving, u, v):
    """Replace the tree arc `leaving` = (u, v) by `entering` = (i, j)."""
    cut = u if arc[u] == leaving else v
    parent[cut] = -1
    arc[cut] = -1
    if _top(parent, i) == cut:
        _hang(parent, arc, i, j, entering)
    else:
        _hang(parent, arc, j, i, entering)


@njit(cache=True)
def _heaviest_first(mass):
    """The arcs that carry mass; most carry none, and sorting those takes longer than the rest."""
    support = np.flatnonzero(mass > 0.0)
    return support[np.argsort(-mass[support], kind="mergesort")]


@njit(cache=True)
def cancel_cycles(rows, columns, mass, price, n, m, k):
    """Push mass round every cycle of the support until one arc of it is empty, in place.

    Marginals do not change. What is left is a forest, at most n + m - 1 nonzeros; it is returned
    as (parent, arc) of every node. Of the two directions round a cycle, the one that empties an
    arc of a column with more than k nonzeros is taken, else the cheaper one at the given prices.
    """
    degree = np.zeros(m, np.int64)
    for e in range(rows.shape[0]):
        degree[columns[e]] += mass[e] > 0.0
    parent = np.full(n + m, -1)
    arc = np.full(n + m, -1)
    seen = np.full(n + m, -1)
    arcs = np.empty(n + m + 1, np.int64)
    signs = np.empty(n + m + 1)
    for e in _heaviest_first(mass):
        i, j = rows[e], n + columns[e]
        length = _cycle(parent, arc, e, i, j, seen, arcs, signs)
        if length == 0:
            _hang(parent, arc, i, j, e)
            continue
        falling = _smallest(mass, arcs, signs, length, -1.0)
        rising = _smallest(mass, arcs, signs, length, 1.0)
        frees_falling = degree[columns[falling]] > k[columns[falling]]
        frees_rising = degree[columns[rising]] > k[columns[rising]]
        if frees_falling != frees_rising:
            forward = frees_falling
        else:
            gain = 0.0
            for q in range(length):
                gain += signs[q] * price[arcs[q]]
            forward = gain * mass[falling] <= -gain * mass[rising]
        emptied = falling if forward else rising
        moved = mass[falling] if forward else -mass[rising]
        _push_round(mass, arcs, signs, length, moved, emptied)
        degree[columns[emptied]] -= 1
        if emptied != e:
            _exchange(parent, arc, e, i, j, emptied, rows[emptied], n + columns[emptied])
    return parent, arc


@njit(cache=True)
def _count_cycle(columns, mass, arcs, length, degree, sign):
    """Take the nonzeros of a cycle out of the counts, or put them back."""
    for q in range(length):
        if mass[arcs[q]] > 0.0:
            degree[columns[arcs[q]]] += sign


@njit(cache=True)
def _lightest_overfull(arc, columns, mass, degree, k):
    """The lightest arc of the columns with more than k nonzeros, of equals the first."""
    best = -1
    for e in arc:
        if e < 0 or mass[e] <= 0.0 or degree[columns[e]] <= k[columns[e]]:
            continue
        if best < 0 or mass[e] < mass[best] or (mass[e] == mass[best] and e < best):
            best = e
    return best


@njit(cache=True)
def _paths_to(root, parent, arc, mass, price, branch, odd, even, toll, stack):
    """Summarise the path of every node to `root`, which must be the top of its tree.

    branch: last node before the root (-1 off the tree); odd, even: lightest arcs at the odd and
    even places of the path (-1 for none); toll: price of lowering odd and raising even places.
    """
    branch[:] = -2
    branch[root], odd[root], even[root], toll[root] = root, -1, -1, 0.0
    for v in range(parent.shape[0]):
        depth = 0
        node = v
        while branch[node] == -2:
            stack[depth] = node
            depth += 1
            if parent[node] < 0:
                break
            node = parent[node]
        while depth > 0:
            depth -= 1
            node = stack[depth]
            up = parent[node]
            if up < 0 or branch[up] == -1:
                branch[node] = -1
                continue
            f = arc[node]
            branch[node] = node if up == root else branch[up]
            even[node] = odd[up]
            odd[node] = f if even[up] < 0 or mass[f] < mass[even[up]] else even[up]
            toll[node] = -price[f] - toll[up]


@njit(cache=True)
def pivot_to_capacity(rows, columns, mass, price, n, m, k, luck, patience):
    """Pivot the forest of `cancel_cycles` until no column has more than k nonzeros, in place.

    An arc that enters closes a cycle through an overfull column; the arc that this empties leaves.
    It may enter a column with a free slot, or one that it leaves again. Best is an entering arc
    that empties one of an overfull column (the cheapest such), next one that takes most from the
    lightest arc of the column, last any, by the random numbers `luck`. Gives up after `patience`
    pivots that leave as many nonzeros too many. Returns whether every column has at most k.
    """
    parent, arc = cancel_cycles(rows, columns, mass, price, n, m, k)
    closed = np.empty(m, np.bool_)
    degree = np.zeros(m, np.int64)
    for e in range(rows.shape[0]):
        degree[columns[e]] += mass[e] > 0.0
    branch = np.empty(n + m, np.int64)
    odd = np.empty(n + m, np.int64)
    even = np.empty(n + m, np.int64)
    toll = np.empty(n + m)
    seen = np.full(n + m, -1)
    arcs = np.empty(n + m + 1, np.int64)
    signs = np.empty(n + m + 1)
    pivot = idle = 0
    fewest = np.iinfo(np.int64).max
    while True:
        excess = np.maximum(degree - k, 0).sum()
        if excess == 0:
            return True
        if excess < fewest:
            fewest, idle = excess, 0
        if idle == patience:
            return False
        target = _lightest_overfull(arc, columns, mass, degree, k)
        root = n + columns[target]
        _hang(parent, arc, root, -1, -1)
        _paths_to(root, parent, arc, mass, price, branch, odd, even, toll, arcs)
        for c in range(m):
            closed[c] = branch[n + c] < 0 or n + c == root
            if not closed[c] and degree[c] >= k[c]:  # entered only by what it leaves again
                closed[c] = odd[n + c] < 0 or columns[odd[n + c]] != c
        entering, rank, merit = -1, 3, np.inf
        for e in range(rows.shape[0]):
            i, j = rows[e], n + columns[e]
            if closed[columns[e]] or mass[e] > 0.0:
                continue
            if branch[i] < 0 or branch[i] == branch[j]:  # on another tree: closes no cycle
                continue
            # Round the cycle mass falls at the odd places of both paths, the first into the root.
            leaving = odd[i]
            if odd[j] >= 0 and mass[odd[j]] < mass[leaving]:
                leaving = odd[j]
            leaves = columns[leaving]
            if degree[columns[e]] >= k[columns[e]] and leaves != columns[e]:
                continue
            if degree[leaves] > k[leaves] and leaves != columns[e]:
                e_rank, e_merit = 0, (price[e] + toll[i] + toll[j]) * mass[leaving]
            elif branch[i] == rows[target]:
                e_rank, e_merit = 1, -mass[leaving]
            elif rank < 2:
                continue
            else:
                e_rank, e_merit = 2, luck[(pivot * 7919 + e) % luck.shape[0]]
            if e_rank < rank or (e_rank == rank and e_merit < merit):
                entering, rank, merit = e, e_rank, e_merit
        if entering < 0:
            return False
        e = entering
        i, j = rows[e], n + columns[e]
        length = _cycle(parent, arc, e, i, j, seen, arcs, signs)
        leaving = _smallest(mass, arcs, signs, length, -1.0)
        # A push between equal masses may empty several arcs, and one that moves nothing none.
        _count_cycle(columns, mass, arcs, length, degree, -1)
        _push_round(mass, arcs, signs, length, mass[leaving], leaving)
        _count_cycle(columns, mass, arcs, length, degree, 1)
        _exchange(parent, arc, e, i, j, leaving, rows[leaving], n + columns[leaving])
        pivot += 1
        idle += 1


@njit(cache=True)
def settle_on_forest(rows, columns, mass, row_need, column_need):
    """Route small signed needs along a spanning forest of the heaviest arcs, in place.

    Afterwards every marginal holds to rounding, as far as the needs of each connected component
    add up to zero; masses may turn negative by the amount that was routed.
    """
    n = row_need.shape[0]
    m = column_need.shape[0]
    parent = np.full(n + m, -1)
    arc = np.full(n + m, -1)
    for e in _heaviest_first(mass):
        i, j = rows[e], n + columns[e]
        if _top(parent, i) != _top(parent, j):
            _hang(parent, arc, i, j, e)
    children = np.zeros(n + m, np.int64)
    need = np.concatenate((row_need, column_need))
    for node in range(n + m):
        if parent[node] >= 0:
            children[parent[node]] += 1
    for leaf in range(n + m):
        node = leaf
        while children[node] == 0 and parent[node] >= 0:
            # The arc raises both of its ends alike: what the node gets, its parent gets too.
            mass[arc[node]] += need[node]
            up = parent[node]
            need[up] -= need[node]
            need[node] = 0.0
            children[node] = -1
            children[up] -= 1
            node = up


@njit(cache=True)
def cheapest_in_rows(alpha, beta, Ct, count):
    """Columns of the `count` smallest ``c_ij - alpha_i - beta_j`` of every row, (n, count)."""
    m, n = Ct.shape
    best = np.full((n, count), np.inf)
    where = np.zeros((n, count), np.int32)
    worst = np.full(n, np.inf)
    for j in range(m):
        c = Ct[j]
        for i in range(n):
            value = c[i] - alpha[i] - beta[j]
            if value < worst[i]:
                q = count - 1
                while q > 0 and best[i, q - 1] > value:
                    best[i, q] = best[i, q - 1]
                    where[i, q] = where[i, q - 1]
                    q -= 1
                best[i, q] = value
                where[i, q] = j
                worst[i] = best[i, count - 1]
    return where
