"""The largest entries of every row, in order."""

import numpy as np
from numba import njit

from ._numba_rows import collect, group_count, reached


@njit(cache=True, nogil=True)
def top_of_rows(S, count):
    """Columns and values of the `count` largest entries of every row, largest first."""
    n, m = S.shape
    columns = np.empty((n, count), np.int64)
    scores = np.empty((n, count))
    price = np.zeros(m, S.dtype)
    top = np.empty(group_count(m), S.dtype)
    best, bound = np.empty(count, S.dtype), np.empty(1, S.dtype)
    for i in range(n):
        level = reached(S, i, price, count, top, best)
        collect(S, i, price, level, bound, scores[i], columns[i])
    return columns, scores
