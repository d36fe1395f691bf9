"""Bounding the rows in place of the columns: the transposed problem, and its result turned back."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from otopt._core.validation import as_cost, as_masses

from .result import OTResult, Potentials

__all__ = ["as_axis", "check_orientation", "transposed_result"]


def as_axis(function, axis):
    """Return 0 or 1."""
    if not isinstance(axis, (int, np.integer)) or isinstance(axis, bool) or axis not in (0, 1):
        message = (
            f"{function}: `axis` must be 0 (k bounds every column) or 1 (every row); got {axis!r}."
        )
        raise ValueError(message)
    return int(axis)


def check_orientation(function, a, b, C):
    """Check a matrix and its masses as they were given: errors name them by their own names."""
    cost, _, _ = as_cost(function, "C", C)
    as_masses(function, "a", a, cost.shape[0])
    as_masses(function, "b", b, cost.shape[1])
    return cost


def transposed_result(result: OTResult) -> OTResult:
    """The result of the transposed problem, in NumPy; its own inverse."""
    relaxed = result.relaxed
    if relaxed is not None:
        relaxed = replace(relaxed, entries=relaxed.plan.T.tocsc())
    return replace(
        result,
        axis=1 - result.axis,
        potentials=Potentials(*result.potentials[::-1]),
        relaxed=relaxed,
        message=_exchanged(result.message),
    )


def _exchanged(message):
    """The message with rows for columns and columns for rows."""
    other = {"row": "column", "column": "row"}
    return re.sub(r"\b(row|column)(s?)\b", lambda word: other[word[1]] + word[2], message)
