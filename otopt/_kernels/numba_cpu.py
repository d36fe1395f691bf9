"""Kernels in numba: fused, one pass over the cost, no n x m temporaries."""

import numpy as np
from numba import get_num_threads, njit, prange, set_num_threads
from numba.core import config

from ._numba_column import simplex_threshold, solve_column, write_column
from ._numba_few import scratch
from ._numba_forest import (
    cancel_cycles,
    cheapest_in_rows,
    pivot_to_capacity,
    settle_on_forest,
)
from ._numba_lists import keep_centre, refill
from ._numba_newton import (
    assemble_dense,
    assemble_grouped,
    assemble_sparse,
    conjugate_gradient,
    connected_rows,
    curvature_coefficients,
    hessian_diagonal,
    hessian_product,
    list_entry_level,
    pack_support,
    row_entry_level,
)
from ._numba_scan import BLOCK, column_max, count_above, top_k
from ._numba_schur import column_system, row_step

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
def _conjugate_range(lo, hi, alpha, Ct, b, k, reg, value, beta, rows, mass):
    n = Ct.shape[1]
    room = min(n, 2 * rows.shape[1] + BLOCK)
    v = np.empty(room)
    idx = np.empty(room, np.int32)
    for j in range(lo, hi):
        # Without curvature a column puts its mass on one entry.
        width = k[j] if reg > 0.0 else 1
        window = b[j] * reg
        count = top_k(alpha, Ct[j], width, window, v, idx)
        theta = simplex_threshold(v, count, window) if reg > 0.0 else v[0]
        write_column(j, v, idx, count, theta, b[j], reg, value, beta, rows, mass)


@njit(cache=True, parallel=True)
def _conjugate_threads(chunks, alpha, Ct, b, k, reg, value, beta, rows, mass):
    m = Ct.shape[0]
    for w in prange(chunks):
        lo, hi = w * m // chunks, (w + 1) * m // chunks
        _conjugate_range(lo, hi, alpha, Ct, b, k, reg, value, beta, rows, mass)


def top_k_conjugate(alpha, Ct, b, k, reg, workers=1):
    m = len(b)
    most = int(k.max(initial=1))
    out = np.empty(m), np.empty(m), np.empty((m, most), np.int32), np.empty((m, most))
    if workers == 1:
        _conjugate_range(0, m, alpha, Ct, b, k, reg, *out)
    else:
        _in_threads(workers, _conjugate_threads, alpha, Ct, b, k, reg, *out)
    return out


@njit(cache=True)
def simplex_potentials(x, M, mass, reg):
    n = M.shape[1]
    v = np.empty(n)
    idx = np.empty(n, np.int32)
    potential = np.empty(M.shape[0])
    for r in range(M.shape[0]):
        count = top_k(x, M[r], n, mass[r] * reg, v, idx)
        potential[r] = -simplex_threshold(v, count, mass[r] * reg)
    return potential


@njit(cache=True)
def c_transform(x, M):
    transform = np.empty(M.shape[0])
    for r in range(M.shape[0]):
        transform[r] = -column_max(x, M[r])
    return transform


def cost_range(Ct):
    return float(Ct.min()), float(Ct.max())


def entries(Ct, columns, rows):
    return Ct[columns, rows]


def entry_slack(Ct, alpha, threshold, label, column_label):
    slack = np.full(len(alpha), np.inf)
    np.minimum.at(slack, label, row_entry_level(Ct, threshold, label, column_label) - alpha)
    return slack


def take_columns(Ct, sample):
    return np.ascontiguousarray(Ct[sample])


@njit(cache=True)
def cheapest_in_columns(alpha, Ct, count):
    m, n = Ct.shape
    v = np.empty(min(n, 2 * count + BLOCK))
    idx = np.empty(min(n, 2 * count + BLOCK), np.int32)
    where = np.empty((m, count), np.int32)
    for j in range(m):
        top_k(alpha, Ct[j], count, np.inf, v, idx)
        where[j] = idx[:count]
    return where


@njit(cache=True)
def _rebuild_list(j, level, alpha, c, lists, bv, bi, listed, final):
    """Refill list j with the entries above `level` less its margin; room it lacks, or 0.

    `listed` is scratch space, all False before and after.
    """
    n = alpha.shape[0]
    kept = keep_centre(j, lists, listed)
    reach = level - lists.margin[j] - 1e-14 * abs(level)
    found = 0
    likely = 0
    for lo in range(0, n, BLOCK):
        hi = min(lo + BLOCK, n)
        if count_above(alpha[lo:hi], c[lo:hi], reach) == 0:
            continue
        for i in range(lo, hi):
            x = alpha[i] - c[i]
            if x > reach and not listed[i]:
                bv[found] = x
                bi[found] = i
                found += 1
                likely += x >= level
    need = refill(j, found, likely, reach, final, lists, listed, bv, bi)
    for q in range(kept, lists.count[j]):
        lists.cost[j, q] = c[lists.rows[j, q]]
    return need


@njit(cache=True)
def _prox_range(lo, hi, alpha, rise, Ct, b, k, reg, mu, lists, columns, value, need):
    n = alpha.shape[0]
    x = np.empty(n)
    v, order = scratch(n)
    bv = np.empty(n)
    bi = np.empty(n, np.int32)
    listed = np.zeros(n, np.bool_)
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
            else:
                # One entry alone would have this threshold; more entries only raise it.
                level = column_max(alpha, Ct[j]) - (reg + mu) * b[j]
            need[j] = _rebuild_list(j, level, alpha, Ct[j], lists, bv, bi, listed, rebuilt)
            rebuilt = True
            if need[j] > 0:
                break


@njit(cache=True, parallel=True)
def _prox_threads(chunks, alpha, rise, Ct, b, k, reg, mu, lists, columns, value, need):
    m = b.shape[0]
    for w in prange(chunks):
        lo, hi = w * m // chunks, (w + 1) * m // chunks
        _prox_range(lo, hi, alpha, rise, Ct, b, k, reg, mu, lists, columns, value, need)


def prox_columns(alpha, rise, Ct, b, k, reg, mu, lists, columns, workers=1):
    m = len(b)
    value, need = np.empty(m), np.empty(m, np.int64)
    args = alpha, rise, Ct, b, k, reg, mu, lists, columns, value, need
    if workers == 1:
        _prox_range(0, m, *args)
    else:
        _in_threads(workers, _prox_threads, *args)
    return value, int(need.max(initial=0))


def _in_threads(workers, kernel, *args):
    before = get_num_threads()
    set_num_threads(min(workers, config.NUMBA_NUM_THREADS))  # pyright: ignore
    try:
        kernel(workers, *args)
    finally:
        set_num_threads(before)
