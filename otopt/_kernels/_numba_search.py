"""Branch and bound over a cloud: the entries ``w_i - c(y, p_i)`` that are large enough.

Bounds of boxes are raised by more than their rounding error: pruning is exact, to the last bit.
"""

import numpy as np
from numba import njit

from ._numba_column import keep_above, window_floor
from ._numba_scan import BLOCK, select_largest

SQEUCLIDEAN, EUCLIDEAN, COSINE = 0, 1, 2
SLACK = 1e-14  # more than the rounding error of a bound, relative to its terms
STEEPEST = 8  # dimensions


@njit(cache=True)
def _of_square(square, metric):
    """The cost from the squared Euclidean distance; cosine is that of unit vectors."""
    if metric == EUCLIDEAN:
        return np.sqrt(square)
    return 0.5 * square if metric == COSINE else square


@njit(cache=True)
def point_cost(X, i, Y, j, metric):
    square = 0.0
    for t in range(X.shape[0]):
        gap = np.float64(X[t, i]) - np.float64(Y[t, j])
        square += gap * gap
    return _of_square(square, metric)


@njit(cache=True)
def upper_bound(y, cloud, node, metric, planes):
    """An upper bound of ``w - c(y, .)`` over the points of a node; see `node_planes`."""
    peak, slope = planes
    d = y.shape[0]
    size = abs(peak[node])  # of the terms: rounding errors are a multiple of it
    if metric != EUCLIDEAN:
        share = 0.5 if metric == COSINE else 1.0
        best = 0.0
        for t in range(d):
            low, high, g = cloud.low[node, t], cloud.high[node, t], slope[node, t]
            x = min(max(y[t] + 0.5 * g / share, low), high)
            tilt = g * (x - 0.5 * (low + high))
            square = share * (x - y[t]) ** 2
            best += tilt - square
            size += abs(tilt) + square
        return peak[node] + best + SLACK * size
    # -|x - y| <= -u.(x - y) for every unit vector u; here that towards the centre.
    distance = 0.0
    nearest = 0.0
    for t in range(d):
        low, high = cloud.low[node, t], cloud.high[node, t]
        distance += (0.5 * (low + high) - y[t]) ** 2
        nearest += max(low - y[t], y[t] - high, 0.0) ** 2
    distance, nearest = np.sqrt(distance), np.sqrt(nearest)
    along = -distance
    apart = -nearest
    for t in range(d):
        low, high, g = cloud.low[node, t], cloud.high[node, t], slope[node, t]
        half = 0.5 * (high - low)
        u = (0.5 * (low + high) - y[t]) / distance if distance > 0.0 else 0.0
        along += abs(g - u) * half
        apart += abs(g) * half
        size += (abs(g) + 1.0) * half
    size += distance
    best = apart if distance == 0.0 else min(along, apart)
    return peak[node] + best + SLACK * size


@njit(cache=True)
def farthest_in_box(y, cloud, node, metric):
    square = 0.0
    for t in range(y.shape[0]):
        gap = max(y[t] - cloud.low[node, t], cloud.high[node, t] - y[t])
        square += gap * gap
    return _of_square(square, metric)


@njit(cache=True)
def leaf_costs(y, X, lo, hi, metric, c):
    """Write the costs of the points lo..hi-1 to `c`."""
    size = hi - lo
    c[:size] = 0.0
    for t in range(y.shape[0]):  # dimensions outside: the inner loop is vector code
        yt = y[t]
        x = X[t, lo:hi]
        for q in range(size):
            gap = x[q] - yt
            c[q] += gap * gap
    if metric != SQEUCLIDEAN:
        for q in range(size):
            c[q] = _of_square(c[q], metric)


