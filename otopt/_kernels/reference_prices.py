"""Kernels of `solve_prices` in NumPy, slow and obviously right; see `otopt._kernels`."""

import numpy as np

__all__ = [
    "gibbs_rows",
    "match_lists",
    "places",
    "price_pass",
    "repair",
    "route",
    "score_moments",
    "top_of_rows",
]


def score_moments(S, weight):
    """Mass, and weighted sums of the scores and of their squares by column."""
    S = S[weight > 0].astype(float)
    w = weight[weight > 0]
    return w.sum(), w @ S, w @ S**2


def _row(r, k, reg):
    """Maximiser of ``<r, p> - reg/2 |p|^2`` over 0 <= p <= 1 with sum k, by its breakpoints."""
    if k >= len(r):
        return np.ones(len(r))
    points = np.unique(np.concatenate([r, r - reg]))

    def total(tau):
        return np.clip((r - tau) / reg, 0, 1).sum()

    sums = np.array([total(tau) for tau in points])  # decreasing, piecewise linear
    return np.clip((r - np.interp(-k, -sums, points)) / reg, 0, 1)


def price_pass(S, q, k, nnz, reg, weight, curvature):
    """Value, loads and curvature of the smoothed dual."""
    m = S.shape[1]
    value, load, hessian = 0.0, np.zeros(m), np.zeros((m, m))
    for s, w in zip(S, weight, strict=True):
        if w == 0:
            continue
        r = (s - q.astype(S.dtype)).astype(float)
        listed = np.argsort(-r, kind="stable")[:nnz]
        p = np.zeros(m)
        p[listed] = _row(r[listed], k, reg)
        value += w * (p @ r - reg / 2 * p @ p)
        load += w * p
        free = ((p > 1e-12) & (p < 1 - 1e-12)).astype(float)
        if free.sum() > 1:
            hessian += w / reg * (np.diag(free) - np.outer(free, free) / free.sum())
    diagonal = np.diag(hessian).copy() if curvature >= 1 else np.zeros(0)
    return value, load, diagonal, hessian if curvature == 2 else np.zeros((0, 0))


def route(S, q, k, weight):
    """The k best of every row, the value of that rule and its loads."""
    r = S - q.astype(S.dtype)
    indices = np.argsort(-r, axis=1, kind="stable")[:, :k]
    taken = np.take_along_axis(S.astype(float) - q.astype(float), indices, axis=1)
    load = np.bincount(indices.ravel(), np.repeat(weight, k), minlength=S.shape[1])
    return indices, weight @ taken.sum(axis=1), load


def gibbs_rows(S, shift, reg, weight):
    """``exp((s_i - shift) / reg)`` over its largest entry, float32; 0 in rows without mass."""
    r = (S - shift).astype(np.float32)
    E = np.exp(np.maximum((r - r.max(axis=1, keepdims=True)) / np.float32(reg), -87))
    return np.where((weight[:, None] > 0) & (E > 1e-25), E, 0).astype(np.float32)


def places(experts, order, m):
    """Position of every pair among those of its expert, in the given order; -1 for none."""
    position = np.full(len(experts), -1)
    for j in range(m):
        mine = [at for at in order if experts[at] == j]
        position[mine] = np.arange(len(mine))
    return position


def repair(S, q, indices, room, weight):
    """Pairs beyond the room of their expert, the least leading first, to the best with room."""
    _n, k = indices.shape
    r = (S - q.astype(S.dtype)).astype(float)
    load = np.bincount(indices[weight > 0].ravel(), minlength=S.shape[1])
    level = -np.sort(-r, axis=1)[:, min(k, S.shape[1] - 1)]
    lead = np.take_along_axis(r, indices, axis=1) - level[:, None]
    homeless = []
    for j in np.flatnonzero(load > room):
        members = np.argwhere((indices == j) & (weight[:, None] > 0))
        members = members[np.argsort(lead[members[:, 0], members[:, 1]])]
        homeless += [tuple(pair) for pair in members[: load[j] - room[j]]]
        load[j] = room[j]
    for i, a in homeless:
        indices[i, a] = -1
    left = 0
    for i, a in homeless:
        open_to = [j for j in range(S.shape[1]) if load[j] < room[j] and j not in indices[i]]
        if open_to:
            best = max(open_to, key=lambda j: r[i, j])
            indices[i, a] = best
        else:
            best = _exchange(indices, i, a, load, room, weight)
            if best is None:
                left += 1
                continue
        load[best] += 1
    return left


def _exchange(indices, i, a, load, room, weight):
    for e in np.flatnonzero(load < room):
        for t in np.flatnonzero(weight > 0):
            for b, j in enumerate(indices[t]):
                if t != i and j >= 0 and j not in indices[i] and e not in indices[t]:
                    indices[i, a], indices[t, b] = j, e
                    return e
    return None


def top_of_rows(S, count):
    """Columns and values of the `count` largest entries of every row, largest first."""
    columns = np.argsort(-S, axis=1, kind="stable")[:, :count]
    return columns, np.take_along_axis(S, columns, axis=1).astype(float)


def match_lists(columns, scores, k, room):
    """Best matching on lists of candidates, by Bellman-Ford paths in the residual graph."""
    n, length = columns.shape
    m = len(room)
    taken = np.zeros((n, length), bool)
    arcs = [(i, t, columns[i, t]) for i in range(n) for t in range(length) if columns[i, t] >= 0]
    for i in np.repeat(np.arange(n), k):
        best, path = _distances(arcs, scores, taken, i, n, m)
        load = np.bincount(columns[taken], minlength=m)
        ends = [j for j in range(m) if load[j] < room[j] and np.isfinite(best[n + j])]
        if not ends:
            continue
        node = n + min(ends, key=lambda j: best[n + j])
        while node != i:
            node, (row, t) = path[node]
            taken[row, t] = not taken[row, t]
    slots = np.full((n, k), -1)
    for i in range(n):
        mine = np.flatnonzero(taken[i])
        slots[i, : len(mine)] = mine
    return slots, *_duals(arcs, columns, scores, taken, room, n, m)


def _distances(arcs, scores, taken, source, n, m):
    best, path = np.full(n + m, np.inf), {}
    best[source] = 0.0
    for _ in range(n + m):
        changed = False
        for i, t, j in arcs:
            x, y, cost = (n + j, i, scores[i, t]) if taken[i, t] else (i, n + j, -scores[i, t])
            if best[x] + cost < best[y] - 1e-12:
                best[y], path[y], changed = best[x] + cost, (x, (i, t)), True
        if not changed:
            break
    return best, path


def _duals(arcs, columns, scores, taken, room, n, m):
    """Distances to a sink behind the columns with room: they are optimal potentials."""
    load = np.bincount(columns[taken], minlength=m)
    far = 1.0 + 2 * (n + m) * np.abs(scores).max(initial=0.0)  # for columns with no way to it
    to_sink = np.concatenate([np.full(n, np.inf), np.where(load < room, 0.0, far)])
    for _ in range(n + m):
        for i, t, j in arcs:
            x, y, cost = (n + j, i, scores[i, t]) if taken[i, t] else (i, n + j, -scores[i, t])
            to_sink[x] = min(to_sink[x], to_sink[y] + cost)
    w, u = to_sink[n:], -to_sink[:n]
    for i in np.flatnonzero(~np.isfinite(u)):  # rows that take all they list
        u[i] = min((scores[i, t] - w[j] for r, t, j in arcs if r == i), default=0.0)
    return u, w
