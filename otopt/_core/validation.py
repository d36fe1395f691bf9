"""Friendly shell: turn what users pass into arrays that the core can trust."""

from __future__ import annotations

import difflib
import operator
import os
from typing import Any

import numpy as np

from .clouds import METRICS

# Between these, products of two numbers neither overflow nor vanish.
SMALLEST, LARGEST = 1e-152, 1e152

__all__ = [
    "as_array",
    "as_cardinalities",
    "as_cardinality",
    "as_choice",
    "as_cloud",
    "as_cost",
    "as_flag",
    "as_floats",
    "as_index",
    "as_integer",
    "as_masses",
    "as_points",
    "as_positive_int",
    "as_real",
    "as_rng",
    "as_stack",
    "as_threads",
    "check_callback",
    "check_cost_given",
    "check_size",
]


def as_array(function, name, x):
    """Return x as an array of real numbers: nothing masked, nothing that NumPy makes objects of."""
    if np.ma.is_masked(x):
        message = (
            f"{function}: `{name}` must not have masked entries; got {np.ma.count_masked(x)} of "
            f"them; drop them, or use {name}.filled(value)."
        )
        raise ValueError(message)
    try:
        array = np.asarray(x)
    except ValueError:
        message = (
            f"{function}: `{name}` must be a rectangular array of numbers; "
            "got ragged nested sequences."
        )
        raise ValueError(message) from None
    except (TypeError, RuntimeError) as error:  # what tensors say that have no memory of their own
        message = f"{function}: `{name}` must hold numbers; got {type(x).__name__} ({error})."
        raise TypeError(message) from None
    if np.iscomplexobj(array):
        message = (
            f"{function}: `{name}` must be real; got dtype {array.dtype}; "
            f"pass `{name}.real` if that is meant."
        )
        raise TypeError(message)
    if array.dtype.kind not in "biuf":
        message = f"{function}: `{name}` must hold numbers; got dtype {array.dtype}."
        raise TypeError(message)
    return array


def as_floats(function, name, x, *, any_size=False):
    """Return a new float64 array of the real numbers in x, of moderate size or not finite."""
    array = as_array(function, name, x)
    with np.errstate(over="ignore"):  # long doubles: what is too large is infinite, and refused
        array = array.astype(np.float64)
    finite = array[np.isfinite(array)]
    if not any_size and finite.size:
        check_size(function, name, max(-finite.min(), finite.max()))
    return array


def check_size(function, name, largest):
    """Refuse a largest finite entry whose products with others would overflow or vanish."""
    largest = float(largest)
    if np.isfinite(largest) and largest != 0 and not SMALLEST <= abs(largest) <= LARGEST:
        message = (
            f"{function}: the largest entry of `{name}` must be 0 or between {SMALLEST:g} and "
            f"{LARGEST:g} in absolute value; got {largest:g}; rescale it."
        )
        raise ValueError(message)


def as_masses(function, name, x, length, one_for=None, *, may_vanish=False):
    """Return masses (float64, non-negative, of positive sum) and whether they were float32."""
    array = as_array(function, name, x)
    if array.ndim != 1 or len(array) == 0:
        message = f"{function}: `{name}` must be a non-empty vector; got shape {array.shape}."
        raise ValueError(message)
    if length is not None and len(array) != length:
        axis = "row" if name == "a" else "column"
        line, mend = one_for or (f"{axis} of `C`", "transpose `C` if the axes are swapped")
        message = (
            f"{function}: `{name}` must have one entry for every {line}; "
            f"got {len(array)} entries for {length} {line.split()[0]}s; {mend}."
        )
        raise ValueError(message)
    with np.errstate(over="ignore"):
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
    check_size(function, name, masses.max())
    if not masses.sum() > 0 and not may_vanish:
        message = (
            f"{function}: `{name}` must have a positive sum; got all zeros; "
            "there is nothing to transport."
        )
        raise ValueError(message)
    single = np.issubdtype(array.dtype, np.floating) and array.dtype.itemsize < 8
    return masses, single


def _range(array):
    return array.min(), array.max()


