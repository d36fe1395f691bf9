"""What the searches of `numba_guess` share: agreement with the labels, norms, the loss."""

import numpy as np
from numba import njit

from ._numba_leaf import leaf

EXAMPLES = 2  # evaluated at once, one of each class: half of all candidates fail on such a pair


@njit(cache=True, inline="always")
def rectified(x):
    return x if x > np.float32(0) else np.float32(0)


@njit(cache=True, inline="always")
def larger(x, y):
    return x if x > y else y


@njit(cache=True)
def square_norm(theta, first, last):
    """Of entries first..last-1, in float64 with eight sums at a time."""
    sums = np.zeros(8)
    whole = first + (last - first) // 8 * 8
    for i in range(first, whole, 8):
        for lane in range(8):
            w = np.float64(theta[i + lane])
            sums[lane] += w * w
    for i in range(whole, last):
        sums[0] += np.float64(theta[i]) * np.float64(theta[i])
    return sums.sum()


@njit(cache=True)
def mean_logistic(margins, signs, orientation, n, scale):
    """Mean cross entropy of the first n examples, from logit differences times `scale`."""
    total = 0.0
    for i in range(n):
        z = scale * orientation * np.float64(margins[i] * signs[i])
        total += np.log1p(np.exp(-abs(z))) + max(-z, 0.0)
    return total / n


@leaf
def output_difference(theta, weights, biases, units, output):
    """Write the difference of the weights of the two output units; that of their biases."""
    for j in range(units):
        output[j] = theta[weights + units + j] - theta[weights + j]
    return theta[biases + 1] - theta[biases]


@njit(cache=True, inline="always")
def judged(e, margin, signs, margins, orientation):
    """Note the margin of example e: the orientation, and whether it has the class of its sign.

    Outputs stand as they are (1), or exchanged (-1): the first example says which.
    """
    margins[e] = margin
    if e == 0:
        orientation = np.float32(1) if margin * signs[0] > np.float32(0) else np.float32(-1)
    return orientation, orientation * margin * signs[e] > np.float32(0)


@njit(cache=True)
def accepted(found, candidate, orientation, loss, low, high, candidates, swaps, losses):
    """Note a candidate that fits, if its loss is in (low, high]; how many there are."""
    if low < loss <= high:
        candidates[found] = candidate
        swaps[found] = orientation < np.float32(0)
        losses[found] = loss
        found += 1
    return found
