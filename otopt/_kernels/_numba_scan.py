"""Streaming selection of the largest entries of a column of `alpha - c`."""

import numpy as np
from numba import njit

from ._numba_column import keep_above, window_floor
from ._numba_prefetch import prefetch

# Scanned block: short enough to stay in L1, long enough for the vector units.
BLOCK = 128
CHUNK = 32  # entries that share a maximum
AHEAD = 256  # entries by which memory is asked for before they are read
LINE = 8  # entries of a cache line, or of half a line in single precision


@njit(cache=True)
def count_above(alpha, c, level):
    """Number of i with ``alpha[i] - c[i] > level``.

    An integer reduction over two slices is what LLVM turns into vector code at memory bandwidth.
    """
    total = 0
    for i in range(alpha.shape[0]):
        total += (alpha[i] - c[i]) > level
    return total


@njit(cache=True)
def chunk_peaks(alpha, c, peaks):
    """Maximum of ``alpha - c``; that of every chunk goes to `peaks`.

    Eight maxima side by side fill the vector units, which LLVM does not do for one.
    """
    largest = -np.inf
    for chunk in range(peaks.shape[0]):
        # Slices, whose indices are known to be non-negative.
        x = alpha[chunk * CHUNK : (chunk + 1) * CHUNK]
        y = c[chunk * CHUNK : (chunk + 1) * CHUNK]
        for i in range(0, CHUNK, LINE):
            prefetch(y, AHEAD + i)  # runs on into the next column
        even = 8 * (x.shape[0] // 8)
        m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = -np.inf
        for i in range(0, even, 8):
            m0 = max(m0, x[i] - y[i])
            m1 = max(m1, x[i + 1] - y[i + 1])
            m2 = max(m2, x[i + 2] - y[i + 2])
            m3 = max(m3, x[i + 3] - y[i + 3])
            m4 = max(m4, x[i + 4] - y[i + 4])
            m5 = max(m5, x[i + 5] - y[i + 5])
            m6 = max(m6, x[i + 6] - y[i + 6])
            m7 = max(m7, x[i + 7] - y[i + 7])
        for i in range(even, x.shape[0]):
            m0 = max(m0, x[i] - y[i])
        peaks[chunk] = max(m0, m1, m2, m3, m4, m5, m6, m7)
        largest = max(largest, peaks[chunk])
    return largest


@njit(cache=True)
def kth_largest(x, k, best):
    """The k-th largest entry of x; `best` (k,) is overwritten."""
    best[:] = -np.inf
    for value in x:
        if value > best[k - 1]:
            at = k - 1
            while at > 0 and best[at - 1] < value:
                best[at] = best[at - 1]
                at -= 1
            best[at] = value
    return best[k - 1]


@njit(cache=True)
def column_max(alpha, c):
    """Maximum of ``alpha - c``."""
    return chunk_peaks(alpha, c, np.empty(-(-alpha.shape[0] // CHUNK)))


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
def top_k(alpha, c, k, window, v, idx):
    """Write the k largest ``alpha - c`` above ``max - window`` to `v`, `idx`; return how many.

    `v` and `idx` hold ``min(n, 2 k + BLOCK)`` entries: a buffer that is compacted by quickselect
    when full, so an append costs O(1) amortised.
    """
    n = alpha.shape[0]
    capacity = v.shape[0]
    peaks = np.empty(-(-n // CHUNK))
    level = window_floor(chunk_peaks(alpha, c, peaks), window)
    if k < min(len(peaks), CHUNK):  # so many entries are no smaller than the k-th largest peak
        level = max(level, window_floor(kth_largest(peaks, k, v[:k]), 0.0))
    count = 0
    for chunk in range(len(peaks)):
        if peaks[chunk] <= level:
            continue
        lo = chunk * CHUNK
        hi = min(lo + CHUNK, n)
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
                v[count] = x
                idx[count] = i
                count += 1
    if count > k:
        select_largest(v, idx, count, k)
        count = k
    return count
