"""Dense Cholesky for the small systems of a compiled solve: no call leaves compiled code."""

import numpy as np
from numba import njit


@njit(cache=True)
def cholesky_solve(H, g):
    """Solve H d = g by Cholesky, H overwritten by its factor; d and whether H is positive definite.

    Reads the upper triangle. Row operations on contiguous rows, which are vectorised without
    reordering any sum; rows without a coupling cost nothing.
    """
    n = g.shape[0]
    d = g.copy()
    for i in range(n):
        pivot = H[i, i]
        if not (pivot > 0.0 and pivot < np.inf):
            return d, False
        row = H[i]
        scale = 1.0 / np.sqrt(pivot)
        for j in range(i, n):
            row[j] *= scale
        d[i] *= scale
        for r in range(i + 1, n):
            factor = row[r]
            if factor != 0.0:
                other = H[r]
                for j in range(r, n):
                    other[j] -= factor * row[j]
                d[r] -= factor * d[i]
    for i in range(n - 1, -1, -1):
        row = H[i]
        total = d[i]
        for j in range(i + 1, n):
            total -= row[j] * d[j]
        d[i] = total / row[i]
        if not np.isfinite(d[i]):
            return d, False
    return d, True