def as_cost(function, name, x, find_range=_range):
    """Return a finite matrix, float32 if given so and float64 otherwise, and its range.

    `find_range` returns its least and its largest entry (or of a part of it), and something that is
    not finite where any entry is.
    """
    array = as_array(function, name, x)
    if array.ndim != 2 or 0 in array.shape:
        message = (
            f"{function}: `{name}` must be a non-empty matrix, rows are sources and columns are "
            f"targets; got shape {array.shape}."
        )
        raise ValueError(message)
    if array.dtype not in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    low, high = (float(x) for x in find_range(array))
    if not (np.isfinite(low) and np.isfinite(high)):
        i, j = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        message = (
            f"{function}: `{name}` must be finite; got {name}[{i}, {j}] = {array[i, j]}; "
            "give forbidden pairs a large finite cost."
        )
        raise ValueError(message)
    check_size(function, name, max(abs(low), abs(high)))
    return array, low, high


def as_choice(function, name, x, choices):
    """Return the place of x among `choices`."""
    if isinstance(x, str) and x in choices:
        return choices.index(x)
    near = difflib.get_close_matches(x, choices, n=1) if isinstance(x, str) else []
    hint = f"; did you mean {near[0]!r}?" if near else "."
    message = f"{function}: `{name}` must be one of {', '.join(choices)}; got {x!r}{hint}"
    raise ValueError(message)


def as_cloud(function, name, x):
    """Return finite points (n, d), float32 if given so and float64 otherwise."""
    array = as_array(function, name, x)
    if array.ndim != 2 or 0 in array.shape:
        message = (
            f"{function}: `{name}` must be a non-empty matrix with one point a row; got shape "
            f"{array.shape}; give points on a line as {name}[:, None]."
        )
        raise ValueError(message)
    if array.dtype not in (np.float32, np.float64):
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if not np.isfinite(array).all():
        i, t = np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape)
        message = (
            f"{function}: `{name}` must be finite; got {name}[{i}, {t}] = {array[i, t]}; "
            "drop or fill in such points."
        )
        raise ValueError(message)
    check_size(function, name, np.abs(array).max())
    return array


def _as_directions(function, name, points):
    # Unit vectors in float64: rounding them to float32 would change the cost.
    points = points.astype(np.float64)
    points /= np.maximum(np.abs(points).max(axis=1, keepdims=True), np.finfo(float).tiny)
    norm = np.linalg.norm(points, axis=1, keepdims=True)
    if (norm == 0).any():
        message = (
            f"{function}: `{name}` must not hold the origin where `metric` is 'cosine'; got "
            f"{name}[{int(norm.argmin())}] = 0; drop that point or use another metric."
        )
        raise ValueError(message)
    return points / norm


def as_points(function, X, Y, metric):
    """Return two clouds of one dimension and dtype, and the place of `metric` in METRICS.

    For the cosine the points are unit vectors, half of whose squared distance it is.
    """
    place = as_choice(function, "metric", metric, METRICS)
    X, Y = as_cloud(function, "X", X), as_cloud(function, "Y", Y)
    if X.shape[1] != Y.shape[1]:
        message = (
            f"{function}: `X` and `Y` must have the same number of columns (dimensions); got "
            f"{X.shape[1]} and {Y.shape[1]}; points are rows."
        )
        raise ValueError(message)
    if X.dtype != Y.dtype:
        X, Y = X.astype(np.float64), Y.astype(np.float64)
    if METRICS[place] == "cosine":
        return _as_directions(function, "X", X), _as_directions(function, "Y", Y), place
    extent = float(np.abs(X).max()) + float(np.abs(Y).max())
    if not extent < np.sqrt(np.finfo(float).max / (4 * X.shape[1])):
        message = (
            f"{function}: `X` and `Y` must have finite squared distances; got coordinates up to "
            f"{extent:.3g}; rescale the points."
        )
        raise ValueError(message)
    return X, Y, place


def check_cost_given(function, C, X, Y, metric):
    """Refuse all but a matrix alone and two clouds alone, and metrics that do not exist."""
    given = [name for name, x in (("C", C), ("X", X), ("Y", Y)) if x is not None]
    if given not in (["C"], ["X", "Y"]):
        message = (
            f"{function}: the cost must be given either as `C` or by both `X` and `Y`; got "
            f"{' and '.join(f'`{name}`' for name in given) or 'none of them'}; leave out the rest."
        )
        raise TypeError(message)
    as_choice(function, "metric", metric, METRICS)


def as_stack(function, name, x, ndim, shape):
    """Return a finite array of `ndim` axes, float32 or float64; None in `shape` is any length."""
    array = as_array(function, name, x)
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
        with np.errstate(over="ignore"):
            array = array.astype(np.float64)
    if not np.isfinite(array).all():
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        message = f"{function}: `{name}` must be finite; got {name}{list(index)} = {array[index]}."
        raise ValueError(message)
    check_size(function, name, np.abs(array).max())
    return array


