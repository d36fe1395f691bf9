"""Guess-and-check for linear classifiers: the difference of the two output rows, then dot products.

A dot product has `LANES` running sums that are added in a fixed order at the end: vector code, and
the same answer for every vector width.
"""

import numpy as np
from numba import njit

from ._numba_guess import accepted, judged, mean_logistic, output_difference, square_norm
from ._numba_vectors import dot
from .numba_philox import fill_signed32

LANES = 64


@njit(cache=True, nogil=True)
def search(D, X, signs, n, first, last, key, low, high, candidates, swaps, losses):
    """For D inputs; the rows of X are filled up with zeros to whole blocks of LANES."""
    theta = np.empty(2 * D + 10, np.float32)
    blocks = X.shape[1] // LANES
    w = np.zeros(X.shape[1], np.float32)
    margins = np.empty(len(X), np.float32)
    found = 0
    for candidate in range(first, last):
        fill_signed32(theta, 2 * D + 2, key, np.uint64(candidate), np.uint32(0))
        offset = output_difference(theta, 0, 2 * D, D, w)
        orientation = np.float32(0)
        fits = True
        for k in range(len(X)):
            s = offset + dot(w, 0, X, k * X.shape[1], blocks, LANES)
            orientation, fits = judged(k, s, signs, margins, orientation)
            if not fits:
                break
        if fits:
            scale = 1.0 / np.sqrt(square_norm(theta, 0, 2 * D))
            loss = mean_logistic(margins, signs, orientation, n, scale)
            found = accepted(
                found, candidate, orientation, loss, low, high, candidates, swaps, losses
            )
            if found == len(candidates):
                return found, candidate + 1
    return found, last
