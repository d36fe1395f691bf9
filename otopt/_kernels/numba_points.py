"""Kernels for costs between points: distances on the fly, by branch and bound over a kd-tree.

``Ct`` is a `PointCost` here. What works on candidate lists alone is that of `numba_cpu`, which
also serves where ``Ct`` is an array (oracles on lists that are the whole cost). In many dimensions
boxes exclude little, and a scan becomes what it is for a matrix: every entry, leaf by leaf.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit

from . import numba_cpu
from ._numba_column import simplex_threshold, solve_column, write_column
from ._numba_few import scratch
from ._numba_lists import keep_centre, refill
from ._numba_scan import BLOCK
from ._numba_search import (
    node_planes,
    point_cost,
    search_above,
    search_farthest,
    search_largest,
    search_space,
    search_top,
    upper_bound,
)
from .numba_cpu import (
    assemble_dense,
    assemble_grouped,
    assemble_sparse,
    cancel_cycles,
    column_system,
    conjugate_gradient,
    connected_rows,
    curvature_coefficients,
    hessian_diagonal,
    hessian_product,
    list_entry_level,
    pack_support,
    pivot_to_capacity,
    row_step,
    settle_on_forest,
)

__all__ = [
    "assemble_dense",
    "assemble_grouped",
    "assemble_sparse",
    "c_transform",
    "cancel_cycles",
    "cheapest_in_columns",
    "cheapest_in_rows",
    "column_system",
    "conjugate_gradient",
    "connected_rows",
    "cost_range",
    "curvature_coefficients",
    "entries",
    "entry_slack",
    "hessian_diagonal",
    "hessian_product",
    "list_entry_level",
    "pack_support",
    "pivot_to_capacity",
    "prox_columns",
    "row_entry_level",
    "row_step",
    "settle_on_forest",
    "simplex_potentials",
    "take_columns",
    "top_k_conjugate",
]


@njit(cache=True)
def _query(cost, j):
    y = np.empty(cost.queries.points.shape[0])
    for t in range(y.shape[0]):
        y[t] = cost.queries.points[t, j]
    return y


@njit(cache=True, nogil=True)
def _conjugate_range(lo, hi, alpha, planes, cost, b, k, reg, value, beta, rows, mass):
    n = alpha.shape[0]
    room = min(n, 2 * rows.shape[1] + BLOCK)
    v = np.empty(room)
    idx = np.empty(room, np.int32)
    space = search_space()
    for j in range(lo, hi):
        # Without curvature a column puts its mass on one entry.
        width = k[j] if reg > 0.0 else 1
        window = b[j] * reg
        y = _query(cost, j)
        count = search_top(y, cost.points, cost.metric, alpha, planes, width, window, v, idx, space)
        theta = simplex_threshold(v, count, window) if reg > 0.0 else v[0]
        write_column(j, v, idx, count, theta, b[j], reg, value, beta, rows, mass)


def top_k_conjugate(alpha, Ct, b, k, reg, workers=1):
    m = len(b)
    most = int(k.max(initial=1))
    out = np.empty(m), np.empty(m), np.empty((m, most), np.int32), np.empty((m, most))
    args = alpha, node_planes(alpha, Ct.points), Ct, b, k, reg, *out
    _in_threads(workers, _conjugate_range, m, args)
    return out


@njit(cache=True)
def simplex_potentials(x, M, mass, reg):
    n = x.shape[0]
    v = np.empty(n)
    idx = np.empty(n, np.int32)
    planes = node_planes(x, M.points)
    space = search_space()
    potential = np.empty(mass.shape[0])
    for r in range(mass.shape[0]):
        window = mass[r] * reg
        count = search_top(_query(M, r), M.points, M.metric, x, planes, n, window, v, idx, space)
        potential[r] = -simplex_threshold(v, count, window)
    return potential


@njit(cache=True)
def c_transform(x, M):
    label = np.zeros(x.shape[0], np.int64)
    tag = np.zeros(M.points.low.shape[0], np.int64)
    planes = node_planes(x, M.points)
    space = search_space()
    rows = M.queries.points.shape[1]
    transform = np.empty(rows)
    for r in range(rows):
        y = _query(M, r)
        transform[r] = -search_largest(
            y, M.points, M.metric, x, planes, label, tag, -1, -np.inf, space
        )
    return transform


@njit(cache=True)
def _cheapest(alpha, Ct, count, sort):
    m, n = Ct.queries.points.shape[1], alpha.shape[0]
    v = np.empty(min(n, 2 * count + BLOCK))
    idx = np.empty(min(n, 2 * count + BLOCK), np.int32)
    planes = node_planes(alpha, Ct.points)
    space = search_space()
    where = np.empty((m, count), np.int32)
    for j in range(m):
        y = _query(Ct, j)
        search_top(y, Ct.points, Ct.metric, alpha, planes, count, np.inf, v, idx, space)
        if sort:
            where[j] = idx[np.argsort(-v[:count])]
        else:
            where[j] = idx[:count]
    return where


def cheapest_in_columns(alpha, Ct, count):
    return _cheapest(alpha, Ct, count, False)


def cheapest_in_rows(alpha, beta, Ct, count):
    # The potential of a row moves all of its entries alike.
    return _cheapest(beta, Ct.transposed, count, True)


@njit(cache=True)
def _common_labels(label, cloud):
    """Per node the label of all of its points, or -1 where they differ."""
    leaves = cloud.start.shape[0] - 1
    tag = np.empty(2 * leaves, np.int64)
    for leaf in range(leaves):
        lo, hi = cloud.start[leaf], cloud.start[leaf + 1]
        tag[leaves + leaf] = label[lo]
        for i in range(lo, hi):
            if label[i] != label[lo]:
                tag[leaves + leaf] = -1
    for node in range(leaves - 1, 0, -1):
        tag[node] = tag[2 * node] if tag[2 * node] == tag[2 * node + 1] else -1
    return tag


@njit(cache=True)
def _row_entry_level(M, threshold, label, column_label):
    tag = _common_labels(column_label, M.points)
    planes = node_planes(-threshold, M.points)
    space = search_space()
    level = np.empty(label.shape[0])
    for i in range(label.shape[0]):
        level[i] = -search_largest(
            _query(M, i), M.points, M.metric, -threshold, planes, column_label, tag, label[i],
            -np.inf, space,
        )  # fmt: skip
    return level


def row_entry_level(Ct, threshold, label, column_label):
    return _row_entry_level(Ct.transposed, threshold, label, column_label)


@njit(cache=True)
def _entry_slack(M, alpha, threshold, label, column_label):
    tag = _common_labels(column_label, M.points)
    w = -threshold
    planes = node_planes(w, M.points)
    space = search_space()
    slack = np.full(label.shape[0], np.inf)
    for i in range(label.shape[0]):
        own = label[i]
        # Only a row that comes closer than those of its label before it is of interest.
        floor = -(slack[own] + alpha[i])
        best = search_largest(
            _query(M, i), M.points, M.metric, w, planes, column_label, tag, own, floor, space
        )
        if best > floor:
            slack[own] = min(slack[own], -best - alpha[i])
    return slack


def entry_slack(Ct, alpha, threshold, label, column_label):
    return _entry_slack(Ct.transposed, alpha, threshold, label, column_label)


def take_columns(Ct, sample):
    # Boxes of the queries are not looked at in scans of columns.
    chosen = np.ascontiguousarray(Ct.queries.points[:, sample])
    return Ct._replace(queries=Ct.queries._replace(points=chosen))


@njit(cache=True)
def _entries(Ct, columns, rows):
    values = np.empty(len(columns))
    for e in range(len(columns)):
        values[e] = point_cost(Ct.points.points, rows[e], Ct.queries.points, columns[e], Ct.metric)
    return values


def entries(Ct, columns, rows):
    columns, rows = np.broadcast_arrays(columns, rows)
    flat = _entries(Ct, columns.astype(np.int64).ravel(), rows.astype(np.int64).ravel())
    return flat.reshape(rows.shape)


@njit(cache=True)
def cost_range(Ct):
    zeros = np.zeros(Ct.points.points.shape[1])
    label = np.zeros(zeros.shape[0], np.int64)
    tag = np.zeros(Ct.points.low.shape[0], np.int64)
    planes = node_planes(zeros, Ct.points)
    space = search_space()
    low, high = np.inf, 0.0
    for j in range(Ct.queries.points.shape[1]):
        y = _query(Ct, j)
        high = search_farthest(y, Ct.points, Ct.metric, high, space)
        if -upper_bound(y, Ct.points, 1, Ct.metric, planes) < low:
            nearest = -search_largest(
                y, Ct.points, Ct.metric, zeros, planes, label, tag, -1, -np.inf, space
            )
            low = min(low, nearest)
    return low, high


@njit(cache=True)
def _rebuild_list(j, level, alpha, planes, cost, y, lists, bv, bi, listed, final, space):
    """As that of `numba_cpu`; only the scan differs."""
    kept = keep_centre(j, lists, listed)
    reach = level - lists.margin[j] - 1e-14 * abs(level)
    above = search_above(y, cost.points, cost.metric, alpha, planes, reach, bv, bi, space)
    found = 0
    likely = 0
    for q in range(above):
        if not listed[bi[q]]:
            bv[found] = bv[q]
            bi[found] = bi[q]
            likely += bv[q] >= level
            found += 1
    need = refill(j, found, likely, reach, final, lists, listed, bv, bi)
    for q in range(kept, lists.count[j]):
        lists.cost[j, q] = point_cost(
            cost.points.points, lists.rows[j, q], cost.queries.points, j, cost.metric
        )
    return need


# Written out as in `numba_cpu`: with a function for what they share both are a tenth slower.
@njit(cache=True, nogil=True)
def _prox_range(lo, hi, alpha, planes, rise, cost, b, k, reg, mu, lists, columns, value, need):
    n = alpha.shape[0]
    x = np.empty(n)
    v, order = scratch(n)
    bv = np.empty(n)
    bi = np.empty(n, np.int32)
    listed = np.zeros(n, np.bool_)
    space = search_space()
    no_label, no_tag = np.zeros(n, np.int64), np.zeros(planes[0].shape[0], np.int64)
    resolution = 1e-14 * np.abs(alpha).max()
    for j in range(lo, hi):
        lists.bound[j] += rise
        need[j] = 0
        level = -np.inf
        rebuilt = False
        while True:
            count = lists.count[j]
            if count > 0:
                top = -np.inf
                for q in range(count):
                    x[q] = alpha[lists.rows[j, q]] - lists.cost[j, q] + mu * lists.centre[j, q]
                    top = x[q] if x[q] > top else top
                p, e, level, value[j] = solve_column(
                    x, count, top, columns.depth[j], b[j], k[j], reg, mu, v, order,
                    columns.mass[j], columns.kind[j],
                )  # fmt: skip
                if not (level + resolution < lists.bound[j]):
                    columns.heads[j] = p
                    columns.ties[j] = e
                    columns.threshold[j] = level
                    columns.depth[j] = top - level
                    break
                y = _query(cost, j)
            else:
                # One entry alone would have this threshold; more entries only raise it.
                y = _query(cost, j)
                largest = search_largest(
                    y, cost.points, cost.metric, alpha, planes, no_label, no_tag, -1, -np.inf, space
                )
                level = largest - (reg + mu) * b[j]
            need[j] = _rebuild_list(
                j, level, alpha, planes, cost, y, lists, bv, bi, listed, rebuilt, space
            )
            rebuilt = True
            if need[j] > 0:
                break


def prox_columns(alpha, rise, Ct, b, k, reg, mu, lists, columns, workers=1):
    if isinstance(Ct, np.ndarray):  # lists that are the whole cost
        return numba_cpu.prox_columns(alpha, rise, Ct, b, k, reg, mu, lists, columns, workers)
    m = len(b)
    value, need = np.empty(m), np.empty(m, np.int64)
    planes = node_planes(alpha, Ct.points)
    args = alpha, planes, rise, Ct, b, k, reg, mu, lists, columns, value, need
    _in_threads(workers, _prox_range, m, args)
    return value, int(need.max())


def _in_threads(workers, kernel, m, args):
    # Threads of Python's own: numba's do not take a struct of structs.
    if workers == 1:
        kernel(0, m, *args)
        return
    with ThreadPoolExecutor(workers) as pool:
        cuts = [w * m // workers for w in range(workers + 1)]
        list(pool.map(lambda lo, hi: kernel(lo, hi, *args), cuts[:-1], cuts[1:]))
