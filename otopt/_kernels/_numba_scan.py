"""Streaming selection of the largest entries of a column of `alpha - c`."""

import numpy as np
from numba import njit

from ._numba_column import window_floor

# Scanned block: short enough to stay in L1, long enough for the vector units.
BLOCK = 128


@njit(cache=True)
def count_above(alpha, c, level):
    """Number of i with ``alpha[i] - c[i] > level``.

    An integer reduction over two slices is what LLVM turns into vector code at memory
    bandwidth; maxima and gathered indices are not vectorised.
    """
    total = 0
    for i in range(alpha.shape[0]):
        total += (alpha[i] - c[i]) > level
    return total


@njit(cache=True)
def column_max(alpha, c):
    """Maximum of ``alpha - c``; only blocks that beat the running maximum are read twice."""
    n = alpha.shape[0]
    best = -np.inf
    for i in range(0, n, max(1, n // 64)):
        best = max(best, alpha[i] - c[i])
    for lo in range(0, n, BLOCK):
        hi = min(lo + BLOCK, n)
        if count_above(alpha[lo:hi], c[lo:hi], best) > 0:
            for i in range(lo, hi):
                best = max(best, alpha[i] - c[i])
    return best


@njit(cache=True)
def select_largest(v, idx, n, k):
    """Partition ``(v, idx)[:n]`` in place so that the k largest come first (quickselect)."""
    lo = 0
    hi = n - 1
    while lo < hi:
        first, middle, last = v[lo], v[(lo + hi) >> 1], v[hi]
        pivot = max(min(first, middle), min(max(first, middle), last))
        i = lo
        j = hi
        while i <= j:
            while v[i] > pivot:
                i += 1
            while v[j] < pivot:
                j -= 1
            if i <= j:
                v[i], v[j] = v[j], v[i]
                idx[i], idx[j] = idx[j], idx[i]
                i += 1
                j -= 1
        if k - 1 <= j:
            hi = j
        elif k - 1 >= i:
            lo = i
        else:
            return


@njit(cache=True)
def keep_above(v, idx, n, level):
    kept = 0
    for q in range(n):
        if v[q] > level:
            v[kept] = v[q]
            idx[kept] = idx[q]
            kept += 1
    return kept


@njit(cache=True)
def top_k(alpha, c, k, window, v, idx):
    """Write the k largest ``alpha - c`` above ``max - window`` to `v`, `idx`; return how many.

    `v` and `idx` hold ``min(n, 2 k + BLOCK)`` entries: a buffer that is compacted by quickselect
    when full, so an append costs O(1) amortised.
    """
    n = alpha.shape[0]
    capacity = v.shape[0]
    largest = -np.inf
    for i in range(0, n, max(1, n // 32)):
        largest = max(largest, alpha[i] - c[i])
    level = window_floor(largest, window)
    count = 0
    for lo in range(0, n, BLOCK):
        hi = min(lo + BLOCK, n)
        if count_above(alpha[lo:hi], c[lo:hi], level) == 0:
            continue
        if count + (hi - lo) > capacity:
            count = keep_above(v, idx, count, level)
            if count > k:
                select_largest(v, idx, count, k)
                count = k
                level = max(level, v[:k].min())
        for i in range(lo, hi):
            x = alpha[i] - c[i]
            if x > level:
                if k == 1:
                    count = 0
                    level = x
                elif x > largest:
                    largest = x
                    level = max(level, window_floor(x, window))
                v[count] = x
                idx[count] = i
                count += 1
    if k > 1:
        count = keep_above(v, idx, count, window_floor(largest, window))
    if count > k:
        select_largest(v, idx, count, k)
        count = k
    return count