@njit(cache=True)
def _solve_small(S, g):
    """Solve S g = g in place, S symmetric positive definite, by elimination."""
    d = g.shape[0]
    for p in range(d):
        for r in range(p + 1, d):
            factor = S[r, p] / S[p, p]
            for t in range(p, d):
                S[r, t] -= factor * S[p, t]
            g[r] -= factor * g[p]
    for p in range(d - 1, -1, -1):
        for t in range(p + 1, d):
            g[p] -= S[p, t] * g[t]
        g[p] /= S[p, p]


@njit(cache=True)
def node_planes(w, cloud):
    """Per node a plane above the w of its points: peak (nodes,) at the centre, slope (nodes, d).

    The slope is that of a least-squares fit. Near an optimum w falls or rises as fast as the cost
    of the points that matter does: without slopes a box would bound little. In more than
    STEEPEST dimensions, where boxes bound little anyway, slopes are 0.
    """
    X, start = cloud.points, cloud.start
    d = X.shape[0]
    leaves = start.shape[0] - 1
    peak = np.full(2 * leaves, -np.inf)
    slope = np.zeros((2 * leaves, d))
    centre = np.empty(d)
    mean = np.empty(d)
    S = np.empty((d, d))
    leaves_below = 1
    first = leaves
    while first > 0:
        for node in range(first, 2 * first):
            lo = start[(node - first) * leaves_below]
            hi = start[(node - first + 1) * leaves_below]
            g = slope[node]
            for t in range(d):
                centre[t] = 0.5 * (cloud.low[node, t] + cloud.high[node, t])
            if d <= STEEPEST and hi - lo > d:
                S[:] = 0.0
                mean[:] = 0.0
                level = 0.0
                for i in range(lo, hi):
                    level += w[i]
                    for t in range(d):
                        mean[t] += X[t, i]
                mean /= hi - lo
                level /= hi - lo
                for i in range(lo, hi):
                    for t in range(d):
                        gap = X[t, i] - mean[t]
                        g[t] += (w[i] - level) * gap
                        for r in range(t + 1):
                            S[t, r] += gap * (X[r, i] - mean[r])
                trace = 0.0
                for t in range(d):
                    trace += S[t, t]
                    for r in range(t):
                        S[r, t] = S[t, r]
                if trace > 0.0:
                    for t in range(d):
                        S[t, t] += 1e-6 * trace
                    _solve_small(S, g)
                for t in range(d):
                    if not abs(g[t]) < 1e100:
                        g[:] = 0.0
                        break
            for i in range(lo, hi):
                height = w[i]
                for t in range(d):
                    height -= g[t] * (X[t, i] - centre[t])
                peak[node] = max(peak[node], height)
        first //= 2
        leaves_below *= 2
    return peak, slope


@njit(cache=True)
def search_space():
    """Scratch: costs of a leaf, and a stack of nodes with their bounds (twice any tree's depth)."""
    return np.empty(BLOCK), np.empty(128, np.int64), np.empty(128)


@njit(cache=True)
def push_children(y, cloud, node, metric, planes, level, nodes, bounds, size):
    """Stack the children that can exceed `level`, the better one on top; the new size."""
    left, right = 2 * node, 2 * node + 1
    on_left = upper_bound(y, cloud, left, metric, planes)
    on_right = upper_bound(y, cloud, right, metric, planes)
    if on_left > on_right:
        left, right = right, left
        on_left, on_right = on_right, on_left
    if on_left > level:
        nodes[size], bounds[size] = left, on_left
        size += 1
    if on_right > level:
        nodes[size], bounds[size] = right, on_right
        size += 1
    return size


@njit(cache=True)
def next_leaf(y, cloud, metric, planes, level, size, space):
    """Costs of the next leaf that may hold ``w - c > level``: nodes left, its points lo to hi - 1.

    There is none where the number of nodes is -1.
    """
    c, nodes, bounds = space
    leaves = cloud.start.shape[0] - 1
    while size > 0:
        size -= 1
        if bounds[size] <= level:
            continue
        node = nodes[size]
        if node < leaves:
            size = push_children(y, cloud, node, metric, planes, level, nodes, bounds, size)
            continue
        lo, hi = cloud.start[node - leaves], cloud.start[node - leaves + 1]
        leaf_costs(y, cloud.points, lo, hi, metric, c)
        return size, lo, hi
    return -1, 0, 0


