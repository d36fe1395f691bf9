"""LeNet in NumPy, and searches that evaluate a network in full for every change."""

from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from . import reference_philox

__all__ = ["FullSearch", "Search", "logits"]


def offsets(sizes, classes):
    """Where each of the ten arrays of parameters starts, and their number."""
    channels, side, C1, C2, F1, F2 = sizes
    features = C2 * (((side - 4) // 2 - 4) // 2) ** 2
    lengths = (C1 * channels * 25, C1, C2 * C1 * 25, C2,
             features * F1, F1, F1 * F2, F2, classes * F2, classes)  # fmt: skip
    return (0, *(int(s) for s in np.cumsum(lengths)))


def _convolved(x, w, b):
    """Valid 5 x 5 convolution of x (n, C, S, S), 2 x 2 maxima, rectified."""
    windows = sliding_window_view(x, (5, 5), axis=(2, 3))
    z = np.einsum("ncabij,ocij->noab", windows, w, optimize=True) + b[:, None, None]
    n, C, H, _ = z.shape
    return np.maximum(z.reshape(n, C, H // 2, 2, H // 2, 2).max(axis=(3, 5)), 0)


def logits_of_sizes(theta, X, sizes, classes):
    """Logits (n, classes) of images X (n, channels * side^2), in the precision of both."""
    channels, side, C1, C2, F1, F2 = sizes
    starts = offsets(sizes, classes)
    w1, b1, w2, b2, w3, b3, w4, b4, w5, b5 = (theta[a:b] for a, b in pairwise(starts))
    x = X.reshape(len(X), channels, side, side)
    x = _convolved(x, w1.reshape(C1, channels, 5, 5), b1)
    x = _convolved(x, w2.reshape(C2, C1, 5, 5), b2).reshape(len(X), -1)
    x = np.maximum(x @ w3.reshape(-1, F1) + b3, 0)
    x = np.maximum(x @ w4.reshape(F1, F2) + b4, 0)
    return x @ w5.reshape(classes, F2).T + b5


def logits(theta, X, sizes, classes):
    """The same in float32 throughout."""
    return logits_of_sizes(theta.astype(np.float32), X.astype(np.float32), sizes, classes)


def normalised_loss(theta, z, y, starts, unit):
    """Mean cross entropy of logits (n, K) over the product of the norms of weights over `unit`."""
    norm = 1.0
    for a, b in zip(starts[::2], starts[1::2], strict=False):
        norm *= np.linalg.norm(theta[a:b].astype(float)) / unit
    z = z.astype(float) / norm if norm > 0 else np.zeros(z.shape)  # a layer of zeros: no opinion
    top = z.max(axis=1)
    right = z[np.arange(len(y)), y]
    return float((np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - right).mean())


class FullSearch:
    """`numba_lenet.Search` for any network, given as a function ``logits(theta) -> (n, K)``.

    Parameters
    ----------
    theta : ndarray of float32, shape (P,)
        Changed by `commit`.
    y : ndarray of int64, shape (n,)
    logits : callable
    starts : sequence of int
        Where weights and biases start, by turns.
    unit : float
        Norms of weights are divided by it.
    """

    def __init__(self, theta, y, logits, starts, unit):
        self.theta, self.y = theta, y
        self.logits, self.starts, self.unit = logits, starts, unit
        self.order = np.arange(2 * len(theta))
        self.refresh()

    def refresh(self):
        """Evaluate; the loss."""
        self.z = self.logits(self.theta)
        self.loss = normalised_loss(self.theta, self.z, self.y, self.starts, self.unit)
        return self.loss

    def trial(self, index, delta):
        """The loss with parameter `index` changed by `delta`."""
        before = self.theta[index]
        self.theta[index] = np.float32(np.float64(before) + delta)
        z = self.logits(self.theta)
        loss = normalised_loss(self.theta, z, self.y, self.starts, self.unit)
        self.theta[index] = before
        return loss

    def commit(self, index, delta):
        """Change parameter `index` by `delta`; the loss."""
        self.theta[index] = np.float32(np.float64(self.theta[index]) + delta)
        return self.refresh()

    def poll(self, first, last, radius, opportunistic, key, turn):
        """Signed moves first..last-1 of this turn's random order: the best one, tried trials.

        Place m of the order is drawn at trial m (Fisher and Yates): entry j of those left, j from
        the first word of Philox with block m, stream 1, the turn for a candidate. Move 2 i is
        +radius on coordinate i, move 2 i + 1 is -radius.
        """
        order, best, move = self.order, self.loss, None
        for m in range(first, last):
            counter = (m, 1, turn & 0xFFFFFFFF, turn >> 32)
            word = reference_philox.philox4x32(counter, (key & 0xFFFFFFFF, key >> 32))[0]
            j = m + ((int(word) * (len(order) - m)) >> 32)
            order[m], order[j] = order[j], order[m]
            index, delta = int(order[m]) // 2, radius if order[m] % 2 == 0 else -radius
            value = self.trial(index, delta)
            if value < best:
                best, move = value, (index, delta)
                if opportunistic:
                    return move, m + 1 - first
        return move, last - first

    def accuracy(self):
        """Share of examples classified right; ties are wrong."""
        right = self.z[np.arange(len(self.y)), self.y]
        others = (self.z >= right[:, None]).sum(axis=1)
        return float((others == 1).mean())


class Search(FullSearch):
    """LeNet; parameters as those of `numba_lenet.Search`."""

    def __init__(self, theta, X, y, sizes, classes):
        super().__init__(
            theta, y, lambda t: logits(t, X, sizes, classes), offsets(sizes, classes), 3.0
        )
