"""The key of the counter-based random numbers."""

import operator

import numpy as np

__all__ = ["as_seed"]


def as_seed(function, rng):
    """An integer below 2^64: `rng` itself, or drawn from what it makes."""
    if not isinstance(rng, (int, np.integer)) or isinstance(rng, bool):
        return int(np.random.default_rng(rng).integers(2**64, dtype=np.uint64))
    seed = operator.index(rng)
    if not 0 <= seed < 2**64:
        message = f"{function}: `rng` must be an integer in [0, 2^64) or a generator; got {seed}."
        raise ValueError(message)
    return seed
