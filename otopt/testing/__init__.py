"""Problems with known answers, hypothesis strategies and an independent checker of plans."""

from .check import check_plan
from .problems import (
    KnownProblem,
    block_problem,
    constant_cost_problem,
    dirac_problem,
    monotone_problem,
    permutation_problem,
)
from .strategies import known_problems, transport_problems

__all__ = [
    "KnownProblem",
    "block_problem",
    "check_plan",
    "constant_cost_problem",
    "dirac_problem",
    "known_problems",
    "monotone_problem",
    "permutation_problem",
    "transport_problems",
]