@njit(cache=True)
def search_top(y, cloud, metric, w, planes, k, window, v, idx, space):
    """Write the k largest ``w - c`` above ``max - window`` to `v`, `idx`; return how many.

    As `top_k`; `v` and `idx` hold ``min(n, 2 k + BLOCK)`` entries.
    """
    c, nodes, bounds = space
    level = -np.inf
    largest = -np.inf
    count = 0
    nodes[0], bounds[0] = 1, np.inf
    size, lo, hi = next_leaf(y, cloud, metric, planes, level, 1, space)
    while size >= 0:
        for q in range(hi - lo):
            x = w[lo + q] - c[q]
            if x > level:
                if k == 1:
                    count = 0
                    level = x
                elif x > largest:
                    largest = x
                    level = max(level, window_floor(x, window))
                v[count] = x
                idx[count] = lo + q
                count += 1
        if count >= k + k // 2 + 1:
            # Not those above `level`: of equal entries, the k-th largest may be at it.
            count = keep_above(v, idx, count, window_floor(largest, window))
            if count > k:
                select_largest(v, idx, count, k)
                count = k
                level = max(level, v[:k].min())
        size, lo, hi = next_leaf(y, cloud, metric, planes, level, size, space)
    if k > 1:
        count = keep_above(v, idx, count, window_floor(largest, window))
    if count > k:
        select_largest(v, idx, count, k)
        count = k
    return count


@njit(cache=True)
def search_above(y, cloud, metric, w, planes, level, v, idx, space):
    """Write every ``w - c > level`` to `v`, `idx`; return how many."""
    c, nodes, bounds = space
    count = 0
    nodes[0], bounds[0] = 1, np.inf
    size, lo, hi = next_leaf(y, cloud, metric, planes, level, 1, space)
    while size >= 0:
        for q in range(hi - lo):
            x = w[lo + q] - c[q]
            if x > level:
                v[count] = x
                idx[count] = lo + q
                count += 1
        size, lo, hi = next_leaf(y, cloud, metric, planes, level, size, space)
    return count


@njit(cache=True)
def search_largest(y, cloud, metric, w, planes, label, tag, own, best, space):
    """The largest ``w - c`` over the points whose label is not `own`, or `best` if that is larger.

    `tag` holds the label that all points of a node have, or -1 where they differ.
    """
    c, nodes, bounds = space
    leaves = cloud.start.shape[0] - 1
    nodes[0], bounds[0], size = 1, np.inf, 1
    while size > 0:
        size -= 1
        node = nodes[size]
        if bounds[size] <= best or tag[node] == own:
            continue
        if node < leaves:
            size = push_children(y, cloud, node, metric, planes, best, nodes, bounds, size)
            continue
        lo, hi = cloud.start[node - leaves], cloud.start[node - leaves + 1]
        leaf_costs(y, cloud.points, lo, hi, metric, c)
        for q in range(hi - lo):
            x = w[lo + q] - c[q]
            if x > best and label[lo + q] != own:
                best = x
    return best


@njit(cache=True)
def search_farthest(y, cloud, metric, best, space):
    """The larger of `best` and the largest cost."""
    c, nodes, _ = space
    leaves = cloud.start.shape[0] - 1
    nodes[0], size = 1, 1
    while size > 0:
        size -= 1
        node = nodes[size]
        if farthest_in_box(y, cloud, node, metric) <= best:
            continue
        if node < leaves:
            nodes[size], nodes[size + 1] = 2 * node, 2 * node + 1
            size += 2
            continue
        lo, hi = cloud.start[node - leaves], cloud.start[node - leaves + 1]
        leaf_costs(y, cloud.points, lo, hi, metric, c)
        best = max(best, c[: hi - lo].max())
    return best
