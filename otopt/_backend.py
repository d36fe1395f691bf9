"""The only place that asks which arrays these are, and which kernels serve them."""

from __future__ import annotations

import functools
import importlib
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["as_numpy", "is_tensor", "kernels", "show_config", "torch_kernels", "torch_module"]


def kernels():
    """Return the module of kernels in use; ``OTOPT_KERNELS=reference`` forces the slow path."""
    name = os.environ.get("OTOPT_KERNELS", "numba")
    modules = {"numba": "numba_cpu", "reference": "reference"}
    if name not in modules:
        known = ", ".join(modules)
        message = f"OTOPT_KERNELS must be one of {known}; got {name!r}; unset it for the default."
        raise ValueError(message)
    return _module(f"otopt._kernels.{modules[name]}")


@functools.cache
def _module(name):
    return importlib.import_module(name)


def is_tensor(x):
    """Whether x is a torch tensor; torch is not imported to find out."""
    torch: Any = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def as_numpy(x):
    """Return tensors as arrays without their gradients, everything else as it is."""
    return x.detach().cpu().numpy() if is_tensor(x) else x


def torch_module() -> Any:
    """Return torch where a tensor has arrived, so that somebody else has imported it."""
    return sys.modules["torch"]


def torch_kernels(name):
    """Return the module of torch kernels ``otopt._kernels.torch_<name>``."""
    return _module(f"otopt._kernels.torch_{name}")


def show_config():
    """Return versions, kernels and thread settings as a dictionary, for bug reports.

    Examples
    --------
    >>> import otopt
    >>> sorted(otopt.show_config())
    ['environment', 'kernels', 'machine', 'versions']
    """

    def installed(package):
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    packages = ("otopt", "numpy", "scipy", "numba", "torch")
    return {
        "versions": {"python": platform.python_version()} | {p: installed(p) for p in packages},
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "kernels": kernels().__name__.rpartition(".")[2],
        "environment": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("OTOPT_", "NUMBA_", "OMP_NUM_THREADS"))
        },
    }
