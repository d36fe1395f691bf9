"""Kernels of `solve_prices` in numba; the contract is in the docstring of `otopt._kernels`."""

import numpy as np
from numba import njit

from ._numba_bmatch import match_lists
from ._numba_exp import exp32
from ._numba_lanes import largest_lead
from ._numba_places import places, repair
from ._numba_rows import capped_level, collect, group_count, reached
from ._numba_single import pass_single, route_single
from ._numba_top import top_of_rows

NOTHING, ZERO = np.float32(1e-25), np.float32(0.0)

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


@njit(cache=True, nogil=True)
def score_moments(S, weight):
    """Mass, and weighted sums of the scores and of their squares by column."""
    n, m = S.shape
    sums = np.zeros(m)
    squares = np.zeros(m)
    total = 0.0
    for i in range(n):
        w = weight[i]
        if w == 0.0:
            continue
        total += w
        row = S[i]
        for j in range(m):
            x = np.float64(row[j])
            sums[j] += w * x
            squares[j] += w * x * x
    return total, sums, squares


@njit(cache=True, nogil=True)
def price_pass(S, q, k, nnz, reg, weight, curvature):
    """Value, loads and curvature of the smoothed dual."""
    n, m = S.shape
    load = np.zeros(m)
    diagonal = np.zeros(m if curvature >= 1 else 0)
    hessian = np.zeros((m, m) if curvature == 2 else (0, 0))
    price = q.astype(S.dtype)
    if k == 1 and m > 1:
        value = pass_single(S, price, nnz, reg, weight, load, diagonal, hessian)
        return value, load, diagonal, hessian
    top = np.empty(group_count(m), S.dtype)
    best, bound = np.empty(k, S.dtype), np.empty(1, S.dtype)
    values = np.empty(m)
    where = np.empty(m, np.int64)
    value = 0.0
    for i in range(n):
        w = weight[i]
        if w == 0.0:
            continue
        level = reached(S, i, price, k, top, best)
        count = min(collect(S, i, price, level - reg, bound, values, where), nnz)
        tau, full, used = capped_level(values, count, k, reg)
        for a in range(full):
            load[where[a]] += w
            value += w * (values[a] - 0.5 * reg)
        for a in range(full, used):
            p = (values[a] - tau) / reg
            load[where[a]] += w * p
            value += w * p * (values[a] - 0.5 * reg * p)
        free = used - full
        if free < 2 or curvature == 0:
            continue
        share = w / (reg * free)
        for a in range(full, used):
            diagonal[where[a]] += share * (free - 1)
        if curvature == 2:
            for a in range(full, used):
                for b in range(full, used):
                    hessian[where[a], where[b]] -= share
                hessian[where[a], where[a]] += w / reg
    return value, load, diagonal, hessian


@njit(cache=True, nogil=True)
def route(S, q, k, weight):
    """The k best of every row, the value of that rule and its loads."""
    n, m = S.shape
    indices = np.empty((n, k), np.int64)
    load = np.zeros(m)
    price = q.astype(S.dtype)
    if k == 1:
        value = route_single(S, q, price, weight, indices, load)
        return indices, value, load
    top = np.empty(group_count(m), S.dtype)
    best, bound = np.empty(k, S.dtype), np.empty(1, S.dtype)
    values, where = np.empty(k), np.empty(k, np.int64)
    value = 0.0
    for i in range(n):
        level = reached(S, i, price, k, top, best)
        collect(S, i, price, level, bound, values, where)
        w = weight[i]
        for a in range(k):
            j = where[a]
            indices[i, a] = j
            if w == 0.0:
                continue
            load[j] += w
            value += w * (np.float64(S[i, j]) - np.float64(q[j]))
    return indices, value, load


@njit(cache=True, nogil=True)
def gibbs_rows(S, shift, reg, weight):
    """``exp((s_i - shift) / reg)`` over its largest entry, float32; 0 in rows without mass."""
    n, m = S.shape
    E = np.zeros((n, m), np.float32)
    price = shift.astype(S.dtype)
    scale = np.float32(1.0 / reg)
    for i in range(n):
        if weight[i] == 0.0:
            continue
        s, out = S[i], E[i]
        high = np.float32(largest_lead(S, i, price))
        for j in range(m):
            x = exp32((np.float32(s[j] - price[j]) - high) * scale)
            out[j] = x if x > NOTHING else ZERO  # denormal products would be slow
    return E
