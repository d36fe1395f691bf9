"""The Newton system with the rows eliminated: unknowns for the heads and for the ties of columns.

A column's masses move by ``A (d_i + u_h)`` on heads and ``M (d_i + u_t)`` on ties, where the
shifts u keep its mass and, with f = k - heads free slots, its cardinality:

    A sum_H d + A p u_h + f/reg (u_h - u_t) = 0,   M sum_T d + M e u_t - f/reg (u_h - u_t) = 0

(without heads or without ties there is one shift, and no price). For fixed u the rows decouple:
``diagonal * d = g - sum (A u_h or M u_t)`` over the columns of the row.
"""

import numpy as np
from numba import njit

from ._numba_column import HEAD
from ._numba_newton import entries_by_row


@njit(cache=True)
def _unknowns(heads, ties):
    """Index of the first unknown of every column; columns have one or two."""
    first = np.zeros(heads.shape[0] + 1, np.int64)
    for j in range(heads.shape[0]):
        first[j + 1] = first[j] + (heads[j] > 0) + (ties[j] > 0)
    return first


@njit(cache=True)
def _entry_unknowns(start, kind, heads, first):
    """The unknown that moves each entry of the support."""
    unknown = np.empty(start[-1], np.int64)
    for j in range(start.shape[0] - 1):
        for q in range(start[j], start[j + 1]):
            unknown[q] = first[j] + (kind[q] != HEAD and heads[j] > 0)
    return unknown


@njit(cache=True)
def column_system(start, rows, kind, heads, ties, k, reg, A, M, shift, g):
    n = g.shape[0]
    first = _unknowns(heads, ties)
    unknown = _entry_unknowns(start, kind, heads, first)
    size = first[-1]
    diagonal = np.full(n, shift)
    for q in range(start[-1]):
        diagonal[rows[q]] += A if kind[q] == HEAD else M
    begin, _, place = entries_by_row(start, rows, n)

    S = np.zeros((size, size))
    r = np.zeros(size)
    for j in range(heads.shape[0]):
        if heads[j] > 0 and ties[j] > 0:
            h, t = first[j], first[j] + 1
            price = (k[j] - heads[j]) / reg
            S[h, h] += price
            S[t, t] += price
            S[h, t] -= price
            S[t, h] -= price
    for i in range(n):
        for p in range(begin[i], begin[i + 1]):
            q = place[p]
            u = unknown[q]
            own = A if kind[q] == HEAD else M
            r[u] -= own * g[i] / diagonal[i]
            rest = shift  # diagonal[i] - own, without the cancellation
            for other in range(begin[i], begin[i + 1]):
                w = place[other]
                if w == q:
                    continue
                weight = A if kind[w] == HEAD else M
                rest += weight
                S[u, unknown[w]] -= own * weight / diagonal[i]
            S[u, u] += own * rest / diagonal[i]
    return S, r, diagonal


@njit(cache=True)
def row_step(start, rows, kind, heads, ties, A, M, diagonal, g, u):
    first = _unknowns(heads, ties)
    unknown = _entry_unknowns(start, kind, heads, first)
    d = g.copy()
    for q in range(start[-1]):
        d[rows[q]] -= (A if kind[q] == HEAD else M) * u[unknown[q]]
    return d / diagonal
