"""Leading dimensions and ragged sequences, as lists of single problems."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from otopt._backend import check_dense_on_cpu, is_tensor
from otopt._core.validation import as_array

__all__ = ["as_problems"]


def as_problems(function, a, b, C, k=None):
    """List of ``(a, b, C, k)`` of single problems: arrays that broadcast, or sequences in step."""
    given = {"a": (a, 1), "b": (b, 1), "C": (C, 2)}
    is_single = not isinstance(k, (list, tuple)) and getattr(k, "ndim", 0) == 0
    if not is_single:
        given["k"] = k, 1
    arrays: dict[str, Any] = {
        name: _as_array(function, name, x, ndim) for name, (x, ndim) in given.items()
    }
    ragged = {name: len(x) for name, x in arrays.items() if isinstance(x, list)}
    if ragged:
        problems = _in_step(function, arrays, ragged)
        return [(*problem, k) for problem in problems] if is_single else problems
    leading = {name: tuple(x.shape[: x.ndim - given[name][1]]) for name, x in arrays.items()}
    try:
        shape = np.broadcast_shapes(*leading.values())
    except ValueError:
        message = (
            f"{function}: leading dimensions of `a`, `b`, `C` and `k` must broadcast; "
            f"got {', '.join(f'{name} {s}' for name, s in leading.items())}."
        )
        raise ValueError(message) from None
    flat = []
    for name, x in arrays.items():
        single = tuple(x.shape[x.ndim - given[name][1] :])
        target = (*shape, *single)
        spread = x.broadcast_to(target) if is_tensor(x) else np.broadcast_to(x, target)
        flat.append(spread.reshape(math.prod(shape), *single))
    if is_single:
        flat.append([k] * len(flat[0]))
    return list(zip(*flat, strict=True))


def _as_array(function, name, x, ndim):
    """An array or tensor; a list of them where they are ragged."""
    if not hasattr(x, "ndim") and hasattr(x, "__array__"):
        x = as_array(function, name, x)
    if not hasattr(x, "ndim"):
        try:
            items = list(x)
        except TypeError:
            message = f"{function}: `{name}` must be an array or a sequence of arrays; got {x!r}."
            raise TypeError(message) from None
        if not items:
            return []
        if all(getattr(item, "ndim", None) == ndim for item in items):
            return items  # problem by problem, of one shape or of many
        try:
            x = np.asarray(items)
        except ValueError:
            return [as_array(function, name, item) for item in items]
    check_dense_on_cpu(function, name, x)
    if x.ndim < ndim:
        message = (
            f"{function}: `{name}` must have at least {ndim} dimension(s), the leading ones count "
            f"problems; got shape {tuple(x.shape)}."
        )
        raise ValueError(message)
    return x


def _in_step(function, arrays, ragged):
    count = max(ragged.values())
    columns = []
    for name, x in arrays.items():
        ndim = 2 if name == "C" else 1
        is_shared = not isinstance(x, list) and x.ndim == ndim
        items = [x] * count if is_shared else list(x)
        if len(items) != count or (not isinstance(x, list) and x.ndim > ndim + 1):
            message = (
                f"{function}: `{name}` must hold one array for each of the {count} problems, or "
                f"be one for all; got {len(items)}."
            )
            raise ValueError(message)
        columns.append(items)
    return list(zip(*columns, strict=True))
