"""Components, cycles and forests of a support; nodes are rows 0..n-1 and columns n..n+m-1."""

import itertools

import numpy as np


def connected_rows(start, rows, n):
    label = np.arange(n)
    for lo, hi in itertools.pairwise(start):
        if hi > lo:
            met = label[rows[lo:hi]]
            label[np.isin(label, met)] = met.min()
    return label


class _Forest:
    """Undirected forest: for every node its neighbours and the arcs to them."""

    def __init__(self, nodes):
        self.neighbours = [{} for _ in range(nodes)]

    def link(self, i, j, e):
        self.neighbours[i][j] = self.neighbours[j][i] = e

    def cut(self, i, j):
        del self.neighbours[i][j], self.neighbours[j][i]

    def paths_from(self, root):
        """For every node of the tree of `root` the arcs from the node to the root, in order."""
        paths = {root: []}
        stack = [root]
        while stack:
            node = stack.pop()
            for other, e in self.neighbours[node].items():
                if other not in paths:
                    paths[other] = [e, *paths[node]]
                    stack.append(other)
        return paths

    def hung(self):
        """Parent and arc to it of every node, -1 at the roots."""
        parent = np.full(len(self.neighbours), -1)
        arc = parent.copy()
        seen = set()
        for root in range(len(parent)):
            if root in seen:
                continue
            for node, path in self.paths_from(root).items():
                seen.add(node)
                if path:
                    arc[node] = path[0]
                    parent[node] = next(u for u, e in self.neighbours[node].items() if e == path[0])
        return parent, arc


def _push(mass, falling, rising, leaving):
    """Move the mass of `leaving` from the falling to the rising arcs of a cycle."""
    moved = mass[leaving]
    mass[falling] = np.maximum(mass[falling] - moved, 0.0)
    mass[rising] += moved
    mass[leaving] = 0.0


def cancel_cycles(rows, columns, mass, price, n, m, k):
    def lightest(arcs):
        return min(arcs, key=lambda e: mass[e])

    degree = np.bincount(columns[mass > 0], minlength=m)
    forest = _Forest(n + m)
    for e in np.argsort(-mass, kind="stable"):
        if mass[e] <= 0:
            break
        i, j = int(rows[e]), int(n + columns[e])
        path = forest.paths_from(j).get(i)
        if path is None:
            forest.link(i, j, e)
            continue
        # From the row of e the mass falls, rises, ..., falls along the path to its column.
        falling, rising = path[0::2], [*path[1::2], e]
        down, up = lightest(falling), lightest(rising)
        frees_down, frees_up = (degree > k)[columns[[down, up]]]
        gain = price[rising].sum() - price[falling].sum()
        cheaper = gain * mass[down] <= -gain * mass[up]
        if frees_down if frees_down != frees_up else cheaper:
            leaving = down
            _push(mass, falling, rising, leaving)
        else:
            leaving = up
            _push(mass, rising, falling, leaving)
        degree[columns[leaving]] -= 1
        if leaving != e:
            forest.cut(int(rows[leaving]), int(n + columns[leaving]))
            forest.link(i, j, e)
    return forest.hung()


def _pivots(paths, target, rows, columns, mass, price, n, k, degree, luck):
    """Rank, merit, entering and leaving arc, falling and rising arcs of all permitted pivots."""
    for e in np.flatnonzero(mass <= 0):
        i, j = rows[e], n + columns[e]
        if i not in paths or j not in paths or not paths[j] or paths[i][-1] == paths[j][-1]:
            continue  # no cycle through the overfull column
        falling = paths[i][0::2] + paths[j][0::2]
        rising = [e, *paths[i][1::2], *paths[j][1::2]]
        leaving = min(falling, key=lambda arc: mass[arc])
        returns = columns[leaving] == columns[e]
        if degree[columns[e]] >= k[columns[e]] and not returns:
            continue
        if degree[columns[leaving]] > k[columns[leaving]] and not returns:
            rank, merit = 0, (price[rising].sum() - price[falling].sum()) * mass[leaving]
        elif paths[i][-1] == target:
            rank, merit = 1, -mass[leaving]
        else:
            rank, merit = 2, luck[e % len(luck)]
        yield rank, merit, e, leaving, falling, rising


def pivot_to_capacity(rows, columns, mass, price, n, m, k, luck, patience):
    cancel_cycles(rows, columns, mass, price, n, m, k)
    excess, pivot = [], 0
    while True:
        degree = np.bincount(columns[mass > 0], minlength=m)
        overfull = np.flatnonzero((mass > 0) & (degree > k)[columns])
        if len(overfull) == 0:
            return True
        excess.append(np.maximum(degree - k, 0).sum())
        if pivot - np.argmin(excess) == patience:
            return False
        target = overfull[np.argmin(mass[overfull])]
        forest = _Forest(n + m)
        for e in np.flatnonzero(mass > 0):
            forest.link(int(rows[e]), int(n + columns[e]), e)
        paths = forest.paths_from(int(n + columns[target]))
        shuffled = np.roll(luck, -(pivot * 7919) % len(luck))
        pivots = _pivots(paths, target, rows, columns, mass, price, n, k, degree, shuffled)
        best = min(pivots, key=lambda found: found[:3], default=None)
        if best is None:
            return False
        *_, leaving, falling, rising = best
        _push(mass, falling, rising, leaving)
        pivot += 1


def settle_on_forest(rows, columns, mass, row_need, column_need):
    n, m = len(row_need), len(column_need)
    tree = np.arange(n + m)
    arcs = []
    for e in np.argsort(-mass, kind="stable"):
        i, j = tree[rows[e]], tree[n + columns[e]]
        if mass[e] > 0 and i != j:
            arcs.append(e)
            tree[tree == j] = i
    incidence = np.zeros((n + m, len(arcs)))
    incidence[rows[arcs], np.arange(len(arcs))] = 1.0
    incidence[n + columns[arcs], np.arange(len(arcs))] = 1.0
    # The arcs of a forest are independent: one solution, exact wherever there is an exact one.
    mass[arcs] += np.linalg.lstsq(incidence, np.concatenate([row_need, column_need]))[0]
