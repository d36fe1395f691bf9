"""LeNet for searches by one parameter at a time; `reference_lenet` says what is computed."""

import numpy as np

from ._numba_guess import square_norm
from ._numba_lenet_forward import Caches, Parameters, count_right, forward, loss_sum
from ._numba_lenet_trial import COMMIT, POLL, TRIAL, Scratch, evaluate, loss_scale
from .reference_lenet import offsets

__all__ = ["Search", "logits"]

REFRESH = 200  # commits between two full forward passes: rounding stays below 1e-5
BLOCK = 128  # examples of one forward pass where nothing is remembered


def views(theta, sizes, classes):
    """The flat vector as `Parameters`."""
    channels, _, C1, C2, F1, F2 = sizes
    starts = offsets(sizes, classes)
    features = (starts[5] - starts[4]) // F1
    shapes = ((C1, channels, 5, 5), (C1,), (C2, C1, 5, 5), (C2,), (features, F1), (F1,),
              (F1, F2), (F2,), (classes, F2), (classes,))  # fmt: skip
    return Parameters(
        *(theta[a:b].reshape(s) for a, b, s in zip(starts, starts[1:], shapes, strict=False))
    )


def _room(sizes, classes, n):
    _, side, C1, C2, F1, F2 = sizes
    H1 = side - 4
    P1 = H1 // 2
    H2 = P1 - 4
    shapes = ((C1, H1, H1), (C1, P1, P1), (C2, H2, H2), (C2 * (H2 // 2) ** 2,), (F1,), (F2,),
              (classes,))  # fmt: skip
    return Caches(*(np.empty((*shape, n), np.float32) for shape in shapes))


def _innermost(X, channels, side):
    images = X.reshape(len(X), channels, side, side)
    return np.ascontiguousarray(images.transpose(1, 2, 3, 0), dtype=np.float32)


def logits(theta, X, sizes, classes):
    """Logits (n, classes) of images X (n, channels * side^2)."""
    p = views(theta, sizes, classes)
    n = len(X)
    out = np.empty((n, classes), np.float32)
    rooms = {}
    for first in range(0, n, BLOCK):
        x = _innermost(X[first : first + BLOCK], *sizes[:2])
        count = x.shape[3]
        if count not in rooms:  # the last block may be shorter
            c = _room(sizes, classes, count)
            rooms[count] = c, np.empty_like(c.u1), np.empty_like(c.u2)
        caches, h1, h2 = rooms[count]
        forward(x, p, caches, h1, h2)
        out[first : first + BLOCK] = caches.logits.T
    return out


class Search:
    """A network, its examples, and what its last forward pass remembers.

    Parameters
    ----------
    theta : ndarray of float32, shape (P,)
        Changed by `commit`.
    X : ndarray of float32, shape (n, channels * side^2)
    y : ndarray of int64, shape (n,)
    sizes : (channels, side, C1, C2, F1, F2)
    classes : int
    """

    def __init__(self, theta, X, y, sizes, classes):
        self.theta, self.y = theta, y
        self.n = len(X)
        self.x = _innermost(X, *sizes[:2])
        self.parameters = views(theta, sizes, classes)
        self.starts = np.array(offsets(sizes, classes))
        self.caches = _room(sizes, classes, self.n)
        c = self.caches
        self.scratch = Scratch(
            *(np.empty_like(a) for a in (c.logits, c.u1, c.u2, c.u1, c.u2, c.z1[0], c.p1[:1],
                                         c.z2[0], c.features)),
            *(np.empty(self.n, np.float32) for _ in range(3)),
        )  # fmt: skip
        self.squares, self._changed = np.empty(5), np.empty(5)
        self.order = np.arange(2 * len(theta))
        self.commits = 0
        self.refresh()

    def refresh(self):
        """A full forward pass; the loss."""
        s = self.scratch
        forward(self.x, self.parameters, self.caches, s.h1, s.h2)
        self.squares[:] = [
            square_norm(self.theta, self.starts[2 * i], self.starts[2 * i + 1]) for i in range(5)
        ]
        scale = loss_scale(self.squares)
        self.loss = loss_sum(self.caches.logits, self.y, scale, s.top, s.total) / self.n
        return self.loss

    def _evaluate(self, mode, index, delta, first, last, opportunistic, key, turn, best):
        return evaluate(
            mode, index, float(delta), self.order, first, last, opportunistic, np.uint64(key), turn,
            best, self.theta, self.starts, self.x, self.y, self.parameters, self.caches,
            self.squares, self.scratch, self._changed,
        )  # fmt: skip

    def trial(self, index, delta):
        """The loss with parameter `index` changed by `delta`."""
        return self._evaluate(TRIAL, index, delta, 0, 1, False, 0, 0, np.inf)[0] / self.n

    def commit(self, index, delta):
        """Change parameter `index` by `delta`; the loss."""
        value = self._evaluate(COMMIT, index, delta, 0, 1, False, 0, 0, np.inf)[0] / self.n
        self.commits += 1
        if index < self.starts[2] or self.commits % REFRESH == 0:
            return self.refresh()
        self.loss = value
        return value

    def poll(self, first, last, radius, opportunistic, key, turn):
        """Signed moves first..last-1 of this turn's random order: the best one, tried trials.

        The move is ``(index, delta)`` or None if none lowers the loss.
        """
        best = self.loss * self.n
        _, where, end = self._evaluate(POLL, 0, radius, first, last, opportunistic, key, turn, best)
        if where < 0:
            return None, end - first
        move = int(self.order[where])
        return (move // 2, radius if move % 2 == 0 else -radius), end - first

    def accuracy(self):
        """Share of examples classified right; ties are wrong."""
        return count_right(self.caches.logits, self.y) / self.n
