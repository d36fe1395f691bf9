"""Friendly shell: turn what users pass into arrays that the core can trust."""

from __future__ import annotations

import operator

import numpy as np

__all__ = [
    "as_cardinality",
    "as_cost",
    "as_masses",
    "as_points",
    "as_positive_int",
    "as_real",
    "as_stack",
]


def _as_array(function, name, x):
    try:
        array = np.asarray(x)
    except ValueError:
        message = (
            f"{function}: `{name}` must be a rectangular array of numbers; "
            "got ragged nested sequences."
        )
        raise ValueError(message) from None
    if np.iscomplexobj(array):
        message = (
            f"{function}: `{name}` must be real; got dtype {array.dtype}; "
            f"pass `{name}.real` if that is meant."
        )
        raise TypeError(message)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        message = f"{function}: `{name}` must hold numbers; got dtype {array.dtype}."
        raise TypeError(message)
    return array


def as_masses(function, name, x, length):
    """Return masses (float64, non-negative, of positive sum) and whether they were float32."""
    array = _as_array(function, name, x)
    if array.ndim != 1 or len(array) == 0:
        message = f"{function}: `{name}` must be a non-empty vector; got shape {array.shape}."
        raise ValueError(message)
    if length is not None and len(array) != length:
        axis = "row" if name == "a" else "column"
        message = (
            f"{function}: `{name}` must have one entry for every {axis} of `C`; "
            f"got {len(array)} entries for {length} {axis}s; transpose `C` if the axes are swapped."
        )
        raise ValueError(message)
    masses = array.astype(np.float64)
    if not np.isfinite(masses).all():
        index = int(np.flatnonzero(~np.isfinite(masses))[0])
        message = f"{function}: `{name}` must be finite; got {name}[{index}] = {array[index]}."
        raise ValueError(message)
    if (masses < 0).any():
        index = int(masses.argmin())
        message = (
            f"{function}: `{name}` must be non-negative; got {name}[{index}] = {array[index]}; "
            "masses cannot be signed."
        )
        raise ValueError(message)
    if not masses.sum() > 0:
        message = (
            f"{function}: `{name}` must have a positive sum; got all zeros; "
            "there is nothing to transport."
        )
        raise ValueError(message)
    single = np.issubdtype(array.dtype, np.floating) and array.dtype.itemsize < 8
    return masses, single


def as_cost(function, name, x):
    """Return a finite matrix, float32 if given so and float64 otherwise, and its range."""
    array = _as_array(function, name, x)
    if array.ndim != 2 or 0 in array.shape:
        message = (
            f"{function}: `{name}` must be a non-empty matrix, rows are sources and columns are "
            f"targets; got shape {array.shape}."
        )
        raise ValueError(message)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    low, high = float(array.min()), float(array.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        i, j = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        message = (
            f"{function}: `{name}` must be finite; got {name}[{i}, {j}] = {array[i, j]}; "
            "give forbidden pairs a large finite cost."
        )
        raise ValueError(message)
    return array, low, high


def as_points(function, name, x):
    """Return finite points (n, d) as a C-contiguous float64 array."""
    array = _as_array(function, name, x)
    if array.ndim != 2 or 0 in array.shape:
        message = (
            f"{function}: `{name}` must be a non-empty matrix, one point a row; "
            f"got shape {array.shape}; write points of a line as a column."
        )
        raise ValueError(message)
    array = np.ascontiguousarray(array, np.float64)
    if not np.isfinite(array).all():
        i, j = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        message = f"{function}: `{name}` must be finite; got {name}[{i}, {j}] = {array[i, j]}."
        raise ValueError(message)
    return array


def as_stack(function, name, x, ndim, shape):
    """Return a finite array of `ndim` axes, float32 or float64; None in `shape` is any length."""
    array = _as_array(function, name, x)
    fits = array.ndim == ndim and all(
        size in (None, have) for size, have in zip(shape, array.shape, strict=True)
    )
    if not fits or 0 in array.shape:
        wanted = tuple("any" if size is None else size for size in shape)
        message = (
            f"{function}: `{name}` must be a non-empty array of shape {wanted}; "
            f"got shape {array.shape}."
        )
        raise ValueError(message)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        message = f"{function}: `{name}` must be finite; got {name}{list(index)} = {array[index]}."
        raise ValueError(message)
    return array


def as_cardinality(function, name, k, n):
    """Return k as an int in 1..n; None and k > n mean no constraint."""
    if k is None:
        return n
    rule = f"{function}: `{name}` must be an integer >= 1 or None (no constraint)"
    if isinstance(k, (bool, np.bool_)):
        message = f"{rule}; got {k!r}."
        raise TypeError(message)
    try:
        k = operator.index(k)
    except TypeError:
        message = f"{rule}; got {k!r} of type {type(k).__name__}; round it first."
        raise TypeError(message) from None
    if k < 1:
        message = f"{rule}; got {k}."
        raise ValueError(message)
    return min(k, n)


def as_real(function, name, x, *, low, strict=False):
    """Return x as a finite float >= low (> low where strict)."""
    sign = ">" if strict else ">="
    rule = f"{function}: `{name}` must be a finite number {sign} {low:g}"
    try:
        value = float(x)
    except (TypeError, ValueError):
        message = f"{rule}; got {x!r}."
        raise TypeError(message) from None
    if not np.isfinite(value) or value < low or (strict and value == low):
        message = f"{rule}; got {x!r}."
        raise ValueError(message)
    return value


def as_positive_int(function, name, x):
    """Return x as an int >= 1."""
    rule = f"{function}: `{name}` must be an integer >= 1"
    try:
        value = operator.index(x)
    except TypeError:
        message = f"{rule}; got {x!r} of type {type(x).__name__}."
        raise TypeError(message) from None
    if value < 1:
        message = f"{rule}; got {value}."
        raise ValueError(message)
    return value