def as_cardinality(function, name, k, n):
    """Return k as an int in 1..n; None and k > n mean no constraint."""
    return n if k is None else min(_as_count(function, name, k, "None (no constraint)"), n)


def as_cardinalities(function, name, k, n, m, *, side="column"):
    """Return k as integers in 1..n, (m,): one for all columns, or one for each."""
    if k is None or np.ndim(k) == 0:
        others = f"None (no constraint), or hold one for every {side}"
        return np.full(m, n if k is None else min(_as_count(function, name, k, others), n))
    rule = f"{function}: `{name}` must be integers >= 1, one for every {side}"
    counts = as_array(function, name, k)
    if counts.shape != (m,):
        message = f"{rule}, of shape ({m},); got shape {counts.shape}."
        raise ValueError(message)
    if counts.dtype.kind not in "iu":
        message = f"{rule}; got dtype {counts.dtype}; use np.rint(k).astype(int)."
        raise TypeError(message)
    if (counts < 1).any():
        j = int(np.argmax(counts < 1))
        message = f"{rule}; got {name}[{j}] = {counts[j]}; leave that one out."
        raise ValueError(message)
    # n may be too large for the dtype of the counts.
    return np.minimum(counts, np.int64(n)).astype(np.int64)


def _as_count(function, name, k, others):
    rule = f"{function}: `{name}` must be an integer >= 1 or {others}"
    if isinstance(k, (bool, np.bool_)):
        message = f"{rule}; got {k!r}."
        raise TypeError(message)
    try:
        k = as_index(k)
    except TypeError:
        message = f"{rule}; got {k!r} of type {type(k).__name__}; round it first."
        raise TypeError(message) from None
    if k < 1:
        message = f"{rule}; got {k}."
        raise ValueError(message)
    return k


def as_real(function, name, x, *, low, strict=False, sized=False):
    """Return x as a finite float >= low (> low where strict), of moderate size where `sized`."""
    sign = ">" if strict else ">="
    rule = f"{function}: `{name}` must be a finite number {sign} {low:g}"
    is_scalar = getattr(x, "ndim", 0) == 0 and x is not np.ma.masked
    try:
        value = float(x) if is_scalar and not isinstance(x, (str, bytes)) else None
    except (TypeError, ValueError, RuntimeError, OverflowError):
        value = None
    if value is None:
        message = f"{rule}; got {x!r}."
        raise TypeError(message)
    if not np.isfinite(value) or value < low or (strict and value == low):
        message = f"{rule}; got {x!r}."
        raise ValueError(message)
    if sized:
        check_size(function, name, value)
    return value


def check_callback(function, callback):
    """Refuse what can not be called."""
    if callback is not None and not callable(callback):
        message = f"{function}: `callback` must be callable; got {type(callback).__name__}."
        raise TypeError(message)


def as_flag(function, name, x, *, optional=False) -> Any:
    """Return x as True or False, or None where that is an option."""
    if optional and x is None:
        return None
    if not isinstance(x, (bool, np.bool_, int, np.integer)):
        message = f"{function}: `{name}` must be True or False; got {x!r}."
        raise TypeError(message)
    return bool(x)


def as_index(x):
    """Return x as an int; TypeError for what is none, tensors without memory included."""
    try:
        return operator.index(x)
    except RuntimeError as error:
        raise TypeError(str(error)) from None


def as_integer(function, name, x, *, low, below=None):
    """Return x as an int >= low, and < below where that is given."""
    rule = f"{function}: `{name}` must be an integer >= {low}"
    rule += "" if below is None else f" and below {below}"
    try:
        value = as_index(x)
    except TypeError:
        message = f"{rule}; got {x!r} of type {type(x).__name__}."
        raise TypeError(message) from None
    if value < low or (below is not None and value >= below):
        message = f"{rule}; got {value}."
        raise ValueError(message)
    return value


def as_positive_int(function, name, x):
    """Return x as an int >= 1."""
    return as_integer(function, name, x, low=1)


def as_rng(function, rng):
    """Return the generator that `numpy.random.default_rng` makes of rng (SPEC 7)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError, RuntimeError) as error:
        message = f"{function}: `rng` must be what numpy.random.default_rng takes; got {rng!r}."
        raise (ValueError if isinstance(error, ValueError) else TypeError)(message) from None


def as_threads(function, workers):
    """Return a number of threads; -1 is one for every core that this process may use."""
    if not isinstance(workers, (int, np.integer)) or workers != -1:
        return as_positive_int(function, "workers", workers)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
