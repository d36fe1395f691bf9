"""Independent answers to small transport problems."""

from .brute_force import brute_force
from .convex import k_support_optimum, quadratic_optimum

__all__ = ["brute_force", "k_support_optimum", "quadratic_optimum"]
