"""What a problem looks like: which way it takes through the solvers."""

import numpy as np

from otopt._oracles.proximal_dual import DENSE_ROWS

__all__ = ["has_small_shape", "is_dense", "is_small"]

LARGEST = 512  # columns


def is_small(problem):
    """Whether calls between the steps of a solve would cost more than the steps."""
    return is_dense(problem) and has_small_shape(problem)


def is_dense(problem):
    """Whether the cost is a matrix, whole and in this process."""
    return isinstance(problem.Ct, np.ndarray)


def has_small_shape(problem):
    """The same, if the cost were a matrix."""
    return len(problem.a) <= DENSE_ROWS and len(problem.b) <= LARGEST
