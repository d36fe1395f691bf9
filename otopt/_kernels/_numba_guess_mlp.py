"""Guess-and-check for dense layers: one candidate at a time, an example at a time."""

import functools

import numpy as np
from numba import njit

from ._numba_exp import fma
from ._numba_guess import accepted, judged, mean_logistic, output_difference, square_norm
from ._numba_vectors import dense
from .numba_philox import fill_signed32
from .reference_mlp import DEEPEST, offsets

SPARE = 15  # numbers that `dense` reads and writes beyond the last one


@functools.cache
def searcher(sizes):
    """The compiled search for these sizes, which are constants of it: loops have known lengths."""
    D, *units = sizes
    DEPTH = len(units)
    U1, U2, U3 = (*units, 1, 1)[:DEEPEST]  # those of layers that are not there are not used
    STARTS = offsets(sizes, 2)
    W1, B1, W2, B2, W3, B3 = (*STARTS[: 2 * DEPTH], *6 * (0,))[:6]
    WEIGHTS, BIAS, SIZE = STARTS[-3:]
    LAST = units[-1]

    @njit(cache=True, nogil=True)
    def search(X, signs, n, first, last, key, low, high, candidates, swaps, losses):
        theta = np.empty(SIZE + SPARE, np.float32)
        one, two = np.empty(U1 + SPARE, np.float32), np.empty(U2 + SPARE, np.float32)
        three = np.empty(U3 + SPARE, np.float32)
        hidden = one if DEPTH == 1 else two if DEPTH == 2 else three
        output = np.empty(LAST, np.float32)
        margins = np.empty(len(X), np.float32)
        found = 0
        for candidate in range(first, last):
            fill_signed32(theta, SIZE, key, np.uint64(candidate), np.uint32(0))
            offset = output_difference(theta, WEIGHTS, BIAS, LAST, output)
            orientation = np.float32(0)
            fits = True
            for k in range(len(X)):
                dense(one, 0, X, k * D, 1, D, theta, W1, B1, U1)
                if DEPTH > 1:
                    dense(two, 0, one, 0, 1, U1, theta, W2, B2, U2)
                if DEPTH > 2:
                    dense(three, 0, two, 0, 1, U2, theta, W3, B3, U3)
                s = offset
                for j in range(LAST):
                    s = fma(hidden[j], output[j], s)
                orientation, fits = judged(k, s, signs, margins, orientation)
                if not fits:
                    break
            if fits:
                squares = 1.0
                for layer in range(DEPTH + 1):
                    squares *= square_norm(theta, STARTS[2 * layer], STARTS[2 * layer + 1])
                loss = mean_logistic(margins, signs, orientation, n, 1.0 / np.sqrt(squares))
                found = accepted(
                    found, candidate, orientation, loss, low, high, candidates, swaps, losses
                )
                if found == len(candidates):
                    return found, candidate + 1
        return found, last

    return search
