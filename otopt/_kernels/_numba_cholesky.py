"""Dense Cholesky for the small systems of a compiled solve: no call leaves compiled code."""

import numpy as np
from numba import njit

BLOCK = 4  # pivots whose rows are subtracted together: one pass over the rest for all of them


@njit(cache=True)
def cholesky_solve(H, g):
    """Solve H d = g by Cholesky, H overwritten by its factor; d and whether H is positive definite.

    Reads the upper triangle. Row operations on contiguous rows, which are vectorised without
    reordering any sum; rows without a coupling cost nothing.
    """
    n = g.shape[0]
    d = g.copy()
    for lo in range(0, n, BLOCK):
        hi = min(lo + BLOCK, n)
        for i in range(lo, hi):
            row = H[i]
            pivot = row[i]
            if not (pivot > 0.0 and pivot < np.inf):
                return d, False
            scale = 1.0 / np.sqrt(pivot)
            for j in range(i, n):
                row[j] *= scale
            d[i] *= scale
            for r in range(i + 1, hi):
                _subtract(H[r], row, row[r], r)
                d[r] -= row[r] * d[i]
        if hi - lo < BLOCK:
            break
        for r in range(hi, n):
            f0, f1, f2, f3 = H[lo, r], H[lo + 1, r], H[lo + 2, r], H[lo + 3, r]
            if f0 == 0.0 and f1 == 0.0 and f2 == 0.0 and f3 == 0.0:
                continue
            other, r0, r1, r2, r3 = H[r, r:], H[lo, r:], H[lo + 1, r:], H[lo + 2, r:], H[lo + 3, r:]
            for j in range(n - r):
                other[j] -= (f0 * r0[j] + f1 * r1[j]) + (f2 * r2[j] + f3 * r3[j])
            d[r] -= (f0 * d[lo] + f1 * d[lo + 1]) + (f2 * d[lo + 2] + f3 * d[lo + 3])
    for i in range(n - 1, -1, -1):
        row = H[i]
        total = d[i]
        for j in range(i + 1, n):
            total -= row[j] * d[j]
        d[i] = total / row[i]
        if not np.isfinite(d[i]):
            return d, False
    return d, True


@njit(cache=True)
def _subtract(other, row, factor, first):
    if factor != 0.0:
        for j in range(first, row.shape[0]):
            other[j] -= factor * row[j]
