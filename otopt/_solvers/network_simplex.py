"""Multilevel network simplex for the transportation problem.

Each level is solved from the potentials of a coarser one, made by merging rows, and columns, that
the cost treats alike. Good potentials make short candidate lists and a nearly optimal start of the
simplex, which is exact whatever they are worth: flows are integers, and a pass over all reduced
costs ends every level.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._core.clouds import entries
from otopt._kernels.layout import PRICE_ERROR

from .coarsening import coarsen, lifted_potentials, variance

__all__ = ["Arcs", "Limits", "NetworkSolution", "NotFiniteError", "ResumePoint", "solve_network"]

PAUSED = 1  # of the simplex kernel
FLAT, MULTILEVEL = "network simplex", "multilevel network simplex"
FROM_PRICES = "network simplex from prices"
AUGMENTING = "shortest augmenting paths, network simplex"
FEW_COLUMNS = 32  # rows for each: prices say more than levels do
PRICED = 10_000  # entries from which prices pay
SHORT = 4  # list lengths that a short row has at most
MATCHING_WORK = 60  # entries that augmenting paths may look at, over those that are listed
LOOSE = 0.02  # share of rows that a matching may leave to the simplex


class NotFiniteError(ValueError):
    """The cost of a warm start, which is checked on the way, has an entry that is not finite."""


class Arcs(NamedTuple):
    """A flow, where it is not zero."""

    rows: NDArray
    columns: NDArray
    flow: NDArray


@dataclass(frozen=True)
class NetworkSolution:
    """A flow that meets supply and demand, and potentials with ``C_ij >= u_i + v_j``."""

    arcs: Arcs
    u: NDArray
    v: NDArray
    optimal: bool
    method: str


@dataclass(frozen=True)
class ResumePoint:
    """What a warm start knows: potentials, and possibly the arcs of a flow."""

    v: NDArray
    arcs: tuple[NDArray, NDArray] | None = None


class Limits:
    """How much may be spent, and what has been; `look` is called between slices of work."""

    def __init__(self, most_pivots, look, work_between_looks):
        self.most_pivots = most_pivots
        self.look = look  # (report or None) -> why to stop, or None
        self.work_between_looks = work_between_looks  # entries priced
        self.pivots = 0
        self.passes = 0
        self.outcome = None

    def check(self, report=None):
        """Whether to stop now; `report` describes the finest level to a callback."""
        if self.outcome is None:
            if self.pivots >= self.most_pivots:
                self.outcome = "maxiter"
            else:
                self.outcome = self.look(report)
        return self.outcome is not None


def solve_network(
    kernels: ModuleType, C, supply, demand, limits, settings, resume=None, finest=True, prices=None
):
    """Flow of least cost from `supply` to `demand`, positive integers of equal sum.

    Parameters
    ----------
    kernels : module
        Kernels of exact transport.
    C : ndarray or PointCost, shape (n, m)
        Cost, C-contiguous where it is a matrix.
    supply, demand : ndarray of int64, shape (n,), (m,)
        What each row sends and each column receives.
    limits : Limits
        When to stop; the flow is feasible and the potentials are valid whenever that is.
    settings : EmdOptions
        Fine settings.
    resume : ResumePoint, optional
        A warm start, instead of the coarser levels.
    finest : bool
        Whether this is the problem itself: only there the callback is told how things stand.
    prices : callable, optional
        ``prices(C, supply, demand, balanced=...) -> v or None``: a start where levels do not help,
        and where augmenting paths give up.

    Returns
    -------
    NetworkSolution
    """
    arcs, method = None, FLAT
    is_assignment = _is_assignment(supply, demand)
    if prices is not None and C.size < PRICED:
        prices = None
    if resume is not None:
        u, arcs, done = _resume(kernels, C, supply, demand, resume)
        if done is not None:
            return done
        v = kernels.column_potentials(C, u)
    else:
        v, method = _start(kernels, C, supply, demand, limits, settings, prices, is_assignment)
    if method != FLAT:
        _, v = kernels.c_transform(C, v)
    length = _list_length(settings.candidates, C, is_assignment)
    u, columns, cost = kernels.shortlist(C, v, length)
    tol = PRICE_ERROR * float(np.abs(u).max() + np.abs(v).max())
    if arcs is None and limits.outcome is None and method == FLAT and is_assignment:
        method = AUGMENTING
        most_work = MATCHING_WORK * columns.size
        column_of = kernels.match(C, u, v, columns, cost, tol, most_work)
        if prices is not None and resume is None and _loose(C, u, v, column_of, tol) > LOOSE:
            priced = prices(C, supply, demand, balanced=0.0)
            if priced is not None:
                _, v = kernels.c_transform(C, priced)
                u, columns, cost = kernels.shortlist(C, v, length)
                column_of = kernels.match(C, u, v, columns, cost, tol, most_work)
                method = f"{AUGMENTING}, from prices"
        arcs = Arcs(np.arange(C.shape[0]), column_of, supply)
        u = kernels.row_potentials(C, v)
    elif arcs is None:
        arcs = Arcs(*kernels.regret_flow(C, v, supply, demand, columns, cost))
    if limits.check():
        return NetworkSolution(arcs, u, v, optimal=False, method=method)
    basis = arcs, (u, v)
    return _pivot(kernels, C, (columns, cost), basis, tol, limits, settings, method, finest)


def _pivot(kernels: ModuleType, C, lists, basis, tol, limits, settings, method, finest):
    """Run the simplex in slices."""
    arcs, best = basis
    n, m = C.shape
    batch = min(settings.batch, max(8, m // 12))
    tree = kernels.hang(C, *arcs, best[0])
    tally = np.zeros(5, np.int64)
    before = limits.pivots
    v = best[1]

    def report():
        """The flow, and potentials: those of a basis may prove less than those before it."""
        nonlocal best
        arcs = Arcs(*kernels.tree_arcs(tree, n))
        best = max(best, (kernels.row_potentials(C, v), v), key=lambda uv: _proven(arcs, *uv))
        return arcs, *best

    while True:
        most_pivots = max(limits.most_pivots - limits.pivots, 1)
        status, _, v, least = kernels.simplex(
            C, *lists, tree, batch, tol, most_pivots, limits.work_between_looks, tally
        )
        limits.pivots = before + int(tally[0])
        if status != PAUSED:
            limits.passes += tally[1] / n
            return NetworkSolution(Arcs(*kernels.tree_arcs(tree, n)), least, v, True, method)
        if limits.check(report if finest else None):
            break
    limits.passes += tally[1] / n
    arcs, u, v = report()
    return NetworkSolution(arcs, u, v, optimal=False, method=method)


def _proven(arcs, u, v):
    """Dual value, up to a constant factor, read off any feasible flow."""
    rows, columns, flow = arcs
    return float((u[rows] + v[columns]) @ flow.astype(float))


def _loose(C, u, v, column_of, tol):
    """Share of the rows that a matching gives a column which their potentials find too dear."""
    slack = entries(C, np.arange(len(u)), column_of) - u - v[column_of]
    return float((slack > tol).mean())


def _list_length(candidates, C, is_assignment):
    """Longer where a column serves many rows: those that it turns away must find another.

    0 where all of a row is read as quickly as a list, whose entries lie apart.
    """
    n, m = C.shape
    length = round(candidates * max(1.0, n / m) ** 0.5)
    if m <= SHORT * length and isinstance(C, np.ndarray) and not is_assignment:
        return 0
    return m if m <= 2 * length else length


def _start(kernels: ModuleType, C, supply, demand, limits, settings, prices, is_assignment):
    """Potentials of the columns, and the name of the method that goes on from there."""
    n, m = C.shape
    ways = {MULTILEVEL: lambda: _coarse_prices(kernels, C, supply, demand, limits, settings)}
    if prices is not None and not is_assignment:
        by_prices = {FROM_PRICES: lambda: prices(C, supply, demand)}
        ways = by_prices if n >= FEW_COLUMNS * m else ways | by_prices
    for method, potentials in ways.items():
        v = potentials()
        if v is not None:
            return v, method
    return kernels.column_potentials(C, np.zeros(n)), FLAT


def _coarse_prices(kernels: ModuleType, C, supply, demand, limits, settings):
    """Potentials of the columns from the next coarser level; None where merging loses the cost."""
    n, m = C.shape
    if min(n, m) <= settings.coarsest:
        return None
    rows, columns, between = coarsen(kernels, C, settings.cluster_size)
    if not variance(between) > settings.kept_variance * variance(C):
        return None
    merged_supply = np.add.reduceat(supply[rows[0]], rows[1][:-1])
    merged_demand = np.add.reduceat(demand[columns[0]], columns[1][:-1])
    coarse = solve_network(
        kernels, between, merged_supply, merged_demand, limits, settings, finest=False
    )
    return lifted_potentials(kernels, C, rows, between, coarse.u)


def _is_assignment(supply, demand):
    return (
        len(supply) == len(demand) and (supply == supply[0]).all() and (demand == supply[0]).all()
    )


def _resume(kernels: ModuleType, C, supply, demand, resume):
    """Potentials of the rows; the old flow, if it fits; the solution, if that is optimal."""
    u, bad = kernels.checked_potentials(C, resume.v)
    if bad:
        raise NotFiniteError
    if resume.arcs is None:
        return u, None, None
    rows, columns = resume.arcs
    flow, fits = kernels.forest_flow(rows, columns, supply, demand)
    if not fits:
        return u, None, None
    arcs = Arcs(rows, columns, flow)
    slack = entries(C, arcs.rows, arcs.columns) - u[arcs.rows] - resume.v[arcs.columns]
    if slack.max() <= PRICE_ERROR * (np.abs(u).max() + np.abs(resume.v).max()):
        return u, arcs, NetworkSolution(arcs, u, resume.v, True, "warm start, certified")
    return u, arcs, None
