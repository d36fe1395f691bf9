"""A digest of arguments by their values, the same in every process."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["digest"]

SCALARS = (bool, int, float, complex, str, bytes, type(None), np.generic)


def digest(*arguments):
    """Hex digest, the same for the same values.

    Arrays count by their bytes, other objects by their attributes. All callables are the same: what
    they compute cannot be read off.
    """
    sha = hashlib.sha256()
    _update(sha, arguments, ())
    return sha.hexdigest()


def _update(sha, value, around):
    """Feed a value; `around` are the ids of what it lies in, which it may hold itself."""
    if isinstance(value, np.generic):
        value = value.item()
    array = _as_array(value)
    kind = "sequence" if isinstance(value, (list, tuple)) else type(value).__name__
    if id(value) in around:
        sha.update(b"cycle;")
    elif isinstance(value, SCALARS):
        sha.update(f"{kind} {value!r};".encode())
    elif array is not None and array.dtype != object:
        sha.update(f"{array.dtype.str} {array.shape};".encode() + array.tobytes())
    elif callable(value):
        sha.update(b"callable;")
    else:
        parts = array.tolist() if array is not None else _parts(value)
        sha.update(f"{kind} {len(parts)};".encode())
        for part in parts:
            _update(sha, part, (*around, id(value)))


def _as_array(value):
    try:
        return np.asarray(value) if hasattr(value, "__array__") else None
    except (TypeError, ValueError, RuntimeError):  # tensors that only their device can read
        return None


def _parts(value):
    """What a container or another object consists of, in an order of its own."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (set, frozenset)):
        return sorted(map(digest, value))
    pairs = value.items() if isinstance(value, dict) else getattr(value, "__dict__", {}).items()
    return sorted(((digest(key), part) for key, part in pairs), key=lambda pair: pair[0])
