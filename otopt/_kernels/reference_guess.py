"""Guess-and-check in NumPy, from the explicit parameters of every candidate."""

import numpy as np

from . import reference_lenet, reference_philox

__all__ = ["search"]


def linear_logits(theta, X, inputs, classes):
    """Logits (n, classes); the parameters are weights (classes, inputs), then biases."""
    cut = classes * inputs
    return X @ theta[:cut].reshape(classes, inputs).T + theta[cut:]


def search(kind, sizes, X, signs, seed, low, high):
    """A function ``check(first, last, room) -> candidates, swaps, losses, end``.

    Candidate i and its mirror image, with the two output units exchanged (swap), are checked for
    first <= i < last until `room` of them are found: those that give all examples X (n, features)
    float32 the class of their signs (n,), -1 or 1, with a normalised loss in (low, high]. `end` is
    the next candidate. Kinds and sizes: "linear" (inputs,), "lenet" (channels, side, C1, C2, F1,
    F2). At most one of the two fits: the first example says which.
    """
    y = (np.asarray(signs) > 0).astype(np.int64)
    if kind == "linear":
        starts, unit = np.array([0, 2 * sizes[0], 2 * sizes[0] + 2]), 1.0
    else:
        starts, unit = np.array(reference_lenet.offsets(sizes, 2)), 3.0
    logits = linear_logits if kind == "linear" else reference_lenet.logits_of_sizes

    def check(first, last, room):
        found = []
        for candidate in range(first, last):
            theta = reference_philox.signed32(seed, [candidate], starts[-1])[0]
            if kind == "linear":
                z = logits(theta.astype(float), X.astype(float), sizes[0], 2)
            else:
                z = logits(theta.astype(float), X.astype(float), sizes, 2)
            for swap in (False, True):
                out = z[:, ::-1] if swap else z
                right = out[np.arange(len(y)), y] > out[np.arange(len(y)), 1 - y]
                if right.all():
                    loss = reference_lenet.normalised_loss(theta, out, y, starts, unit)
                    if low < loss <= high:
                        found.append((candidate, swap, loss))
            if len(found) == room:
                return *_columns(found), candidate + 1
        return *_columns(found), last

    return check


def _columns(found):
    candidates, swaps, losses = zip(*found, strict=True) if found else ((), (), ())
    return np.array(candidates, np.int64), np.array(swaps, bool), np.array(losses, float)
