"""Kernels of exact transport in NumPy: slow, and the plain reading of the specification."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = [
    "c_transform",
    "checked_potentials",
    "cluster",
    "cluster_costs",
    "cold",
    "column_potentials",
    "cost_range",
    "forest_flow",
    "hang",
    "match",
    "potentials_of_clusters",
    "regret_flow",
    "row_potentials",
    "sample_range",
    "shortlist",
    "simplex",
    "tree_arcs",
]


def cold():
    return False


def cost_range(C):
    return sample_range(C) if np.isfinite(C).all() else (np.nan, np.nan)


def sample_range(C):
    return C.min(), C.max()


# -- potentials and lists -----------------------------------------------------------------------


def row_potentials(C, v):
    return (C - v).min(axis=1)


def checked_potentials(C, v):
    return row_potentials(C, v), np.count_nonzero(~np.isfinite(C))


def column_potentials(C, u):
    return (C - u[:, None]).min(axis=0)


def c_transform(C, v):
    u = row_potentials(C, v)
    return u, column_potentials(C, u)


def shortlist(C, v, length):
    columns = np.argsort(C - v, axis=1, kind="stable")[:, :length].astype(np.int32)
    return row_potentials(C, v), columns, np.take_along_axis(C, columns, 1).astype(float)


# -- coarsening ---------------------------------------------------------------------------------


def cluster(features, size):
    order, start = [], [0]

    def split(points):
        if len(points) <= size:
            order.extend(points)
            start.append(len(order))
            return
        axis = np.argmax(np.ptp(features[points], axis=0))
        points = points[np.argsort(features[points, axis], kind="stable")]
        split(points[: len(points) // 2])
        split(points[len(points) // 2 :])

    split(np.arange(len(features)))
    return np.array(order), np.array(start)


def _means(A, order, start):
    return np.stack([A[order[s:e]].mean(axis=0) for s, e in pairwise(start)])


def cluster_costs(C, row_order, row_start, column_order, column_start):
    by_row = _means(np.asarray(C, float), row_order, row_start)
    return np.ascontiguousarray(_means(by_row.T, column_order, column_start).T)


def potentials_of_clusters(C, row_order, row_start, u):
    return (_means(np.asarray(C, float), row_order, row_start) - u[:, None]).min(axis=0)


# -- flows --------------------------------------------------------------------------------------


def regret_flow(C, v, supply, demand, columns, cost):
    row_left, column_left = supply.copy(), demand.copy()
    listed = np.zeros(C.shape, bool)
    np.put_along_axis(listed, columns.astype(int), values=True, axis=1)
    arcs = []
    while row_left.any():
        price = np.where(column_left > 0, C - v, np.inf)
        priced = np.where(listed, price, np.inf)
        priced = np.where(np.isinf(priced).all(axis=1, keepdims=True), price, priced)
        first, second = np.sort(np.column_stack([priced, np.full(len(C), np.inf)]), axis=1)[:, :2].T
        i = np.argmax(np.where(row_left > 0, second - first, -np.inf))
        j = np.argmin(priced[i])
        moved = min(row_left[i], column_left[j])
        row_left[i] -= moved
        column_left[j] -= moved
        arcs.append((i, j, moved))
    return tuple(np.array(arcs, np.int64).T)


def forest_flow(rows, columns, supply, demand):
    left = np.concatenate([supply, demand])
    ends = [(i, len(supply) + j) for i, j in zip(rows, columns, strict=True)]
    flow = np.zeros(len(ends), np.int64)
    open_arcs = set(range(len(ends)))
    while open_arcs:
        degree = np.bincount([x for e in open_arcs for x in ends[e]], minlength=len(left))
        leaf = next(((e, x) for e in sorted(open_arcs) for x in ends[e] if degree[x] == 1), None)
        if leaf is None or left[leaf[1]] < 0:
            return flow, False
        e, x = leaf
        flow[e] = left[x]
        left[list(ends[e])] -= flow[e]
        open_arcs.remove(e)
    return flow, not left.any()


def match(C, u, v, columns, cost, tol, most_work):
    """Any perfect matching will do; this one gives every row its cheapest free column."""
    free = np.ones(len(C), bool)
    column_of = np.empty(len(C), np.int64)
    for i in range(len(C)):
        column_of[i] = np.argmin(np.where(free, C[i] - v, np.inf))
        free[column_of[i]] = False
    return column_of


# -- simplex ------------------------------------------------------------------------------------


@dataclass
class Tree:
    """Parents, and flows on the arcs to them; the last node is the root, its parent is -1."""

    parent: list
    flow: list
    offset: np.ndarray  # change of potential from the root to a row below it

    def up(self, x):
        """The nodes from x to the root, both included."""
        path = [x]
        while self.parent[path[-1]] >= 0:
            path.append(self.parent[path[-1]])
        return path


def hang(C, rows, columns, flow, offset):
    n, m = C.shape
    root = n + m
    near = [[] for _ in range(root)]
    for i, j, f in zip(rows, columns, flow, strict=True):
        if f > 0:
            near[i].append((n + j, int(f)))
            near[n + j].append((i, int(f)))
    tree = Tree([None] * root + [-1], [0] * (root + 1), offset)
    for first in range(n):
        if tree.parent[first] is None:
            tree.parent[first] = root
            todo = [first]
            while todo:
                x = todo.pop()
                for y, f in near[x]:
                    if tree.parent[y] is None:
                        tree.parent[y], tree.flow[y] = x, f
                        todo.append(y)
    return tree


def tree_arcs(tree, n):
    root = len(tree.parent) - 1
    arcs = [
        (min(x, p), max(x, p) - n, f)
        for x, (p, f) in enumerate(zip(tree.parent, tree.flow, strict=True))
        if 0 <= p < root and f > 0
    ]
    return tuple(np.array(arcs, np.int64).T)


def simplex(C, columns, cost, tree, batch, tol, most_pivots, most_work, tally):
    """Let the arc of the most negative reduced cost enter until there is none."""
    n, m = C.shape
    pivots = 0
    while True:
        u, v = _potentials(C, tree)
        least = row_potentials(C, v)
        tally[1] += n
        i, j = np.unravel_index(np.argmin(C - u[:, None] - v), (n, m))
        optimal = C[i, j] - u[i] - v[j] >= -tol
        if optimal or pivots == most_pivots:
            return int(not optimal), u, v, least
        _enter(tree, int(i), n + int(j))
        tally[0] += 1
        pivots += 1


def _potentials(C, tree):
    n, m = C.shape
    price = {n + m: 0.0}  # u of rows, -v of columns
    for x in range(n + m):
        for y in reversed(tree.up(x)[:-1]):
            if y not in price:
                p = tree.parent[y]
                inner = 0.0 if p == n + m else C[y, p - n] if y < n else -C[p, y - n]
                rise = tree.offset[y] if p == n + m else inner
                price[y] = price[p] + rise
    u = np.array([price[x] for x in range(n)])
    return u, -np.array([price[n + j] for j in range(m)])


def _enter(tree, row, column):
    """One pivot.

    The leaving arc is the last one that blocks, seen from the meeting of the two paths in the
    direction of the entering arc (Cunningham 1976).
    """
    up_row, up_column = tree.up(row), tree.up(column)
    meeting = next(x for x in up_row if x in up_column)
    up_row = up_row[: up_row.index(meeting)]
    up_column = up_column[: up_column.index(meeting)]
    # Mass falls on every other arc, beginning at the ends of the entering one.
    falling = up_row[::2][::-1] + up_column[::2]
    moved = min(tree.flow[x] for x in falling)
    out = [x for x in falling if tree.flow[x] == moved][-1]
    for path in (up_row, up_column):
        for depth, x in enumerate(path):
            tree.flow[x] += moved if depth % 2 else -moved
    parent, path = (column, up_row) if out in up_row else (row, up_column)
    flow = moved
    for x in path[: path.index(out) + 1]:
        tree.parent[x], parent = parent, x
        tree.flow[x], flow = flow, tree.flow[x]
