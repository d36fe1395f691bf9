"""The linear programme of a small problem, from whose optimum the relaxation starts.

As `otopt.ot._linear_start`: the network simplex takes a fraction of the time that Newton steps take
to come as close.
"""

import numpy as np
from numba import njit

from ._numba_minima import column_potentials, row_potentials
from ._numba_network import simplex
from ._numba_starts import regret_flow
from ._numba_tree import hang, tree_arcs
from .layout import PRICE_ERROR

BITS = 60  # of the total mass: sums fit 64
BATCH = 8  # rows whose arcs enter together
UNLIMITED = np.int64(2**62)


@njit(cache=True)
def _integers(masses):
    """Positive integers in proportion to masses, which are positive."""
    return np.maximum(np.rint(masses * (2.0**BITS / masses.sum())), 1.0).astype(np.int64)


@njit(cache=True)
def linear_start(a, b, C):
    """Potentials (n,) of the rows, and a plan of least cost: its rows, columns and masses.

    Takes positive masses a (n,) and b (m,) of equal sums, and the cost C (n, m).
    """
    n = a.shape[0]
    supply, demand = _integers(a), _integers(b)
    missing = supply.sum() - demand.sum()
    demand[demand.argmax()] += max(missing, 0)
    supply[supply.argmax()] += max(-missing, 0)
    v = column_potentials(C, np.zeros(n))
    u = row_potentials(C, v)
    # Lists of candidates do not pay: a whole row is read as quickly.
    columns, cost = np.empty((n, 0), np.int32), np.empty((n, 0))
    tree = hang(C, *regret_flow(C, v, supply, demand, columns, cost), u)
    tol = PRICE_ERROR * (np.abs(u).max() + np.abs(v).max())
    tally = np.zeros(5, np.int64)
    _, _, _, alpha = simplex(C, columns, cost, tree, BATCH, tol, UNLIMITED, UNLIMITED, tally)
    at_row, at_column, flow = tree_arcs(tree, n)
    return alpha - alpha.mean(), (at_row, at_column, flow * (a.sum() / supply.sum()))
