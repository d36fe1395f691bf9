"""Sensitive features of any kind, read once into group numbers."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

__all__ = ["FairnessWarning", "Groups", "read_groups"]


class FairnessWarning(UserWarning):
    """A fit or a metric does less than was asked: a group is missing, a gap was not reached.

    Examples
    --------
    >>> from ml_apps.fairness import FairnessWarning
    >>> issubclass(FairnessWarning, UserWarning)
    True
    """


class Groups(NamedTuple):
    """Groups by number.

    Attributes
    ----------
    number : ndarray of int, shape (N,)
        0, 1, ... by ascending label.
    labels : tuple of str
        One for each number; values of several features are joined by ", ".
    """

    number: np.ndarray
    labels: tuple

    @property
    def counts(self):
        """Rows of each group."""
        return np.bincount(self.number, minlength=len(self.labels))


def read_groups(function, sensitive_features, length):
    """Group of each row; several columns are intersected.

    Parameters
    ----------
    function : str
        For messages.
    sensitive_features : array_like, Series or DataFrame, shape (N,) or (N, q)
    length : int
        Rows of the data.

    Returns
    -------
    Groups

    Raises
    ------
    ValueError
        For another length, missing values, and numbers that are no labels.
    """
    columns = _columns(function, sensitive_features, length)
    numbers, names = [], []
    for column in columns:
        labels, number = _levels(function, column)
        numbers.append(number)
        names.append(labels)
    joint, number = np.unique(np.stack(numbers, axis=1), axis=0, return_inverse=True)
    labels = tuple(", ".join(str(names[q][level]) for q, level in enumerate(row)) for row in joint)
    return Groups(number.ravel(), labels)


def warn_about_size(function, labels, counts, least, what="rows"):
    """Name the groups that are too small to take part."""
    small = [f"{label} ({count})"
             for label, count in zip(labels, counts, strict=True) if count < least]  # fmt: skip
    if small:
        message = (
            f"{function}: groups with fewer than min_group_size={least} {what} take no part in the "
            f"constraint: {'; '.join(small)}; merge them with others, or lower min_group_size."
        )
        warnings.warn(message, FairnessWarning, stacklevel=6)
    if len(labels) - len(small) < 2:
        message = (
            f"{function}: the constraint compares groups; got {len(labels) - len(small)} with "
            f"enough {what}: nothing is asked for there."
        )
        warnings.warn(message, FairnessWarning, stacklevel=6)


def _columns(function, features, length):
    name = f"{function}: `sensitive_features`"
    if hasattr(features, "dtypes") and hasattr(features, "columns"):  # a DataFrame, of any kind
        columns = [np.asarray(features[c]) for c in features.columns]
    else:
        array = np.asarray(features, dtype=object if isinstance(features, (list, tuple)) else None)
        if array.ndim not in (1, 2):
            message = f"{name} must have shape (N,) or (N, q); got shape {array.shape}."
            raise ValueError(message)
        columns = [array] if array.ndim == 1 else list(array.T)
    if not columns or any(len(column) != length for column in columns):
        got = f"{len(columns[0])} rows" if columns else "no column"
        message = f"{name} must have one row for each of the {length} samples; got {got}."
        raise ValueError(message)
    return columns


def _levels(function, column):
    values = column.tolist()
    missing = sum(_is_missing(value) for value in values)
    if missing:
        message = (
            f"{function}: `sensitive_features` must not have missing values; got {missing}; "
            "drop these rows, or give them a label of their own."
        )
        raise ValueError(message)
    if any(isinstance(value, float) and value != int(value) for value in values):
        message = (
            f"{function}: `sensitive_features` must be labels; got numbers that are not whole, "
            "which would make a group each; bin them first, for example with numpy.digitize."
        )
        raise ValueError(message)
    try:
        levels = sorted(set(values))
    except TypeError:  # labels of several types
        levels = sorted(set(values), key=lambda v: (type(v).__name__, str(v)))
    place = {level: k for k, level in enumerate(levels)}
    return levels, np.array([place[value] for value in values])


def _is_missing(value):
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and not np.isfinite(value)
