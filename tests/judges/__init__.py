"""Independent answers to small transport problems."""

from .brute_force import brute_force
from .certificate import check_exact
from .convex import k_support_optimum, quadratic_optimum
from .linear_programme import transport_optimum

__all__ = [
    "brute_force",
    "check_exact",
    "k_support_optimum",
    "quadratic_optimum",
    "transport_optimum",
]
