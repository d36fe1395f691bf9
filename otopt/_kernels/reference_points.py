"""Reference kernels for costs between points: the matrix is written out, then read as usual."""

import functools

import numpy as np

from . import reference

__all__ = reference.__all__  # pyright: ignore[reportUnsupportedDunderAll]


def dense(cost):
    """The matrix that a `PointCost` stands for; arrays are returned as they are."""
    if isinstance(cost, np.ndarray):
        return cost
    gap = cost.queries.points.astype(float)[:, :, None] - cost.points.points[:, None]
    square = functools.reduce(np.add, gap**2)  # in order: NumPy has its own for a single entry
    return (square, np.sqrt(square), 0.5 * square)[cost.metric]


def on_matrices(module, names):
    """The kernels of `module` by name, for a `PointCost` in place of a matrix."""

    def on_matrix(kernel):
        @functools.wraps(kernel)
        def on_points(*args):
            return kernel(*(dense(x) if hasattr(x, "queries") else x for x in args))

        return on_points

    return {name: on_matrix(getattr(module, name)) for name in names}


globals().update(on_matrices(reference, __all__))


def take_columns(Ct, sample):
    return reference.take_columns(dense(Ct), sample)
