"""The user's function: checked, never trusted with our arrays, in this process or in others."""

from __future__ import annotations

import numpy as np

from ._workers import Workers

__all__ = ["Objective", "as_number", "check_shape"]


class _Guarded:
    """Returns the exception that the function raises, so that it survives a pool."""

    def __init__(self, fun, args):
        self.fun, self.args = fun, args

    def __call__(self, x):
        try:
            return self.fun(x, *self.args)
        except Exception as error:  # noqa: BLE001 (handed back, and judged there)
            return error


def as_number(function, value):
    """What the user's function returned as a float."""
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        message = (
            f"{function}: `fun` must return one real number; got {type(value).__name__} of shape "
            f"{array.shape} and dtype {array.dtype}; return the sum or the maximum of several."
        )
        raise TypeError(message)
    return float(array.reshape(()))


def check_shape(function, values, count):
    """What a vectorized function returned for `count` points as an array."""
    if np.shape(values) != (count,):
        message = (
            f"{function}: `fun` must return shape (S,) for an array (n, S) where `vectorized`; got "
            f"shape {np.shape(values)} for S = {count}."
        )
        raise ValueError(message)
    return np.asarray(values)


class Objective:
    """Values of a function at rows of an array; a context manager, since it may hold processes.

    Points where it raises, or returns NaN or +inf, have the value +inf and are counted. The first
    evaluation is different, unless one was recalled: what it raises is the user's to see.
    """

    def __init__(self, function, fun, args=(), *, vectorized=False, workers=1):
        if not callable(fun):
            message = f"{function}: `fun` must be callable; got {type(fun).__name__}."
            raise TypeError(message)
        self.function, self.vectorized = function, vectorized
        self.guarded = _Guarded(fun, args)
        self.workers = Workers(function, workers)
        self.calls = self.failed = 0
        self.last_error = ""

    @property
    def width(self):
        """How many points are worth handing over at once; None for any number."""
        return None if self.vectorized else self.workers.count

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        self.workers.__exit__(kind, *rest)

    def __call__(self, points):
        """Values (k,) at the rows of points (k, n)."""
        returned = self._evaluate(np.array(points, float))
        return np.array([self._judge(value) for value in returned])

    def recall(self, value):
        """Count an evaluation of an earlier call, whose value is known."""
        self.calls += 1
        self.failed += value == np.inf

    def _evaluate(self, points):
        if self.vectorized:
            values = self.guarded(points.T.copy())
            if isinstance(values, Exception):
                return [values] * len(points)
            return list(check_shape(self.function, values, len(points)))
        copies = [point.copy() for point in points]
        if len(points) == 1 and self.workers.count:  # not worth a process
            return [self.guarded(copies[0])]
        return list(self.workers.map(self.guarded, copies))

    def _judge(self, value):
        is_first, self.calls = self.calls == 0, self.calls + 1
        if isinstance(value, Exception):
            if is_first or isinstance(value, (AttributeError, NameError)):
                raise value
            self.failed += 1
            self.last_error = f"{type(value).__name__}: {value}"
            return np.inf
        number = as_number(self.function, value)
        if np.isnan(number) or number == np.inf:
            self.failed += 1
            return np.inf
        return number
