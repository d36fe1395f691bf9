"""Kernels of exact transport in numba; the contract is in the docstring of `otopt._kernels`."""

from ._numba_coarsen import cluster, cluster_costs, potentials_of_clusters
from ._numba_matching import match
from ._numba_minima import (
    c_transform,
    checked_potentials,
    column_potentials,
    cost_range,
    row_potentials,
    sample_range,
    shortlist,
)
from ._numba_network import simplex
from ._numba_starts import forest_flow, regret_flow
from ._numba_tree import hang, tree_arcs

__all__ = [
    "c_transform",
    "checked_potentials",
    "cluster",
    "cluster_costs",
    "cold",
    "column_potentials",
    "cost_range",
    "forest_flow",
    "hang",
    "match",
    "potentials_of_clusters",
    "regret_flow",
    "row_potentials",
    "sample_range",
    "shortlist",
    "simplex",
    "tree_arcs",
]


def cold():
    """Whether this process has yet to load or compile the kernels."""
    return not simplex.signatures  # pyright: ignore[reportFunctionMemberAccess]
