"""Scores, capacities and masses of rows, checked on the way in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otopt._backend import (
    TensorHome,
    as_numpy,
    check_dense,
    is_tensor,
    kernels,
    numpy_views,
    torch_kernels,
    torch_module,
)
from otopt._core.validation import as_array, as_floats, as_index, check_size

__all__ = ["Rows", "as_count", "read_capacity", "read_price", "read_rows"]


@dataclass(frozen=True)
class Rows:
    """Scores (n, m) in the arrays of the kernels that serve them, and where answers go to."""

    S: Any
    weight: Any  # (n,) float64
    mass: Any  # its sum: a float on the CPU, a tensor without dimensions elsewhere
    kernels: Any
    home: TensorHome | None

    @property
    def on_host(self):
        """Whether NumPy arrays are worked on."""
        return isinstance(self.S, np.ndarray)

    def real(self, x):
        """An array or number of the library that the scores came from; single or double."""
        if self.on_host:
            x = np.asarray(x, dtype=self.S.dtype)
            return x if self.home is None else self.home.real(x)
        return x.to(self.S.dtype)

    def integer(self, x):
        """The same for integers and truth values."""
        if self.home is None or not self.on_host:
            return x
        torch = torch_module()
        return torch.from_numpy(np.ascontiguousarray(x)).to(self.home.device)

    def number(self, x):
        """A Python float on the CPU, a tensor without dimensions elsewhere."""
        return float(x) if self.on_host else x


def read_rows(function, scores, row_mass=None):
    """Return `Rows`; scores become float32 or float64, masses float64.

    Elsewhere than on the CPU values are not looked at, which would wait for the device: rows with
    scores that are not finite count as padding there.
    """
    if is_tensor(scores) and scores.device.type != "cpu":
        return _device_rows(function, scores, row_mass)
    home, (S, weight) = numpy_views(function, scores=scores, row_mass=row_mass)
    S = as_array(function, "scores", S)
    if S.dtype not in (np.float32, np.float64):
        S = S.astype(np.float32 if S.dtype == np.float16 else np.float64)
    _check_shape(function, S)
    weight = np.ones(len(S)) if weight is None else as_floats(function, "row_mass", weight)
    _check_mass_shape(function, weight, len(S))
    if not ((weight >= 0) & np.isfinite(weight)).all():
        index = int(np.argmin((weight >= 0) & np.isfinite(weight)))
        message = (
            f"{function}: `row_mass` must be finite and non-negative; got row_mass[{index}] = "
            f"{weight[index]}; give padding mass 0."
        )
        raise ValueError(message)
    served = kernels("prices")
    S = np.ascontiguousarray(S)
    low, high = (float(S.min()), float(S.max())) if S.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        rows = np.flatnonzero(~np.isfinite(S).all(axis=1) & (weight > 0))
        if len(rows):
            i = int(rows[0])
            j = int(np.argmin(np.isfinite(S[i])))
            message = (
                f"{function}: `scores` must be finite; got scores[{i}, {j}] = {S[i, j]}; give such "
                "rows mass 0, or forbidden pairs a large negative score."
            )
            raise ValueError(message)
        S = np.where(weight[:, None] > 0, S, 0)  # padding may hold anything
        low, high = (float(S.min()), float(S.max())) if S.size else (0.0, 0.0)
    check_size(function, "scores", max(abs(low), abs(high)))
    if not S.flags.writeable:  # which numba would compile anew for
        S = S.copy()
    return Rows(S, weight, float(weight.sum()), served, home)


def _device_rows(function, scores, row_mass):
    torch = torch_module()
    check_dense(function, "scores", scores)
    if not scores.is_floating_point():
        message = f"{function}: `scores` must hold floats; got {scores.dtype}; use scores.float()."
        raise TypeError(message)
    if scores.requires_grad and torch.is_grad_enabled():
        message = (
            f"{function}: `scores` must not require grad: this function records no gradients; "
            "got requires_grad=True; use scores.detach()."
        )
        raise TypeError(message)
    S = scores.detach()
    S = S.float() if S.dtype in (torch.float16, torch.bfloat16) else S
    _check_shape(function, S)
    weight = torch.ones(len(S), device=S.device) if row_mass is None else row_mass
    _check_mass_shape(function, weight, len(S))
    finite = S.isfinite().all(dim=1)
    weight = torch.where(finite, weight, 0).double()
    S = torch.where(finite[:, None], S, 0)
    return Rows(S, weight, weight.sum(), torch_kernels("prices"), TensorHome(S.dtype, S.device))


def _check_shape(function, S):
    if S.ndim != 2 or S.shape[1] == 0:
        message = (
            f"{function}: `scores` must be a matrix with a row a token and at least one column; "
            f"got shape {tuple(S.shape)}; flatten batches with reshape(-1, m)."
        )
        raise ValueError(message)


def _check_mass_shape(function, weight, n):
    if tuple(weight.shape) != (n,):
        message = (
            f"{function}: `row_mass` must have one entry a row, shape ({n},); "
            f"got shape {tuple(weight.shape)}."
        )
        raise ValueError(message)


def as_count(function, name, k, high):
    """Return an int in 1..high."""
    rule = f"{function}: `{name}` must be an integer in 1..{high} (there are {high} columns)"
    try:
        if isinstance(k, (bool, np.bool_)):
            raise TypeError
        k = as_index(k)
    except TypeError:
        message = f"{rule}; got {k!r} of type {type(k).__name__}."
        raise TypeError(message) from None
    if not 1 <= k <= high:
        message = f"{rule}; got {k}."
        raise ValueError(message)
    return k


def read_capacity(function, capacity, rows, k, needed):
    """Return capacities (m,) as float64: equal shares of `needed` mass where None is given."""
    m = rows.S.shape[1]
    if not rows.on_host:
        torch = torch_module()
        if capacity is None:
            return torch.ones(m, dtype=torch.float64, device=rows.S.device) * (needed / m)
        options = {"dtype": torch.float64, "device": rows.S.device}
        if np.ndim(capacity) == 0 and not is_tensor(capacity):
            return torch.full((m,), float(capacity), **options)  # waits for nothing
        return torch.as_tensor(capacity, **options).expand(m)
    if capacity is None:
        return np.full(m, needed / m)
    array = as_floats(function, "capacity", as_numpy(capacity))
    if array.ndim not in (0, 1) or (array.ndim == 1 and len(array) != m):
        message = (
            f"{function}: `capacity` must be a number or have one entry a column, shape ({m},); "
            f"got shape {array.shape}."
        )
        raise ValueError(message)
    if not (np.isfinite(array).all() and (array >= 0).all()):
        message = f"{function}: `capacity` must be finite and non-negative; got {capacity}."
        raise ValueError(message)
    array = np.full(m, float(array)) if array.ndim == 0 else array
    reachable = np.minimum(array, rows.mass).sum() if needed == k * rows.mass else array.sum()
    if reachable < needed * (1 - 1e-9):
        message = (
            f"{function}: `capacity` must hold k times the mass of the rows, {needed:g}; got room "
            f"for {reachable:g}; raise it to {needed / m:g} a column or more."
        )
        raise ValueError(message)
    return array


def read_price(function, name, price, rows):
    """Return prices (m,) as float64."""
    m = rows.S.shape[1]
    if not rows.on_host:
        torch = torch_module()
        price = torch.as_tensor(price, dtype=torch.float64, device=rows.S.device)
        shape = tuple(price.shape)
    else:
        price = as_floats(function, name, as_numpy(price))
        shape = price.shape
        if shape == (m,) and not np.isfinite(price).all():
            message = f"{function}: `{name}` must be finite; got {price}."
            raise ValueError(message)
    if shape != (m,):
        message = (
            f"{function}: `{name}` must have one price a column, shape ({m},); got shape {shape}."
        )
        raise ValueError(message)
    return price
