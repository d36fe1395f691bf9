"""Kernels of entropic transport in numba; the contract is in the docstring of `otopt._kernels`."""

from ._numba_batch import gibbs_batch
from ._numba_gibbs import gibbs_pass, scale_pass, scale_pass_points

__all__ = ["gibbs_batch", "gibbs_pass", "scale_pass", "scale_pass_points"]
