"""What a bug report has to say: versions, kernels, threads, cache."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ._backend import kernels

__all__ = ["show_config"]

REQUIRED = ("otopt", "numpy", "scipy", "numba", "lazy-loader")
OPTIONAL = (
    "torch", "matplotlib", "rich", "pillow", "platformdirs", "pot", "scikit-learn", "threadpoolctl",
    "hypothesis",
)  # fmt: skip


def _installed(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _threads():
    import numba

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"usable_cores": usable, "numba": numba.config.NUMBA_NUM_THREADS}  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]


def _cache():
    """Where compiled kernels are kept, and whether that can be written to."""
    import numba

    given = numba.config.CACHE_DIR  # pyright: ignore[reportAttributeAccessIssue, reportPrivateImportUsage]
    beside = Path(__file__).parent / "_kernels"
    folder = Path(given) if given else beside / "__pycache__"
    place = next(p for p in (folder, *folder.parents) if p.exists())
    return {
        "folder": str(folder),
        "writable": os.access(place, os.W_OK),
        "files": sum(1 for _ in folder.rglob("*.nbi")) if folder.exists() else 0,
    }


def show_config() -> dict[str, Any]:
    """Return versions, kernels, threads and cache as a dictionary, for bug reports.

    Returns
    -------
    dict
        ``versions`` of Python and of what otopt needs; ``optional``, versions of other packages
        that parts of it use, None where they are not installed; ``machine``; ``kernels``,
        "numba_cpu" or "reference"; ``threads``: the cores this process may use and the most
        threads of numba; ``cache``: the folder of compiled kernels, whether it can be written to,
        and how many files it holds; ``environment``: the variables that change any of these.

    Examples
    --------
    >>> import otopt
    >>> sorted(otopt.show_config())
    ['cache', 'environment', 'kernels', 'machine', 'optional', 'threads', 'versions']
    """
    prefixes = ("OTOPT_", "NUMBA_", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    return {
        "versions": {"python": platform.python_version()} | {p: _installed(p) for p in REQUIRED},
        "optional": {p: _installed(p) for p in OPTIONAL},
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "kernels": kernels().__name__.rpartition(".")[2],
        "threads": _threads(),
        "cache": _cache(),
        "environment": {k: v for k, v in sorted(os.environ.items()) if k.startswith(prefixes)},
    }
