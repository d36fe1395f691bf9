"""Files that say how far a search is."""

from __future__ import annotations

import os
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

__all__ = ["INTERVAL", "Checkpoint", "read", "write"]

INTERVAL = 30.0  # seconds between writes


def read(function, path, digest):
    """The arrays by name, or None without a file; refuses what is no file of this search."""
    if path is None:
        return None
    if not isinstance(path, (str, os.PathLike)):
        message = f"{function}: `checkpoint` must be a path; got {path!r}."
        raise TypeError(message)
    _check_writable(function, path)
    if not Path(path).exists():
        return None
    try:
        with Path(path).open("rb") as file, np.load(file) as members:
            arrays = dict(members)
        known = str(arrays["digest"])
    except (
        OSError, EOFError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error
    ):  # fmt: skip
        message = (
            f"{function}: `checkpoint` must be a file that an earlier call wrote; {path} is none; "
            "give another path, or delete it to start anew."
        )
        raise ValueError(message) from None
    if known != digest:
        message = (
            f"{function}: `checkpoint` must come from a search with the same arguments; {path} "
            "does not; delete it to start anew."
        )
        raise ValueError(message)
    return arrays


def _check_writable(function, path):
    """Refuse now what would fail once all the work is done."""
    partial = _partial(path)
    try:
        if Path(path).is_dir():
            raise IsADirectoryError(None, "it is a folder")
        partial.touch()
        partial.unlink()
    except OSError as error:
        message = (
            f"{function}: `checkpoint` must be a path that can be written; got {path} "
            f"({error.strerror}); make its folder, or give another path."
        )
        raise ValueError(message) from None


def _partial(path):
    return Path(f"{os.fspath(path)}.partial")


def write(function, path, digest, **arrays):
    """Replace the file in one step; a warning where that fails, for the search must not."""
    try:
        with _partial(path).open("wb") as file:
            np.savez(file, digest=digest, **arrays)
        _partial(path).replace(path)
    except OSError as error:
        message = (
            f"{function}: `checkpoint` {path} could not be written ({error.strerror}); the search "
            "goes on without it."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=2)


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
        self.error = "" if known is None else str(known["error"])
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

    def record(self, point, value, error=""):
        """Append one evaluation, and the last error so far; written now and then."""
        if self.path is None:
            return
        self.error = error
        self.points.append(point.copy())
        self.values.append(value)
        if time.monotonic() - self.written > INTERVAL:
            self.write()

    def write(self):
        """All that is known, unless the file knows more."""
        if self.path is None or len(self.values) < len(self.known_values):
            return
        points = np.array(self.points).reshape(len(self.points), self.known_points.shape[1])
        write(
            self.function, self.path, self.digest, points=points, values=np.array(self.values),
            error=self.error,
        )  # fmt: skip
        self.written = time.monotonic()
