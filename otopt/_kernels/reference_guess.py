"""Guess-and-check in NumPy, from the explicit parameters of every candidate."""

import numpy as np

from . import reference_lenet, reference_mlp, reference_philox

__all__ = ["search"]


def search(kind, sizes, X, signs, seed, low, high):
    """A function ``check(first, last, room) -> candidates, swaps, losses, end``.

    Candidate i and its mirror image, with the two output units exchanged (swap), are checked for
    first <= i < last until `room` of them are found: those that give all examples X (n, features)
    float32 the class of their signs (n,), -1 or 1, with a normalised loss in (low, high]. `end` is
    the next candidate. Kinds and sizes: "linear" (inputs,), "mlp" (inputs, units ...), "lenet"
    (channels, side, C1, C2, F1, F2). At most one of the two fits: the first example says which.
    """
    y = (np.asarray(signs) > 0).astype(np.int64)
    if kind == "lenet":
        starts, unit, logits = (
            reference_lenet.offsets(sizes, 2),
            3.0,
            reference_lenet.logits_of_sizes,
        )
    else:
        starts, unit, logits = reference_mlp.offsets(sizes, 2), 1.0, reference_mlp.logits

    def check(first, last, room):
        found = []
        for candidate in range(first, last):
            theta = reference_philox.signed32(seed, [candidate], starts[-1])[0]
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
