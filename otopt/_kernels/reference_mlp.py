"""Dense layers in NumPy: sizes are (inputs, units of hidden layers ...), (inputs,) if linear."""

from itertools import pairwise

import numpy as np

__all__ = ["DEEPEST", "logits", "offsets"]

DEEPEST = 3  # hidden layers that the searches know


def offsets(sizes, classes):
    """Where weights and biases start, by turns, and their number."""
    lengths = []
    for inputs, units in pairwise((*sizes, classes)):
        lengths += [inputs * units, units]
    return (0, *(int(s) for s in np.cumsum(lengths)))


def logits(theta, X, sizes, classes):
    """Logits (n, classes) of X (n, inputs), in the precision of both; hidden layers are rectified.

    Weights of hidden layers are (inputs, units), of the last layer (classes, inputs).
    """
    starts = offsets(sizes, classes)
    x = X
    for layer, (inputs, units) in enumerate(pairwise(sizes)):
        w, b, end = starts[2 * layer : 2 * layer + 3]
        x = np.maximum(x @ theta[w:b].reshape(inputs, units) + theta[b:end], 0)
    w, b, end = starts[-3:]
    return x @ theta[w:b].reshape(classes, sizes[-1]).T + theta[b:end]
