"""Results between NumPy, in which they are computed, and torch, in which they may be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from otopt._backend import TensorHome, is_tensor

from .result import OTResult, Potentials

__all__ = ["as_numpy", "as_tensors"]


def as_tensors(result: OTResult, home: TensorHome) -> OTResult:
    """Return the result with tensors for arrays."""
    relaxed = replace(
        result.relaxed,
        plan=home.sparse(result.relaxed.plan),
        excess_columns=home.integer(result.relaxed.excess_columns),
    )
    return replace(
        result,
        rows=home.integer(result.rows),
        mass=home.real(result.mass),
        value=home.real(result.value),
        potentials=Potentials(*(home.real(x) for x in result.potentials)),
        relaxed=relaxed,
    )


def as_numpy(result: OTResult) -> OTResult:
    """Return the result with what a warm start reads as NumPy arrays."""
    if not is_tensor(result.mass):
        return result
    from scipy.sparse import csc_array

    tensor: Any = result.relaxed.plan
    rows, columns = tensor.indices().cpu().numpy()
    plan = csc_array((_double(tensor.values()), (rows, columns)), shape=tuple(tensor.shape))
    source, target = (_double(x) for x in result.potentials)
    return replace(
        result,
        relaxed=replace(result.relaxed, plan=plan),
        potentials=Potentials(source, target),
    )


def _double(x: Any):
    return x.detach().cpu().double().numpy()
