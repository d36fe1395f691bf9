"""Few examples of a real data set, and many to test on."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from ml_apps.data import load_images

__all__ = ["DATA", "Problem", "pair", "ten_classes"]

DATA = ("mnist", "cifar10", "fashion_mnist", "digits")
TESTS = 500  # images of each class of a pair


class Problem(NamedTuple):
    """Standardised examples, channels first and flat, and their classes."""

    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    channels: int
    side: int


@functools.cache
def _images(name):
    """Training and test images as (N, channels * side^2), standardised by the training images."""
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x = np.pad(np.kron(x.reshape(-1, 8, 8), np.ones((2, 2))), ((0, 0), (2, 2), (2, 2)))
        parts = ((x[:1000], y[:1000]), (x[1000:], y[1000:]))
    else:
        parts = load_images(name), load_images(name, "test")
    mean, std = parts[0][0].mean(), parts[0][0].std()
    out = []
    shape = parts[0][0].shape
    for x, y in parts:
        first = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
        flat = ((first.reshape(len(x), -1) - mean) / std).astype(np.float32)
        out += [flat, np.asarray(y, np.int64)]
    return *out, 1 if len(shape) == 3 else shape[3], shape[1]


def pair(name, n, seed):
    """Two random classes, n / 2 examples of each, by turns."""
    x, y, xt, yt, channels, side = _images(name)
    rng = np.random.default_rng((seed, 2))
    classes = rng.permutation(10)[:2]
    members = [rng.permutation(np.flatnonzero(y == c)) for c in classes]
    order = np.stack([m[: n // 2] for m in members], axis=1).ravel()
    tests = np.concatenate([np.flatnonzero(yt == c)[:TESTS] for c in classes])
    return Problem(
        x[order], (y[order] == classes[1]).astype(np.int64),
        xt[tests], (yt[tests] == classes[1]).astype(np.int64), channels, side,
    )  # fmt: skip


def ten_classes(name, n, seed):
    """Take n random examples of all ten classes, and the whole test set."""
    x, y, xt, yt, channels, side = _images(name)
    order = np.random.default_rng((seed, 10)).permutation(len(x))[:n]
    return Problem(x[order], y[order], xt, yt, channels, side)
