"""The kernels in numba for problems of up to some hundred rows: one call does a whole solve."""

from . import numba_cpu
from ._numba_ascent import ascend
from ._numba_relax import relax_small
from ._numba_round import round_small
from .numba_cpu import *  # noqa: F403

__all__ = numba_cpu.__all__ + ["ascend", "relax_small", "round_small"]  # noqa: RUF005
