"""The only place that asks which arrays these are, and which kernels serve them."""

from __future__ import annotations

import functools
import importlib
import os
import sys
import warnings
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "TensorHome",
    "as_numpy",
    "check_dense",
    "check_dense_on_cpu",
    "is_tensor",
    "kernels",
    "numpy_views",
    "plan_matrix",
    "small_kernels",
    "torch_kernels",
    "torch_module",
    "transposed_plan",
]


MODULES = {
    "columns": {"numba": "numba_cpu", "reference": "reference"},
    "points": {"numba": "numba_points", "reference": "reference_points"},
    "network": {"numba": "numba_network", "reference": "reference_network"},
    "network points": {"numba": "numba_network_points", "reference": "reference_network_points"},
    "gibbs": {"numba": "numba_gibbs", "reference": "reference_gibbs"},
    "line": {"numba": "numba_line", "reference": "reference_line"},
    "prices": {"numba": "numba_prices", "reference": "reference_prices"},
    "philox": {"numba": "numba_philox", "reference": "reference_philox"},
    "guess": {"numba": "numba_guess", "reference": "reference_guess"},
    "lenet": {"numba": "numba_lenet", "reference": "reference_lenet"},
}


def kernels(family="columns"):
    """Return the module of kernels in use; ``OTOPT_KERNELS=reference`` forces the slow path.

    `family` is "columns" for the kernels of `sparse_ot`, "points" for those that take a
    `PointCost` for the cost, "network" and "network points" likewise for those of `emd`, "gibbs"
    for `sinkhorn`, "line" for `mmot_1d`, "prices" for `solve_prices`, "philox" for random numbers
    by index, "guess" and "lenet" for searches over the weights of networks.
    """
    name = os.environ.get("OTOPT_KERNELS", "numba")
    modules = MODULES[family]
    if name not in modules:
        known = ", ".join(modules)
        message = f"OTOPT_KERNELS must be one of {known}; got {name!r}; unset it for the default."
        raise ValueError(message)
    return _module(f"otopt._kernels.{modules[name]}")


def torch_kernels(name):
    """Return the module of torch kernels ``otopt._kernels.torch_<name>``."""
    return _module(f"otopt._kernels.torch_{name}")


@functools.cache
def _module(name):
    return importlib.import_module(name)


def small_kernels():
    """Return the module that solves small problems whole, or None beside the reference."""
    numba = kernels().__name__.endswith(".numba_cpu")
    return importlib.import_module("otopt._kernels.numba_small") if numba else None


# -- tensors at the edges: in as NumPy views, out where they came from --------------------------


