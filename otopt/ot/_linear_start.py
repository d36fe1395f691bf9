"""A start of the relaxation: the optimum without curvature and without cardinality constraint.

The network simplex takes a fraction of the time that Newton steps take to come as close, and the
default curvature moves the plan little: most columns keep the entries that they have here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

from otopt._backend import kernels as select_kernels
from otopt._core.clouds import PointCost
from otopt._core.integer_masses import integer_masses
from otopt._core.interrupts import Interrupts
from otopt._core.options import EmdOptions
from otopt._solvers.network_simplex import Limits

from ._exact_solve import UNLIMITED, WORK_BETWEEN_LOOKS, Oriented, solve_oriented
from ._multilevel import is_large
from ._shapes import is_dense

__all__ = ["LinearStart", "pays_linear_start", "solve_linear"]

STEEP = 0.25  # of the range of the cost
FEW_DIMENSIONS = 3  # of clouds


class LinearStart(NamedTuple):
    """An optimal plan of the linear programme, and its potentials."""

    alpha: NDArray  # (n,)
    plan: csc_array  # (n, m)
    stopped: bool  # by Ctrl-C: feasible and valid, but not optimal


def pays_linear_start(problem):
    """Whether the linear programme is solved in less time than it saves.

    Strong curvature spreads mass far from the optimum without any; in many dimensions pricing
    passes between clouds look at nearly all pairs.
    """
    if is_large(problem):
        return len(problem.Ct.points.points) <= FEW_DIMENSIONS
    return is_dense(problem) and problem.reg * float(problem.b.mean()) <= STEEP * problem.unit


def solve_linear(problem, show):
    """Return the linear start of `problem`; None where integers do not resolve its masses.

    Parameters
    ----------
    problem : SparseOT
        With a matrix or point clouds for the cost.
    show : callable
        ``show(text)`` tells how far it has come.
    """
    supply, demand, quantum = integer_masses(problem.a, problem.b)
    if not (supply.all() and demand.all()):
        return None
    shape = len(problem.a), len(problem.b)
    family = "network points" if isinstance(problem.Ct, PointCost) else "network"
    with Interrupts() as interrupts:

        def look(_report):
            show(f"sparse_ot: start from the linear programme, {limits.pivots} pivots")
            return "stopped" if interrupts.requested else None

        limits = Limits(UNLIMITED, look, WORK_BETWEEN_LOOKS)
        # Ct, whose layout does not depend on that of the cost as given: nor does the answer.
        oriented = Oriented(problem.Ct, demand, supply)
        (columns, rows, flow), (_, alpha), _ = solve_oriented(
            select_kernels(family), oriented, limits, EmdOptions()
        )
    plan = coo_array((flow * quantum, (rows, columns)), shape=shape).tocsc()
    return LinearStart(np.asarray(alpha, float), plan, interrupts.requested)
