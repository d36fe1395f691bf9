"""Results between NumPy, in which they are computed, and torch, in which they may be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from otopt._backend import TensorHome, as_numpy, is_tensor

from .result import OTResult, Potentials

__all__ = ["as_tensors", "result_as_numpy"]


def as_tensors(result: OTResult, home: TensorHome) -> OTResult:
    """Return the result with tensors for arrays."""
    relaxed = result.relaxed
    if relaxed is not None:
        relaxed = replace(
            relaxed,
            entries=home.sparse(relaxed.plan),
            excess_columns=home.integer(relaxed.excess_columns),
        )
    return replace(
        result,
        rows=home.integer(result.rows),
        mass=home.real(result.mass),
        k=result.k if isinstance(result.k, int) else home.integer(result.k),
        value=home.real(result.value),
        potentials=Potentials(*(home.real(x) for x in result.potentials)),
        relaxed=relaxed,
    )


def result_as_numpy(result: OTResult) -> OTResult:
    """Return the result with what a warm start reads as NumPy arrays."""
    if not is_tensor(result.mass):
        return result
    relaxed = result.relaxed
    if relaxed is not None:
        relaxed = replace(relaxed, entries=_matrix(relaxed.plan))
    source, target = (_double(x) for x in result.potentials)
    mass: Any = result.mass
    return replace(
        result,
        rows=as_numpy(result.rows),
        mass=_double(mass),
        relaxed=relaxed,
        potentials=Potentials(source, target),
    )


def _matrix(tensor: Any):
    from scipy.sparse import csc_array

    rows, columns = tensor.indices().cpu().numpy()
    return csc_array((_double(tensor.values()), (rows, columns)), shape=tuple(tensor.shape))


def _double(x: Any):
    return x.detach().cpu().double().numpy()
