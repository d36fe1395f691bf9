"""Solve the biconjugate relaxation of sparsity-constrained transport."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otopt._kernels.layout import NO_GAP, CandidateLists
from otopt._oracles.proximal_dual import DENSE_ROWS, FIRST_MARGIN, Certificate, ProximalDual
from otopt._solvers.proximal_point import ProximalSchedule, proximal_point

from ._linear_start import solve_linear
from ._multilevel import cluster_potentials, is_large
from ._shapes import has_small_shape

__all__ = ["STOPS", "Intermediate", "Monitor", "Relaxation", "relax", "schedule_for"]

STOPS = (KeyboardInterrupt, StopIteration)
ALTERNATIONS = 4
SPREAD = 8
SAMPLE = 16  # columns
RELATIVE = 0.25  # the first proximal curvature is at least this multiple of reg
PATIENCE = 3  # Newton steps, of problems with few rows
WARM_WINDOW = 0.1  # share of the first proximal curvature that a warm start begins with


@dataclass(frozen=True)
class Intermediate:
    """What a callback sees; errors are relative to the total mass."""

    nit: int
    nfev: int
    dual_bound: float
    gap: float
    marginal_error: float
    elapsed: float


class Monitor:
    """Best bound so far, and the voice of the solve: callback and status line."""

    def __init__(self, problem, tol, callback, status_line):
        self.problem, self.tol, self.callback = problem, tol, callback
        self.status_line = status_line
        self.started = time.perf_counter()
        self.nit = 0
        self.best: Certificate | None = None
        self.gap = np.inf

    @property
    def certificate(self) -> Certificate:
        """The best, once there is one."""
        assert self.best is not None
        return self.best

    def consider(self, oracle, alpha):
        """Keep the bound at alpha if it is the best; return it."""
        certificate = oracle.certificate(alpha, self.problem.k)
        if self.best is None or certificate.bound > self.best.bound:
            # Its plan is rarely wanted, and would be there while memory is at its peak.
            nothing = np.empty((0, 0))
            self.best = certificate._replace(rows=nothing, mass=nothing)
        return certificate.bound

    def plan_of_best(self, oracle):
        """Rows and masses (m, k) of the k-sparse columns that attain the best bound."""
        certificate = oracle.certificate(self.certificate.alpha, self.problem.k)
        return certificate.rows, certificate.mass

    def assess(self, oracle, alpha, gradient):
        """Whether the relaxation is solved: marginal error and relative gap within tol."""
        bound = self.consider(oracle, alpha)
        # alpha' gradient corrects the value for the marginal error that is left.
        value = oracle.relaxed_value() + float(alpha @ gradient)
        self.gap = self.problem.relative_gap(value, bound)
        # For k = 1 the relaxation is a linear programme: a vertex of a nearly optimal face has to
        # be optimal to tol.
        goal = self.tol if self.problem.k.max() > 1 else max(0.01 * self.tol, min(self.tol, 1e-9))
        size = max(self.problem.unit * self.problem.mass, float(np.abs(alpha) @ self.problem.a))
        # Where the value is all but zero no bound is nearer than the rounding of its terms.
        is_tight = self.gap <= goal or value - bound <= NO_GAP * size
        return np.abs(gradient).sum() <= self.tol * self.problem.mass and is_tight

    def step(self, oracle, gradient):
        """Report a Newton step."""
        self.nit += 1
        error = float(np.abs(gradient).sum()) / self.problem.mass
        self.status_line.show(
            f"sparse_ot: {self.nit} Newton steps, marginal error {error:.1e}, gap {self.gap:.1e}"
        )
        if self.callback is not None:
            elapsed = time.perf_counter() - self.started
            bound = -np.inf if self.best is None else self.best.bound
            self.callback(Intermediate(self.nit, oracle.nfev, bound, self.gap, error, elapsed))


@dataclass(frozen=True)
class Relaxation:
    """Where the relaxation ended; `oracle` holds the plan."""

    oracle: ProximalDual
    gradient: NDArray
    outcome: str  # "converged", "limit" or "stopped"


def relax(
    problem,
    kernels,
    monitor,
    *,
    tol,
    maxiter,
    workers,
    options,
    warm_start=None,
    linear_start=False,
    dual=ProximalDual,
    stops=STOPS,
):
    """Proximal-point semismooth Newton on the smoothed semi-dual.

    Parameters
    ----------
    problem : SparseOT
    monitor : Monitor
    warm_start : tuple, optional
        ``(alpha, plan)``: potentials (n,) and a relaxed plan as csc_array (n, m).
    linear_start : bool
        Start from the optimum of the linear programme, where there is no warm start.
    dual : type
        The oracle that suits `problem` and `kernels`.
    stops : tuple of exceptions
        That end the solve with the best answer so far.

    Returns
    -------
    Relaxation
    """
    reg, unit = problem.reg, problem.unit
    typical = float(problem.b.mean())
    mu = max(options.window * unit / typical - reg, RELATIVE * reg)
    exact = None
    if warm_start is None:
        if linear_start:
            exact = solve_linear(problem, monitor.status_line.show)
        if exact is not None:
            alpha = exact.alpha
        elif is_large(problem):
            alpha = _cluster_start(problem, kernels)
        else:
            alpha = _alternate(problem, kernels, reg + mu)
        spread = np.clip(_spreading_curvature(problem, kernels, alpha), 0.01 * mu, mu)
        mu = max(float(spread) - reg, RELATIVE * reg)
        lists = None
        # Of a linear relaxation that plan is the answer. Small ones it would hold near a vertex,
        # from which the search finds worse plans where there is little room.
        is_linear = reg == 0.0 or problem.k.max() == 1
        if exact is not None and (is_linear or not has_small_shape(problem)):
            lists = _centred_lists(exact.plan, problem, kernels, reg + mu)
    else:
        alpha, plan = warm_start
        mu *= WARM_WINDOW
        lists = _centred_lists(plan, problem, kernels, reg + mu)
    oracle = dual(
        kernels,
        problem.a,
        problem.b,
        problem.Ct,
        problem.k,
        reg,
        mu=mu,
        lists=lists,
        workers=workers,
        groups=problem.groups,
    )

    if warm_start is None:
        alpha = oracle.balanced(alpha)

    def assess(x, gradient):
        solved = monitor.assess(oracle, x, gradient)
        oracle.limit_margins(2 * (reg + oracle.mu) * problem.b + 1e-4 * unit)
        return solved

    try:
        if exact is not None and exact.stopped:
            raise KeyboardInterrupt
        trace = proximal_point(
            oracle,
            alpha,
            tol=tol * problem.mass,
            scale=problem.mass,
            maxiter=maxiter,
            assess=assess,
            schedule=schedule_for(problem, options),
            on_iteration=lambda x, value, gradient: monitor.step(oracle, gradient),
        )
    except stops:
        if monitor.best is not None:
            alpha = monitor.best.alpha
        elif oracle.nfev > 0:
            alpha = oracle.reference
        _, gradient = oracle.evaluate(alpha)
        monitor.consider(oracle, alpha)
        return Relaxation(oracle, gradient, "stopped")
    return Relaxation(oracle, trace.gradient, "converged" if trace.converged else "limit")


def schedule_for(problem, options):
    """Return how the proximal curvature shrinks; few rows are quickly solved at the same one."""
    schedule = ProximalSchedule(
        shrink=options.shrink,
        floor=1e-6 * problem.unit / float(problem.b.mean()),
        newton_limit=options.newton_limit,
    )
    return schedule._replace(patience=PATIENCE) if len(problem.a) <= DENSE_ROWS else schedule


def _cluster_start(problem, kernels):
    def alternate(problem, alpha, curvature):
        return _alternate(problem, kernels, curvature, alpha)

    def curvature_at(problem, alpha):
        return _spreading_curvature(problem, kernels, alpha)

    alpha = cluster_potentials(problem, kernels, alternate, curvature_at)
    return _alternate(problem, kernels, curvature_at(problem, alpha), alpha, ALTERNATIONS // 2)


def _alternate(problem, kernels, curvature, alpha=None, alternations=ALTERNATIONS):
    """A few exact block ascents on quadratic transport without cardinality constraint."""
    if alpha is None:
        alpha = kernels.c_transform(np.zeros(len(problem.b)), problem.C)
    for _ in range(alternations):
        beta = kernels.simplex_potentials(alpha, problem.Ct, problem.b, curvature)
        alpha = kernels.simplex_potentials(beta, problem.C, problem.a, curvature)
    return alpha - alpha.mean()


def _spreading_curvature(problem, kernels, alpha):
    """Curvature at which a typical column spreads over a few entries more than it has to."""
    n, m = len(problem.a), len(problem.b)
    entries = min(n, SPREAD + 2 * n // m)
    sample = np.linspace(0, m - 1, min(m, SAMPLE)).astype(int)
    Ct = kernels.take_columns(problem.Ct, sample)
    rows = kernels.cheapest_in_columns(alpha, Ct, entries)
    x = alpha[rows] - kernels.entries(Ct, np.arange(len(sample))[:, None], rows)
    reach = (x - x.min(axis=1, keepdims=True)).sum(axis=1)  # simplex of that mass holds them all
    return float(np.median(reach / problem.b[sample]))


def _centred_lists(plan, problem, kernels, curvature):
    """Candidate lists that hold a plan as proximal centre and are completed on first use."""
    n, m = plan.shape
    count = np.diff(plan.indptr)
    lists = CandidateLists.empty(m, min(n, int(count.max()) + 16))
    column = np.repeat(np.arange(m), count)
    slot = np.arange(len(column)) - plan.indptr[column]
    lists.rows[column, slot] = plan.indices
    lists.cost[column, slot] = kernels.entries(problem.Ct, column, plan.indices)
    lists.centre[column, slot] = plan.data
    lists.count[:] = count
    lists.margin[:] = FIRST_MARGIN * curvature * problem.b
    return lists
