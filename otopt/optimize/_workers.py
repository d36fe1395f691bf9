"""The map that evaluations go through: the user's, plain, or over processes of ours."""

from __future__ import annotations

import os
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np

__all__ = ["Workers", "WorkersDied"]


class WorkersDied(RuntimeError):
    """A process of the pool ended; what it worked on is lost."""


class Workers:
    """What `workers` stands for; a context manager, whose processes start when they are needed.

    `count` is the number of processes, None where the user gave a map.
    """

    def __init__(self, function, workers):
        self.function = function
        self.count, self.given = _as_workers(function, workers)
        self._pool: Any = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self._pool is not None:
            self._pool.shutdown(wait=kind is None, cancel_futures=True)
            self._pool = None

    def map(self, fun, items):
        """Results in order; `WorkersDied` where a process did."""
        if self.count is None:
            yield from self.given(fun, items)
        elif self.count == 1:
            yield from map(fun, items)
        else:
            if self._pool is None:
                _check_travels(self.function, fun)
                self._pool = ProcessPoolExecutor(self.count)
            try:
                yield from self._pool.map(fun, items)
            except BrokenExecutor as error:
                raise WorkersDied(str(error)) from error


def _check_travels(function, fun):
    """Refuse what processes cannot be sent, in words of ours."""
    try:
        ForkingPickler.dumps(fun)  # as the pool will
    except Exception as error:  # noqa: BLE001  (a method of the object may raise anything)
        message = (
            f"{function}: functions and their arguments must pickle where `workers` is a number; "
            f"got {type(error).__name__} ({error}); define functions at the top of a module and "
            "not by lambda, or let threads evaluate: workers=ThreadPoolExecutor(4).map."
        )
        raise TypeError(message) from None


def _as_workers(function, workers) -> tuple[Any, Any]:
    """The number of processes and None, or None and a map-like callable."""
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
