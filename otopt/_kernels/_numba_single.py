"""Passes over rows that take one column each, which cost no more than calls of functions would."""

import numpy as np
from numba import njit

from ._numba_lanes import WORD, first_bit, largest_lead, reaching
from ._numba_rows import NONE, collect


@njit(cache=True, nogil=True)
def pass_single(S, price, nnz, reg, weight, load, diagonal, hessian):
    """Add loads and curvatures of sparsemax rows ``p = max((s - q - tau) / reg, 0)``; the value.

    Curvatures are added where there is room for them.
    """
    n, m = S.shape
    bound = np.empty(1, S.dtype)
    values, where = np.empty(m), np.empty(m, np.int64)
    value = 0.0
    for i in range(n):
        w = weight[i]
        if w == 0.0:
            continue
        high = np.float64(largest_lead(S, i, price))
        count = min(collect(S, i, price, high - reg, bound, values, where), nnz)
        used, total = 1, high
        while used < count and values[used] * used > total - reg:
            total += values[used]
            used += 1
        if used == 1:
            load[where[0]] += w
            value += w * (high - 0.5 * reg)
            continue
        tau = (total - reg) / used
        for a in range(used):
            p = (values[a] - tau) / reg
            load[where[a]] += w * p
            value += w * p * (values[a] - 0.5 * reg * p)
        share = w / (reg * used)
        if diagonal.shape[0] > 0:
            for a in range(used):
                diagonal[where[a]] += share * (used - 1)
        if hessian.shape[0] > 0:
            for a in range(used):
                for b in range(used):
                    hessian[where[a], where[b]] -= share
                hessian[where[a], where[a]] += w / reg
    return value


@njit(cache=True, nogil=True)
def route_single(S, q, price, weight, indices, load):
    """The best column of every row, the first of equal ones; add up loads, return the value."""
    n, m = S.shape
    value = 0.0
    for i in range(n):
        high = largest_lead(S, i, price)
        j = 0
        for first in range(0, m, WORD):
            word = reaching(S, i, price, first, high)
            if word != NONE:
                j = first + first_bit(word)
                break
        indices[i, 0] = j
        w = weight[i]
        load[j] += w
        value += w * (np.float64(S[i, j]) - np.float64(q[j]))
    return value
