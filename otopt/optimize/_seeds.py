"""The key of the counter-based random numbers."""

import numpy as np

from otopt._core.validation import as_rng

__all__ = ["as_seed"]


def as_seed(function, rng):
    """An integer below 2^64: `rng` itself, or drawn from what it makes."""
    if not isinstance(rng, (int, np.integer)) or isinstance(rng, bool):
        return int(as_rng(function, rng).integers(2**64, dtype=np.uint64))
    seed = int(rng)
    if not 0 <= seed < 2**64:
        message = f"{function}: `rng` must be an integer in [0, 2^64) or a generator; got {seed}."
        raise ValueError(message)
    return seed
