"""Independent answers to small transport problems."""

from .brute_force import brute_force
from .certificate import check_exact
from .convex import k_support_optimum, quadratic_optimum
from .explicit_mmot import all_tuples, explicit_value, tuple_costs
from .linear_programme import transport_optimum

__all__ = [
    "all_tuples",
    "brute_force",
    "check_exact",
    "explicit_value",
    "k_support_optimum",
    "quadratic_optimum",
    "transport_optimum",
    "tuple_costs",
]
