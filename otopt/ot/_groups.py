"""Which marginal a sample belongs to: labels of any kind, one-hot columns or shares."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._core.validation import as_floats

__all__ = ["Membership", "as_labels", "read_membership"]


class Membership(NamedTuple):
    """Sample ``sample[e]`` (all of them in order where None) has `mass[e]` in marginal `group[e]`.

    Masses of a marginal sum to one; where `mass` is None they are equal, ``unit[group]``.
    """

    group: NDArray  # (E,)
    sample: NDArray | None  # (E,)
    mass: NDArray | None  # (E,)
    unit: NDArray  # (d,)
    labels: NDArray  # (d,)

    def places(self, x):
        """Places (E,) of the samples x (N,)."""
        return x if self.sample is None else x[self.sample]

    def fold(self, gradient, N):
        """Add up what belongs to the same sample."""
        return gradient if self.sample is None else np.bincount(self.sample, gradient, N)


def read_membership(function, groups, N, sample_weight):
    """Check and cast `groups` and `sample_weight`; marginals without samples are left out."""
    array = as_labels(function, groups)
    weight = _read_weight(function, sample_weight, N)
    if array.ndim == 2 and array.shape[0] == N and array.shape[1] > 0:
        return _soft(function, array, weight)
    if array.shape != (N,):
        message = (
            f"{function}: `groups` must hold a label for each of the {N} samples, or a row of "
            f"shares; got shape {array.shape}."
        )
        raise ValueError(message)
    if (array.dtype.kind == "f" and np.isnan(array).any()) or (
        array.dtype.kind == "O" and any(label is None or label != label for label in array)
    ):
        message = (
            f"{function}: `groups` must not have missing labels; got NaN or None; "
            "drop those samples or give them a label of their own."
        )
        raise ValueError(message)
    labels, group, counts = _number_labels(function, array)
    if weight is None:
        return Membership(group, None, None, 1.0 / counts, labels)
    return _weighed(function, group, None, weight, labels)


def as_labels(function, groups):
    """Labels of any kind as an array, none of them masked."""
    if np.ma.is_masked(groups):
        message = f"{function}: `groups` must not have masked labels; drop those samples."
        raise ValueError(message)
    try:
        return np.asarray(groups)
    except (ValueError, TypeError, RuntimeError) as error:
        message = f"{function}: `groups` must be a vector of labels; got {type(groups).__name__}"
        raise (ValueError if isinstance(error, ValueError) else TypeError)(
            f"{message} ({str(error).splitlines()[0]})."
        ) from None


def _read_weight(function, sample_weight, N):
    if sample_weight is None:
        return None
    weight = as_floats(function, "sample_weight", sample_weight)
    if weight.shape != (N,) or not np.isfinite(weight).all() or (weight < 0).any():
        message = (
            f"{function}: `sample_weight` must hold one finite number >= 0 for each of the {N} "
            f"samples; got shape {weight.shape}"
            + (f" with minimum {weight.min():g}." if weight.size else ".")
        )
        raise ValueError(message)
    return weight


def _number_labels(function, array):
    """Labels in use, their numbers (N,) and how often they occur."""
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() < max(256, len(array)):
        counts = np.bincount(array)
        labels = np.flatnonzero(counts)  # no sort for the usual 0..d-1
        if len(labels) == len(counts):
            return labels, array.astype(np.intp, copy=False), counts
        number = np.zeros(len(counts), np.intp)
        number[labels] = np.arange(len(labels))
        return labels, number[array], counts[labels]
    try:
        labels, group, counts = np.unique(array, return_inverse=True, return_counts=True)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in array})
        message = (
            f"{function}: `groups` must hold labels of one kind; got {' and '.join(kinds)}; "
            "turn them into strings."
        )
        raise TypeError(message) from None
    return labels, group, counts


def _soft(function, array, weight):
    shares = as_floats(function, "groups", array)
    if not np.isfinite(shares).all() or (shares < 0).any():
        message = (
            f"{function}: shares in `groups` must be finite and >= 0; "
            f"got {shares[~(shares >= 0)][0] if (~(shares >= 0)).any() else np.inf}."
        )
        raise ValueError(message)
    if weight is not None:
        shares = shares * weight[:, None]
    labels = np.flatnonzero(shares.sum(axis=0) > 0)
    if len(labels) == 0:
        message = f"{function}: `groups` must give some sample a share; got zeros only."
        raise ValueError(message)
    shares = shares[:, labels]
    sample, group = map(np.ascontiguousarray, np.nonzero(shares))
    return _weighed(function, group, sample, shares[sample, group], labels)


def _weighed(function, group, sample, mass, labels):
    total = np.bincount(group, mass, len(labels))
    if not (total > 0).all():
        message = (
            f"{function}: every marginal must have positive weight; got zero weights only for "
            f"{labels[total <= 0][0]!r}; leave its samples out."
        )
        raise ValueError(message)
    return Membership(group, sample, mass / total[group], np.ones(len(labels)), labels)
