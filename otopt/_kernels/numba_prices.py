"""Kernels of `solve_prices` in numba; the contract is in the docstring of `otopt._kernels`."""

import numpy as np
from numba import njit

from ._numba_bmatch import match_lists
from ._numba_exp import exp32
from ._numba_places import places, repair
from ._numba_rows import capped_level, collect, fold, group_count, reached
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
    top = np.empty(group_count(m), S.dtype)
    best = np.empty(k, S.dtype)
    values = np.empty(m)
    where = np.empty(m, np.int64)
    value = 0.0
    for i in range(n):
        w = weight[i]
        if w == 0.0:
            continue
        fold(S[i], price, top)
        level = reached(top, k, best)
        count = min(collect(S[i], price, top, level - reg, values, where), nnz)
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
    top = np.empty(group_count(m), S.dtype)
    best = np.empty(k, S.dtype)
    values = np.empty(k)
    value = 0.0
    for i in range(n):
        fold(S[i], price, top)
        collect(S[i], price, top, reached(top, k, best), values, indices[i])
        w = weight[i]
        if w == 0.0:
            continue
        for a in range(k):
            j = indices[i, a]
            load[j] += w
            value += w * (np.float64(S[i, j]) - np.float64(q[j]))
    return indices, value, load


@njit(cache=True, nogil=True)
def gibbs_rows(S, shift, reg, weight):
    """``exp((s_i - shift) / reg)`` over its largest entry, float32; 0 in rows without mass."""
    n, m = S.shape
    E = np.zeros((n, m), np.float32)
    row = np.empty(m, np.float32)
    top = np.empty(group_count(m), np.float32)
    zero = np.zeros(m, np.float32)
    scale = np.float32(1.0 / reg)
    for i in range(n):
        if weight[i] == 0.0:
            continue
        s = S[i]
        for j in range(m):
            row[j] = np.float32(s[j] - shift[j])
        fold(row, zero, top)
        high = top[0]
        for g in range(1, top.shape[0]):
            high = max(high, top[g])
        out = E[i]
        for j in range(m):
            x = exp32((row[j] - high) * scale)
            out[j] = x if x > NOTHING else ZERO  # denormal products would be slow
    return E
