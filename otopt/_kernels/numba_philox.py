"""Philox4x32-10 in numba; `reference_philox` says what the numbers are.

`philox4x32`, `as_signed32` and `fill_signed32` may be called from other kernels.
"""

import numpy as np
from numba import njit

__all__ = ["as_signed32", "fill_signed32", "philox4x32", "signed32", "unit64"]

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
S32 = np.uint64(32)
STEP = np.float32(2.0**-23)


@njit(cache=True, inline="always")
def philox4x32(c0, c1, c2, c3, k0, k1):
    """The four words of one counter, all uint32."""
    for _ in range(10):
        p0, p1 = M0 * np.uint64(c0), M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(p1 >> S32) ^ c1 ^ k0,
            np.uint32(p1),
            np.uint32(p0 >> S32) ^ c3 ^ k1,
            np.uint32(p0),
        )
        k0, k1 = np.uint32(k0 + W0), np.uint32(k1 + W1)
    return c0, c1, c2, c3


@njit(cache=True, inline="always")
def as_signed32(word):
    """A word as a multiple of 2^-23 in [-1, 1)."""
    return np.float32(np.int32(word) >> 8) * STEP


@njit(cache=True)
def fill_signed32(out, size, seed, candidate, stream):
    """Numbers 0..size-1 of a candidate (uint64) in `out`, of at least 4 ceil(size / 4) entries."""
    k0, k1 = np.uint32(seed), np.uint32(seed >> S32)
    c1, c2, c3 = np.uint32(stream), np.uint32(candidate), np.uint32(candidate >> S32)
    blocks = (size + 3) // 4
    for i in range(blocks):
        a, b, c, d = philox4x32(np.uint32(i), c1, c2, c3, k0, k1)
        out[i] = as_signed32(a)
        out[blocks + i] = as_signed32(b)
        out[2 * blocks + i] = as_signed32(c)
        out[3 * blocks + i] = as_signed32(d)


@njit(cache=True, nogil=True)
def _signed32(seed, candidates, size, stream):
    out = np.empty((len(candidates), size), np.float32)
    row = np.empty(4 * ((size + 3) // 4), np.float32)
    for r in range(len(candidates)):
        fill_signed32(row, size, seed, candidates[r], stream)
        out[r] = row[:size]
    return out


@njit(cache=True, inline="always")
def _as_unit64(high, low):
    return (np.float64(high >> np.uint32(5)) * 67108864.0 + np.float64(low >> np.uint32(6))) * (
        1.0 / 9007199254740992.0
    )


@njit(cache=True, nogil=True)
def _unit64(seed, candidates, size, stream):
    blocks = (size + 1) // 2
    out, row = np.empty((len(candidates), size)), np.empty(2 * blocks)
    k0, k1 = np.uint32(seed), np.uint32(seed >> S32)
    for r in range(len(candidates)):
        c2, c3 = np.uint32(candidates[r]), np.uint32(candidates[r] >> S32)
        for i in range(blocks):
            a, b, c, d = philox4x32(np.uint32(i), np.uint32(stream), c2, c3, k0, k1)
            row[i], row[blocks + i] = _as_unit64(a, b), _as_unit64(c, d)
        out[r] = row[:size]
    return out


def signed32(seed, candidates, size, stream=0):
    """See `reference_philox.signed32`."""
    return _signed32(np.uint64(seed), np.asarray(candidates, np.uint64), size, np.uint32(stream))


def unit64(seed, candidates, size, stream=0):
    """See `reference_philox.unit64`."""
    return _unit64(np.uint64(seed), np.asarray(candidates, np.uint64), size, np.uint32(stream))
