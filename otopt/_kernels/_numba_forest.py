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
def cancel_cycles(rows, columns, mass, price, n, m, k):
    """Push mass round every cycle of the support until one arc of it is empty, in place.

    Marginals do not change. What is left is a forest: at most n + m - 1 nonzeros. Of the two
    directions round a cycle, the one that empties an arc of a column with more than k nonzeros is
    taken, else the cheaper one at the given marginal prices.
    """
    degree = np.zeros(m, np.int64)
    for e in range(rows.shape[0]):
        degree[columns[e]] += mass[e] > 0.0
    parent = np.full(n + m, -1)
    arc = np.full(n + m, -1)
    seen = np.full(n + m, -1)
    cycle = np.empty(n + m + 1, np.int64)
    for e in np.argsort(-mass):
        if mass[e] <= 0.0:
            break
        i, j = rows[e], n + columns[e]
        node = i
        while node >= 0:
            seen[node] = e
            node = parent[node]
        meet = j
        while meet >= 0 and seen[meet] != e:
            meet = parent[meet]
        if meet < 0:
            _hang(parent, arc, i, j, e)
            continue

        # Around the cycle mass rises on e and, counted from both its ends, falls, rises, falls...
        length = 0
        gain = 0.0
        smallest_falling, falling = np.inf, -1
        smallest_rising, rising = mass[e], e
        for end in (i, j):
            node = end
            sign = -1.0
            while node != meet:
                f = arc[node]
                cycle[length] = f
                length += 1
                gain += sign * price[f]
                if sign < 0.0 and mass[f] < smallest_falling:
                    smallest_falling, falling = mass[f], f
                elif sign > 0.0 and mass[f] < smallest_rising:
                    smallest_rising, rising = mass[f], f
                sign = -sign
                node = parent[node]
        gain += price[e]
        frees_falling = degree[columns[falling]] > k
        frees_rising = degree[columns[rising]] > k
        if frees_falling != frees_rising:
            forward = frees_falling
        else:
            forward = gain * smallest_falling <= -gain * smallest_rising
        moved = smallest_falling if forward else -smallest_rising
        emptied = falling if forward else rising
        sign = -1.0
        node = i
        for q in range(length):
            if node == meet:
                node = j
                sign = -1.0
            f = cycle[q]
            mass[f] = max(mass[f] + sign * moved, 0.0)
            sign = -sign
            node = parent[node]
        mass[e] += moved
        mass[emptied] = 0.0
        degree[columns[emptied]] -= 1
        if emptied != e:
            u, v = rows[emptied], n + columns[emptied]
            cut = u if arc[u] == emptied else v
            parent[cut] = -1
            arc[cut] = -1
            if _top(parent, i) == cut:
                _hang(parent, arc, i, j, e)
            else:
                _hang(parent, arc, j, i, e)


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
    for e in np.argsort(-mass):
        if mass[e] <= 0.0:
            break
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
