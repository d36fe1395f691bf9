"""Guess-and-check for LeNet: one candidate at a time, all of it in the first two caches.

Images lie with the example innermost, ``(chunks, channels, side, side * E)``, so that a row of
a convolution is one loop over contiguous numbers; pooling comes before rectification, which
commutes with it. Sums are explicit fused multiply-adds in a fixed order: the accepted set does
not depend on the vector width of the machine.
"""

import functools

import numpy as np
from numba import njit

from ._numba_exp import fma
from ._numba_guess import EXAMPLES, accepted, judged, mean_logistic, output_difference, square_norm
from ._numba_vectors import convolve_pool, dense
from .numba_philox import fill_signed32
from .reference_lenet import offsets


@functools.cache
def searcher(sizes):
    """The compiled search for these sizes, which are constants of it: loops have known lengths."""
    channels, side, C1, C2, F1, F2 = sizes
    E = EXAMPLES
    H1 = side - 4
    P1 = H1 // 2
    H2 = P1 - 4
    P2 = H2 // 2
    NF = C2 * P2 * P2
    R1, R2, R3 = H1 * E, P1 * E, H2 * E
    W1, B1, W2, B2, W3, B3, W4, B4, W5, B5, SIZE = offsets(sizes, 2)

    @njit(cache=True, nogil=True)
    def search(images, signs, n, first, last, key, low, high, candidates, swaps, losses):
        theta = np.empty(SIZE + 16, np.float32)
        pooled = np.empty(C1 * P1 * R2, np.float32)
        features = np.empty(NF * E, np.float32)
        hidden1 = np.empty(F1 + 15, np.float32)
        hidden2 = np.empty(F2 + 15, np.float32)
        output = np.empty(F2, np.float32)
        margins = np.empty(E * images.shape[0], np.float32)
        flat = images.reshape(-1)
        row = side * E
        plane = side * row
        image = channels * plane
        found = 0
        for candidate in range(first, last):
            fill_signed32(theta, SIZE, key, np.uint64(candidate), np.uint32(0))
            offset = output_difference(theta, W5, B5, F2, output)
            orientation = np.float32(0)
            fits = True
            for k in range(images.shape[0]):
                for o in range(C1):
                    for y in range(P1):
                        convolve_pool(
                            pooled, (o * P1 + y) * R2, flat, k * image + 2 * y * row, plane, row,
                            channels, theta, W1 + o * channels * 25, B1 + o, 2, R1, E,
                        )  # fmt: skip
                for o in range(C2):
                    for y in range(P2 // 2):
                        convolve_pool(
                            features, (o * P2 + 2 * y) * P2 * E, pooled, 4 * y * R2, P1 * R2, R2,
                            C1, theta, W2 + o * C1 * 25, B2 + o, 4, R3, E,
                        )  # fmt: skip
                    if P2 % 2:
                        convolve_pool(
                            features, (o * P2 + P2 - 1) * P2 * E, pooled, (H2 - 2) * R2, P1 * R2,
                            R2, C1, theta, W2 + o * C1 * 25, B2 + o, 2, R3, E,
                        )  # fmt: skip
                for e in range(E):
                    dense(hidden1, 0, features, e, E, NF, theta, W3, B3, F1)
                    dense(hidden2, 0, hidden1, 0, 1, F1, theta, W4, B4, F2)
                    s = offset
                    for j in range(F2):
                        s = fma(hidden2[j], output[j], s)
                    orientation, fits = judged(k * E + e, s, signs, margins, orientation)
                    if not fits:
                        break
                if not fits:
                    break
            if fits:
                squares = (square_norm(theta, W1, B1) * square_norm(theta, W2, B2)
                           * square_norm(theta, W3, B3) * square_norm(theta, W4, B4)
                           * square_norm(theta, W5, B5))  # fmt: skip
                loss = mean_logistic(margins, signs, orientation, n, 243.0 / np.sqrt(squares))
                found = accepted(
                    found, candidate, orientation, loss, low, high, candidates, swaps, losses
                )
                if found == len(candidates):
                    return found, candidate + 1
        return found, last

    return search
