"""Independent answers to small transport problems."""

from .brute_force import brute_force
from .convex import k_support_optimum, quadratic_optimum
from .explicit_mmot import all_tuples, explicit_value, tuple_costs

__all__ = [
    "all_tuples",
    "brute_force",
    "explicit_value",
    "k_support_optimum",
    "quadratic_optimum",
    "tuple_costs",
]
