"""The user's function: checked, never trusted with our arrays, in this process or in others."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from typing import Any

import numpy as np

__all__ = ["Objective", "WorkersDied", "as_workers"]


class WorkersDied(RuntimeError):
    """A process of the pool ended; what it worked on is lost."""


class _Guarded:
    """Returns the exception that the function raises, so that it survives a pool."""

    def __init__(self, fun, args):
        self.fun, self.args = fun, args

    def __call__(self, x):
        try:
            return self.fun(x, *self.args)
        except Exception as error:  # noqa: BLE001 (handed back, and judged there)
            return error


def as_workers(function, workers):
    """Return the number of processes, or None and a map-like callable."""
    if callable(workers):
        return None, workers
    rule = f"{function}: `workers` must be -1, a positive integer or a callable like map"
    if isinstance(workers, bool) or not isinstance(workers, (int, np.integer)):
        message = f"{rule}; got {workers!r} of type {type(workers).__name__}."
        raise TypeError(message)
    if workers == -1:
        return os.cpu_count() or 1, None
    if workers < 1:
        message = f"{rule}; got {workers}."
        raise ValueError(message)
    return int(workers), None


class Objective:
    """Values of a function at rows of an array; a context manager, since it may hold processes.

    Points where it raises, or returns NaN or +inf, have the value +inf and are counted. The first
    evaluation is different: what it raises is the user's to see.
    """

    def __init__(self, function, fun, args=(), *, vectorized=False, workers=1):
        if not callable(fun):
            message = f"{function}: `fun` must be callable; got {type(fun).__name__}."
            raise TypeError(message)
        self.function, self.vectorized = function, vectorized
        self.guarded = _Guarded(fun, args)
        self.workers, mapping = as_workers(function, workers)
        self.map: Any = mapping
        self.calls = self.failed = 0
        self.last_error = ""
        self._pool = None

    @property
    def width(self):
        """How many points are worth handing over at once; None for any number."""
        return None if self.vectorized or self.map else self.workers

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            self._pool = None

    def __call__(self, points):
        """Values (k,) at the rows of points (k, n)."""
        returned = self._evaluate(np.array(points, float))
        return np.array([self._judge(value) for value in returned])

    def _evaluate(self, points):
        if self.vectorized:
            values = self.guarded(points.T.copy())
            if isinstance(values, Exception):
                return [values] * len(points)
            shape = np.shape(values)
            if shape != (len(points),):
                message = (
                    f"{self.function}: `fun` must return shape (S,) for an array (n, S) where "
                    f"`vectorized`; got shape {shape} for S = {len(points)}."
                )
                raise ValueError(message)
            return list(np.asarray(values))
        copies = [point.copy() for point in points]
        if self.map is not None:
            return list(self.map(self.guarded, copies))
        if self.workers == 1 or len(points) == 1:
            return [self.guarded(point) for point in copies]
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.workers)
        try:
            return list(self._pool.map(self.guarded, copies))
        except BrokenExecutor as error:
            raise WorkersDied(str(error)) from error

    def _judge(self, value):
        is_first, self.calls = self.calls == 0, self.calls + 1
        if isinstance(value, Exception):
            if is_first or isinstance(value, (AttributeError, NameError)):
                raise value
            self.failed += 1
            self.last_error = f"{type(value).__name__}: {value}"
            return np.inf
        array = np.asarray(value)
        if array.size != 1 or array.dtype.kind not in "fiub":
            message = (
                f"{self.function}: `fun` must return one real number; got "
                f"{type(value).__name__} of shape {array.shape} and dtype {array.dtype}; "
                "return the sum or the maximum of several."
            )
            raise TypeError(message)
        number = float(array.reshape(()))
        if np.isnan(number) or number == np.inf:
            self.failed += 1
            return np.inf
        return number