def is_tensor(x):
    """Whether x is a torch tensor; torch is never imported to find out."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def torch_module() -> Any:
    """Return torch where a tensor has arrived, so that somebody else has imported it."""
    return sys.modules["torch"]


def as_numpy(x):
    """Return tensors as arrays without their gradients, everything else as it is.

    So are tensors that no array can show, sparse ones and those without memory: `as_array` names
    the parameter.
    """
    torch: Any = sys.modules.get("torch")
    if not is_tensor(x) or x.layout is not torch.strided or x.device.type == "meta":
        return x
    return (x.float() if x.dtype is torch.bfloat16 else x).detach().cpu().numpy()


class TensorHome(NamedTuple):
    """The dtype and the device that the answers to tensors go to."""

    dtype: Any
    device: Any

    def real(self, x):
        """Return a NumPy array or number as a tensor."""
        torch: Any = sys.modules["torch"]
        return torch.as_tensor(x, dtype=self.dtype, device=self.device)

    def integer(self, x):
        """Return a NumPy array of integers as a tensor."""
        torch: Any = sys.modules["torch"]
        return torch.as_tensor(x, dtype=torch.int64, device=self.device)

    def sparse(self, matrix):
        """Return a SciPy sparse array as a sparse COO tensor."""
        matrix = matrix.tocoo()
        return _coo_tensor(
            self.integer(matrix.row), self.integer(matrix.col), self.real(matrix.data), matrix.shape
        )


def numpy_views(function, **arrays):
    """Arrays for the core, and the home of the answers: None where no tensor is among them.

    Tensors become NumPy views of the same memory; half precision, which NumPy cannot compute in,
    becomes float32. Everything else is returned as it is.

    Raises
    ------
    TypeError
        Tensors mixed with NumPy arrays or with tensors of another dtype; complex or sparse
        tensors; tensors that record gradients, which would be lost without a word.
    ValueError
        Tensors of different devices, or not on the CPU.
    """
    tensors = {name: x for name, x in arrays.items() if is_tensor(x)}
    if not tensors:
        return None, tuple(arrays.values())
    for name, x in arrays.items():
        if name not in tensors and hasattr(x, "__array__"):
            message = (
                f"{function}: `{next(iter(tensors))}` and `{name}` must be arrays of one library; "
                f"got torch.Tensor and {type(x).__module__}.{type(x).__name__}; "
                f"use torch.as_tensor({name})."
            )
            raise TypeError(message)
    torch: Any = sys.modules["torch"]
    devices = {}
    for name, x in tensors.items():
        devices.setdefault(x.device, name)
    if len(devices) > 1:
        (one, first), (other, second), *_ = devices.items()
        message = (
            f"{function}: `{first}` and `{second}` must be on one device; got {one} and {other}; "
            "move one with .to(device)."
        )
        raise ValueError(message)
    dtypes = {}
    for name, x in tensors.items():
        _check_tensor(function, name, x, torch)
        if x.is_floating_point():
            half = x.dtype in (torch.float16, torch.bfloat16)
            dtypes.setdefault(torch.float32 if half else x.dtype, name)
    if len(dtypes) > 1:
        first, second = dtypes.values()
        message = (
            f"{function}: `{first}` and `{second}` must have one dtype (float16 and bfloat16 count "
            f"as float32); got {tensors[first].dtype} and {tensors[second].dtype}; "
            f"use {first}.to({tensors[second].dtype})."
        )
        raise TypeError(message)
    home = TensorHome(next(iter(dtypes), torch.float64), next(iter(devices)))
    return home, tuple(_view(x, torch) if is_tensor(x) else x for x in arrays.values())


def check_dense(function, name, x):
    """Refuse tensors that are sparse, complex or without memory; everything else passes."""
    torch: Any = sys.modules.get("torch")
    if not is_tensor(x):
        return
    if x.layout is not torch.strided:
        message = (
            f"{function}: `{name}` must be dense; got layout {x.layout}; use {name}.to_dense()."
        )
        raise TypeError(message)
    if x.is_complex():
        message = f"{function}: `{name}` must be real; got dtype {x.dtype}; use {name}.real."
        raise TypeError(message)
    if x.device.type == "meta":
        message = f"{function}: `{name}` must hold numbers; got a tensor on meta, which has none."
        raise TypeError(message)


def check_dense_on_cpu(function, name, x):
    """As `check_dense`, and refuse tensors of other devices."""
    if is_tensor(x) and x.device.type != "cpu":
        message = (
            f"{function}: `{name}` must be on the CPU, where this function runs; got a tensor on "
            f"{x.device}; use {name}.cpu()."
        )
        raise ValueError(message)
    check_dense(function, name, x)


def _check_tensor(function, name, x, torch):
    check_dense_on_cpu(function, name, x)
    if x.requires_grad and torch.is_grad_enabled():
        message = (
            f"{function}: `{name}` must not require grad: this function records no gradients; got "
            f"requires_grad=True; use otopt.nn for a differentiable answer, or {name}.detach()."
        )
        raise TypeError(message)


def _view(x, torch):
    x = x.detach()
    half = x.dtype in (torch.float16, torch.bfloat16)
    return (x.float() if half else x).numpy()


def plan_matrix(rows, mass, shape, layout) -> Any:
    """A plan given as rows (m, k) and masses (m, k) as a matrix, "coo", "csc" or "dense".

    Unused slots have row -1. SciPy's sparse arrays for NumPy, sparse tensors for tensors.
    """
    used = rows >= 0
    if is_tensor(mass):
        column, slot = used.nonzero(as_tuple=True)
        plan = _coo_tensor(rows[column, slot], column, mass[column, slot], shape)
        if layout == "csc":
            with warnings.catch_warnings():  # that compressed layouts are in beta
                warnings.simplefilter("ignore", UserWarning)
                return plan.to_sparse_csc()
        return plan.to_dense() if layout == "dense" else plan
    from scipy.sparse import csc_array

    indptr = np.concatenate([[0], np.cumsum(used.sum(axis=1))])
    plan = csc_array((mass[used], rows[used], indptr), shape=shape)
    plan.sort_indices()
    if layout == "coo":
        return plan.tocoo()
    return plan.toarray() if layout == "dense" else plan


def transposed_plan(columns, mass, shape, layout) -> Any:
    """The same for a plan given by rows: of the transpose, of that `shape`, turned back."""
    if layout == "dense":
        return plan_matrix(columns, mass, shape, layout).T
    plan = plan_matrix(columns, mass, shape, "coo")
    if is_tensor(mass):
        plan = plan.t().coalesce()
        if layout == "coo":
            return plan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return plan.to_sparse_csc()
    return plan.T if layout == "coo" else plan.T.tocsc()


def _coo_tensor(rows, columns, values, shape):
    torch: Any = sys.modules["torch"]
    where = torch.stack([rows, columns])
    return torch.sparse_coo_tensor(where, values, shape, check_invariants=True).coalesce()
