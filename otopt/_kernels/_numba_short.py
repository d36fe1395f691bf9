"""Columns of a few hundred entries: read once, into a buffer, where a scan would stream."""

import numpy as np
from numba import njit

from ._numba_column import (
    entries_above,
    simplex_threshold,
    sort_entries,
    threshold_in_lanes,
    window_floor,
    write_column,
)
from ._numba_few import FEW, rank, scratch, sums
from ._numba_leaf import leaf

SIDE_BY_SIDE = 4


@leaf
def peaks(x, n):
    """Maxima of four parts of ``x[:n]``: chains of comparisons, which numba may not make of one."""
    m0 = m1 = m2 = m3 = -np.inf
    even = SIDE_BY_SIDE * (n // SIDE_BY_SIDE)
    for i in range(0, even, SIDE_BY_SIDE):
        m0 = x[i] if x[i] > m0 else m0
        m1 = x[i + 1] if x[i + 1] > m1 else m1
        m2 = x[i + 2] if x[i + 2] > m2 else m2
        m3 = x[i + 3] if x[i + 3] > m3 else m3
    for i in range(even, n):
        m0 = x[i] if x[i] > m0 else m0
    return m0, m1, m2, m3


@leaf
def largest(x, n):
    """Maximum of ``x[:n]``."""
    return max(*peaks(x, n))


@leaf
def _floor(x, n, window, width):
    """A level that the threshold of at most `width` of ``x[:n]`` is not below.

    That is the largest ``(sum of any r of them - window) / r``, r <= width.
    """
    m0, m1, m2, m3 = peaks(x, n)
    level = window_floor(max(m0, m1, m2, m3), window)
    if width >= SIDE_BY_SIDE:
        mean = 0.25 * ((m0 + m1) + (m2 + m3))
        level = max(level, window_floor(mean, window / SIDE_BY_SIDE))
    return level


@njit(cache=True)
def potentials(y, M, mass, reg):
    """`numba_cpu.simplex_potentials`."""
    n = M.shape[1]
    x, v, order = np.empty(n), np.empty(n), np.empty(n, np.int64)
    potential = np.empty(M.shape[0])
    for r in range(M.shape[0]):
        for i in range(n):
            x[i] = y[i] - M[r, i]
        window = mass[r] * reg
        count = entries_above(x, n, _floor(x, n, window, n), order, v)
        potential[r] = -threshold_in_lanes(v, count, window)
    return potential


@njit(cache=True)
def conjugates(alpha, Ct, b, k, reg, value, beta, rows, mass):
    """`numba_cpu.top_k_conjugate`, written to its results (m,), (m,), (m, k) and (m, k)."""
    n = Ct.shape[1]
    x = np.empty(n)
    v, order = scratch(n)
    for j in range(b.shape[0]):
        for i in range(n):
            x[i] = alpha[i] - Ct[j, i]
        # Without curvature a column puts its mass on one entry.
        window = b[j] * reg
        width = k[j] if reg > 0.0 else 1
        count = entries_above(x, n, _floor(x, n, window, width), order, v)
        if count <= FEW:
            rank(v, order, count, 0.0)
            count, theta = 1, v[0]
            if reg > 0.0:
                count = min(max(sums(v, window), 1), width)
                theta = (v[FEW + count] - window) / count
        else:
            if count > width:
                sort_entries(v, count, order)
                count = width
            theta = v[0]
            if reg > 0.0:
                theta = simplex_threshold(v, count, window)
        write_column(j, v, order, count, theta, b[j], reg, value, beta, rows, mass)
