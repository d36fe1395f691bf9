"""Philox4x32-10 in NumPy: number j of candidate i is a function of (seed, i, stream, j) alone.

J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011, doi 10.1145/2063384.2063405. The key is the seed (low, high word), the counter is (block,
stream, candidate low, candidate high). Numbers lie *planar*: block i = j mod NB of NB blocks holds
number j in its word (or pair of words) j div NB, so that a loop over blocks is vector code.
"""

import numpy as np

__all__ = ["philox4x32", "signed32", "unit64"]

MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
ROUNDS = 10


def philox4x32(counter, key):
    """Four words of 32 bits a counter, as an array (4, ...) of uint32.

    Parameters
    ----------
    counter : sequence of 4 integer arrays
        Words below 2^32 that broadcast against one another.
    key : pair of int
        Words below 2^32.
    """
    c0, c1, c2, c3 = np.broadcast_arrays(*(np.asarray(c, np.uint64) for c in counter))
    k0, k1 = (np.uint64(k) for k in key)
    for _ in range(ROUNDS):
        p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + np.uint64(WEYL[0])) & LOW, (k1 + np.uint64(WEYL[1])) & LOW
    return np.stack([c0, c1, c2, c3]).astype(np.uint32)


def _words(seed, candidates, blocks, stream):
    """The words (4, candidates, blocks) of these candidates."""
    candidates = np.asarray(candidates, np.uint64)[:, None]
    counter = np.arange(blocks), stream, candidates & LOW, candidates >> HALF
    return philox4x32(counter, (seed & 0xFFFFFFFF, seed >> 32))


def signed32(seed, candidates, size, stream=0):
    """Uniform on the multiples of 2^-23 in [-1, 1), float32, (candidates, size)."""
    words = _words(seed, candidates, -(-size // 4), stream)
    values = (words.view(np.int32) >> 8).astype(np.float32) * np.float32(2.0**-23)
    return np.ascontiguousarray(_planar(values)[:, :size])


def unit64(seed, candidates, size, stream=0):
    """Uniform on the multiples of 2^-53 in [0, 1), float64, (candidates, size)."""
    words = _words(seed, candidates, -(-size // 2), stream)
    high, low = words[::2] >> np.uint32(5), words[1::2] >> np.uint32(6)
    values = (high * 67108864.0 + low) * 2.0**-53
    return np.ascontiguousarray(_planar(values)[:, :size])


def _planar(values):
    return values.transpose(1, 0, 2).reshape(values.shape[1], -1)
