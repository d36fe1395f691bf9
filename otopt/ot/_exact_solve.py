"""What `emd` and `assignment` have in common: checked settings, and the way through the rooms."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from otopt._backend import as_numpy
from otopt._backend import kernels as select_kernels
from otopt._core.clouds import PointCost
from otopt._core.interrupts import Interrupts
from otopt._core.options import EmdOptions, resolve_options
from otopt._core.problems import LinearOT
from otopt._core.progress import StatusLine
from otopt._core.validation import (
    as_choice,
    as_cost,
    as_floats,
    as_positive_int,
    as_real,
    check_callback,
)
from otopt._solvers.network_simplex import Limits, NotFiniteError, ResumePoint, solve_network

from ._exact_assembly import assemble, dual_value, linear_value
from ._price_start import price_start
from ._tensors import result_as_numpy
from .result import OTResult

__all__ = [
    "UNLIMITED",
    "WORK_BETWEEN_LOOKS",
    "Oriented",
    "Points",
    "Session",
    "Settings",
    "solve",
    "solve_oriented",
]

METHODS = ("auto", "multilevel", "flat")
UNLIMITED = 2**62
WORK_BETWEEN_LOOKS = 20_000_000  # entries priced between two looks at the clock: some 20 ms


class Points(NamedTuple):
    """Two clouds in place of a cost matrix, as given."""

    X: Any
    Y: Any
    metric: Any


@dataclasses.dataclass(frozen=True)
class Settings:
    """Checked arguments of `emd` besides the problem."""

    function: str
    maxiter: int
    time_limit: float
    callback: object
    options: EmdOptions

    @classmethod
    def check(cls, function, *, maxiter, time_limit, method, callback, options):
        """Refuse what breaks the rules."""
        options = resolve_options(function, EmdOptions, options)
        for name in ("candidates", "batch", "coarsest"):
            as_positive_int(function, f"options.{name}", getattr(options, name))
        if as_positive_int(function, "options.cluster_size", options.cluster_size) < 2:
            message = f"{function}: `options.cluster_size` must be at least 2; got 1."
            raise ValueError(message)
        if maxiter is not None:
            maxiter = as_positive_int(function, "maxiter", maxiter)
        if time_limit is not None:
            time_limit = as_real(function, "time_limit", time_limit, low=0.0, strict=True)
        as_choice(function, "method", method, METHODS)
        check_callback(function, callback)
        if method == "multilevel":
            options = dataclasses.replace(options, kept_variance=-1.0, price_start=False)
        elif method == "flat":
            options = dataclasses.replace(options, coarsest=UNLIMITED, price_start=False)
        return cls(function, maxiter or UNLIMITED, time_limit or np.inf, callback, options)


def solve(a, b, C, warm_start, settings, kind=OTResult):
    """Solve one problem; the arguments besides it are checked."""
    started = time.perf_counter()
    if isinstance(C, Points):
        with Session(settings, "network points") as session:
            problem = LinearOT.from_points(a, b, *C, function=settings.function)
            resume = _resume_point(settings.function, warm_start, problem, C)
            return session.run(problem, resume, started, kind)
    with Session(settings) as session:
        kernels, name = session.kernels, settings.function
        # A warm start may take a single pass over C, which checks it too.
        find_range = kernels.cost_range if warm_start is None else kernels.sample_range
        problem = LinearOT.from_arrays(a, b, C, find_range, function=name)
        if warm_start is not None and problem.C.size < np.prod(problem.shape):
            as_cost(name, "C", C, kernels.cost_range)
        resume = _resume_point(name, warm_start, problem, C)
        try:
            return session.run(problem, resume, started, kind)
        except NotFiniteError:
            as_cost(name, "C", C, kernels.cost_range)  # which refuses it
            raise


class Session:
    """Context manager around solves that share a status line, a deadline and Ctrl-C."""

    def __init__(self, settings, family="network"):
        self.settings = settings
        self.kernels = select_kernels(family)
        self.deadline = time.perf_counter() + settings.time_limit
        self.status_line = StatusLine(settings.options.progress)
        self.interrupts = Interrupts()

    def __enter__(self):
        self.status_line.__enter__()
        self.interrupts.__enter__()
        if self.kernels.cold():
            name = self.settings.function
            self.status_line.announce(f"{name}: compiling kernels, once for all later runs")
        return self

    def __exit__(self, *exc):
        self.interrupts.__exit__(*exc)
        self.status_line.__exit__(*exc)

    def run(self, problem, resume=None, started=None, kind=OTResult, show=True):
        """Solve one problem."""
        started = time.perf_counter() if started is None else started
        settings = self.settings
        oriented = Oriented(problem.C, problem.supply, problem.demand)

        def look(report):
            now = time.perf_counter()
            if show:
                text = f"{settings.function}: {limits.pivots} pivots, {now - started:.0f} s"
                self.status_line.show(text)
            if self.interrupts.requested:
                return "stopped"
            if report is not None and settings.callback is not None:
                arcs, u, v = report()
                value = linear_value(problem, *oriented.arcs(*arcs))
                bound = dual_value(problem, *oriented.potentials(u, v))
                state = SimpleNamespace(
                    nit=limits.pivots, value=value, dual_bound=bound,
                    gap=problem.relative_gap(value, bound), elapsed=now - started,
                )  # fmt: skip
                try:
                    settings.callback(state)
                except StopIteration:
                    return "stopped"
            return "time_limit" if now >= self.deadline else None

        # A callback costs a pass over C, so it may not come too often.
        work = WORK_BETWEEN_LOOKS if settings.callback is None else 2 * problem.C.size
        limits = Limits(settings.maxiter, look, work)
        arcs, potentials, solution = solve_oriented(
            self.kernels, oriented, limits, settings.options, resume
        )
        return assemble(problem, self.kernels, arcs, potentials, solution, limits, started, kind)


def solve_oriented(kernels, oriented, limits, options, resume=None):
    """Solve; the arcs and potentials as `oriented` was given, and the `NetworkSolution`."""
    solution = solve_network(
        kernels, oriented.C, oriented.supply, oriented.demand, limits, options,
        oriented.resume(resume),
        prices=price_start if options.price_start and isinstance(oriented.C, np.ndarray) else None,
    )  # fmt: skip
    arcs = oriented.arcs(*solution.arcs)
    return arcs, oriented.potentials(solution.u, solution.v), solution


class Oriented:
    """A problem or its transpose: C-contiguous, and not much wider than high."""

    def __init__(self, C, supply, demand):
        n, m = C.shape
        if isinstance(C, PointCost):
            self.turned = m >= 4 * n
            self.C = C.transposed if self.turned else C
        else:
            self.turned = m >= 4 * n or not C.flags.c_contiguous
            self.C = np.ascontiguousarray(C.T) if self.turned else C
        masses = supply, demand
        self.supply, self.demand = masses[::-1] if self.turned else masses

    def arcs(self, rows, columns, flow):
        return (columns, rows, flow) if self.turned else (rows, columns, flow)

    def potentials(self, u, v):
        return (v, u) if self.turned else (u, v)

    def resume(self, point):
        if point is None:
            return None
        (u, v), arcs = point
        arcs = None if arcs is None else (arcs[::-1] if self.turned else arcs)
        return ResumePoint(u if self.turned else v, arcs)


def _resume_point(function, warm_start, problem, C):
    """Potentials and arcs of a warm start, in the numbering of the problem, or None.

    `C` is the cost as it was given.
    """
    if warm_start is None:
        return None
    rule = f"{function}: `warm_start` must be an OTResult or a pair (source, target) of potentials"
    arcs = None
    potentials = warm_start
    if isinstance(warm_start, OTResult):
        warm_start = result_as_numpy(warm_start)
        potentials = warm_start.potentials
        arcs = _kept_arcs(warm_start, problem)
    try:
        source, target = (as_floats(function, "warm_start", as_numpy(x)) for x in potentials)
    except (TypeError, ValueError):
        message = f"{rule}; got {type(warm_start).__name__}."
        raise TypeError(message) from None
    shape = source.shape + target.shape
    if shape != problem.shape:
        message = f"{rule} for the shape of `C`, {problem.shape}; got {shape}; solve cold instead."
        raise ValueError(message)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        message = f"{rule} that are finite; solve cold instead."
        raise ValueError(message)
    kept = source[problem.rows], target[problem.columns]
    return tuple(_drawn_together(function, x, problem, C) for x in kept), arcs


def _drawn_together(function, x, problem, C):
    """Potentials as far apart as costs are, at most: the optimal ones are no further.

    Others would drown the costs in their rounding, and the proof with them.
    """
    x = x - x.max()
    if x.min() >= -problem.unit:  # which is the range of a sample, and may fall short
        return x
    if isinstance(C, Points):
        low, high = select_kernels("points").cost_range(problem.C)
    else:
        _, low, high = as_cost(function, "C", C, select_kernels("network").cost_range)
    return np.maximum(x, low - high)


def _kept_arcs(result, problem):
    """Arcs of a plan; None where its shape or its support is another."""
    n, m = problem.shape
    if (len(result.potentials.source), len(result.rows)) != (n, m):
        return None
    column, slot = np.nonzero(result.mass)
    new_row, new_column = np.full(n, -1), np.full(m, -1)
    new_row[problem.rows] = np.arange(len(problem.rows))
    new_column[problem.columns] = np.arange(len(problem.columns))
    rows, columns = new_row[result.rows[column, slot]], new_column[column]
    if len(rows) >= len(problem.rows) + len(problem.columns) or min(rows.min(), columns.min()) < 0:
        return None
    return rows, columns
