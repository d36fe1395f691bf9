"""Two classes of MNIST, or of the digits of scikit-learn where MNIST is not to be had."""

import functools

import numpy as np

from ml_apps.data import load_images


@functools.cache
def images():
    """Name, standardised images (N, 784) and labels, of training and test set."""
    try:
        (x, y), (xt, yt) = load_images("mnist"), load_images("mnist", "test")
        name = "MNIST"
    except FileNotFoundError:
        from sklearn.datasets import load_digits

        x, y = load_digits(return_X_y=True)
        x = np.pad(np.kron(x.reshape(-1, 8, 8) * 16, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2)))
        (x, xt), (y, yt), name = np.split(x, [1000]), np.split(y, [1000]), "digits"
    mean, std = x.mean(), x.std()
    flat = [((a.reshape(len(a), -1) - mean) / std).astype(np.float32) for a in (x, xt)]
    return name, flat[0], np.asarray(y, np.int64), flat[1], np.asarray(yt, np.int64)


def pair(n, classes=(0, 1), offset=0):
    """n training examples of two classes by turns, and up to 1,000 test examples."""
    _, x, y, xt, yt = images()
    members = [np.flatnonzero(y == c)[offset : offset + n // 2] for c in classes]
    order = np.stack(members, axis=1).ravel()
    tests = np.concatenate([np.flatnonzero(yt == c)[:500] for c in classes])
    return (
        x[order],
        (y[order] == classes[1]).astype(np.int64),
        xt[tests],
        (yt[tests] == classes[1]).astype(np.int64),
    )


def ten_classes(n):
    """n training examples of all classes."""
    _, x, y, _, _ = images()
    return x[:n], y[:n]
