"""Files that say how far a search is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np

__all__ = ["INTERVAL", "Checkpoint", "read", "write"]

INTERVAL = 30.0  # seconds between writes


def read(function, path, digest):
    """The arrays by name, or None without a file; refuses files of another search."""
    if path is not None and not isinstance(path, (str, os.PathLike)):
        message = f"{function}: `checkpoint` must be a path; got {path!r}."
        raise TypeError(message)
    if path is None or not Path(path).exists():
        return None
    with np.load(path) as file:
        arrays = dict(file)
    if str(arrays["digest"]) != digest:
        message = (
            f"{function}: `checkpoint` must come from a search with the same arguments; {path} "
            "does not; delete it to start anew."
        )
        raise ValueError(message)
    return arrays


def write(path, digest, **arrays):
    """Replace the file in one step."""
    partial = Path(f"{path}.partial")
    with partial.open("wb") as file:
        np.savez(file, digest=digest, **arrays)
    partial.replace(path)


class Checkpoint:
    """Evaluations in order, in a file: a search that is run again is answered from it first.

    Searches are functions of the answers they get, so nothing else needs to be kept.
    """

    def __init__(self, function, path, digest, n):
        self.function, self.path, self.digest = function, path, digest
        self.points, self.values = [], []
        known = read(function, path, digest)
        self.known_points = np.empty((0, n)) if known is None else known["points"]
        self.known_values = np.empty(0) if known is None else known["values"]
        self.written = time.monotonic()

    def recall(self, point):
        """The recorded value of the next evaluation, or None."""
        k = len(self.values)
        if k >= len(self.known_values):
            return None
        if not np.array_equal(self.known_points[k], point):
            message = (
                f"{self.function}: evaluation {k} of `checkpoint` was at another point; it was "
                "written with other versions or on another machine; delete it to start anew."
            )
            raise ValueError(message)
        return float(self.known_values[k])

    def record(self, point, value):
        """Append one evaluation; written now and then."""
        if self.path is None:
            return
        self.points.append(point.copy())
        self.values.append(value)
        if time.monotonic() - self.written > INTERVAL:
            self.write()

    def write(self):
        """All that is known, unless the file knows more."""
        if self.path is None or len(self.values) < len(self.known_values):
            return
        points = np.array(self.points).reshape(len(self.points), -1)
        write(self.path, self.digest, points=points, values=np.array(self.values))
        self.written = time.monotonic()
