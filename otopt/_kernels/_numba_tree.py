"""The spanning tree of the network simplex: built from a forest of arcs, priced, pivoted.

Nodes are rows 0..n-1, columns n..n+m-1 and a root n+m, which ties the components together by arcs
from their first rows that never carry anything. A node knows its parent, the size of the subtree
below it (which finds the meeting of two paths without marks), and of the arc to its parent the flow
and the change of potential along it.

The tree is strongly feasible (Cunningham 1976): from every node a positive amount can be sent to
the root, so arcs without flow point upwards. With the rule for the leaving arc below that stays
true, and no sequence of degenerate pivots can cycle. Flows are integers: what is zero is zero.
"""

# Fields of records:
# pyright: reportAttributeAccessIssue=false

import numpy as np
from numba import njit

from ._numba_cost_rows import entry, shape_of

NODE = np.dtype(
    [("parent", np.int32), ("size", np.int32), ("flow", np.int64), ("rise", np.float64)],
    align=True,
)  # fmt: skip
LARGEST = np.iinfo(np.int64).max


@njit(cache=True, nogil=True)
def hang(C, rows, columns, flow, offset):
    """Tree of a forest of arcs; the potential of the first row of a component is its offset.

    Arcs without flow are left out: one that points away from the root would break strong
    feasibility.
    """
    n, m = shape_of(C)
    root = n + m
    arcs = rows.shape[0]
    start = np.zeros(root + 2, np.int64)
    for e in range(arcs):
        if flow[e] > 0:
            start[rows[e] + 1] += 1
            start[n + columns[e] + 1] += 1
    for x in range(root):
        start[x + 1] += start[x]
    free = start[: root + 1].copy()
    incident = np.empty(2 * arcs, np.int64)
    for e in range(arcs):
        if flow[e] > 0:
            for x in (rows[e], n + columns[e]):
                incident[free[x]] = e
                free[x] += 1
    tree = np.zeros(root + 1, NODE)
    seen = np.zeros(root + 1, np.bool_)
    order = np.empty(root + 1, np.int32)
    order[0] = root
    tree[root].parent = -1
    tree[root].size = 1
    count = 1
    for first in range(n):  # every component has a row, because every column receives something
        if seen[first]:
            continue
        seen[first] = True
        node = tree[first]
        node.parent = root
        node.size = 1
        node.rise = offset[first]
        order[count] = first
        at = count
        count += 1
        while at < count:
            x = order[at]
            at += 1
            for t in range(start[x], start[x + 1]):
                e = incident[t]
                y = n + columns[e] if x < n else rows[e]
                if seen[y]:
                    continue
                seen[y] = True
                cost = entry(C, rows[e], columns[e])
                node = tree[y]
                node.parent = x
                node.size = 1
                node.flow = flow[e]
                node.rise = cost if y < n else -cost
                order[count] = y
                count += 1
    for k in range(count - 1, 0, -1):
        x = order[k]
        tree[tree[x].parent].size += tree[x].size
    return tree


@njit(cache=True, nogil=True)
def column_prices(tree, n, price, stamp, epoch, stack):
    """Prices of all columns and of the rows on their way to the root; those have stamp = epoch.

    The price of a row is its potential u_i, that of a column -v_j, so that along an arc of the
    tree one is the other and the cost. Other rows are priced on demand, from their parent.
    """
    root = tree.shape[0] - 1
    stamp[root] = epoch
    price[root] = 0.0
    for column in range(n, root):
        x = column
        depth = 0
        while stamp[x] != epoch:
            stack[depth] = x
            depth += 1
            x = tree[x].parent
        p = price[x]
        while depth > 0:
            depth -= 1
            x = stack[depth]
            p += tree[x].rise
            price[x] = p
            stamp[x] = epoch


@njit(cache=True, nogil=True)
def pivot(tree, row, column, cost, tol):
    """Let the arc from `row` to the node `column` enter, unless its reduced cost is >= -tol.

    The reduced cost is summed along the two paths to their meeting, so it is that of the tree as
    it is, whatever was priced before. Both paths are then walked once more to change flows, sizes
    and parents; potentials are not stored in the tree, only their change along arcs.
    """
    x = row
    y = column
    size_x = tree[x].size
    size_y = tree[y].size
    least_x = LARGEST  # least flow that falls on the side of the row, and on that of the column
    least_y = LARGEST
    out_x = x
    out_y = y
    falls_x = True  # along the paths mass falls, rises, falls...
    falls_y = True
    rise_x = 0.0
    rise_y = 0.0
    while x != y:
        if size_x < size_y:
            node = tree[x]
            if falls_x and node.flow < least_x:
                least_x = node.flow
                out_x = x
            falls_x = not falls_x
            rise_x += node.rise
            x = node.parent
            size_x = tree[x].size
        else:
            node = tree[y]
            if falls_y and node.flow <= least_y:
                least_y = node.flow
                out_y = y
            falls_y = not falls_y
            rise_y += node.rise
            y = node.parent
            size_y = tree[y].size
    meeting = x
    if cost - rise_x + rise_y >= -tol:
        return False
    # The last blocking arc of the cycle, seen from the meeting in the direction of the row's arc.
    if least_y <= least_x:
        moved, out, inside, outside, rise = least_y, out_y, column, row, -cost
    else:
        moved, out, inside, outside, rise = least_x, out_x, row, column, cost
    below = tree[out].size
    above = tree[out].parent

    change = -moved
    x = outside
    while x != meeting:
        node = tree[x]
        node.flow += change
        node.size += below
        change = -change
        x = node.parent
    # The path from `inside` to the leaving arc is turned round and hung below `outside`.
    change = -moved
    x = inside
    parent = outside
    flow = moved
    hung = 0
    while True:
        node = tree[x]
        next_x = node.parent
        next_flow = node.flow + change
        next_rise = -node.rise
        next_hung = node.size
        node.parent = parent
        node.flow = flow
        node.rise = rise
        node.size = below - hung
        change = -change
        if x == out:
            break
        parent = x
        flow = next_flow
        rise = next_rise
        hung = next_hung
        x = next_x
    x = above
    while x != meeting:
        node = tree[x]
        node.flow += change
        node.size -= below
        change = -change
        x = node.parent
    return True


@njit(cache=True, nogil=True)
def tree_arcs(tree, n):
    """Rows, columns and flows of the arcs that carry something."""
    root = tree.shape[0] - 1
    rows = np.empty(root, np.int64)
    columns = np.empty(root, np.int64)
    flow = np.empty(root, np.int64)
    count = 0
    for x in range(root):
        parent = tree[x].parent
        if parent < root and tree[x].flow > 0:
            rows[count] = x if x < n else parent
            columns[count] = (parent if x < n else x) - n
            flow[count] = tree[x].flow
            count += 1
    return rows[:count], columns[:count], flow[:count]
