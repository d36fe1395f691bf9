"""The kernels in numba for problems of up to some hundred rows: one call does a whole solve."""

import numpy as np

from . import numba_cpu
from ._numba_ascent import ascend
from ._numba_relax import relax_small
from ._numba_short import conjugates
from ._numba_whole import solve_small
from .numba_cpu import *  # noqa: F403

__all__ = numba_cpu.__all__ + ["ascend", "relax_small", "solve_small"]  # noqa: RUF005


def top_k_conjugate(alpha, Ct, b, k, reg, workers=1):
    m = len(b)
    most = int(k.max(initial=1))
    out = np.empty(m), np.empty(m), np.empty((m, most), np.int32), np.empty((m, most))
    # numba would compile anew for single precision.
    conjugates(alpha, np.asarray(Ct, float), b, k, reg, *out)
    return out
