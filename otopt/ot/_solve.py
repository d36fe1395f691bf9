"""What the doors to sparsity-constrained transport share: settings, and the steps of a solve."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from otopt._backend import small_kernels
from otopt._core.options import SparseOTOptions, resolve_options
from otopt._core.progress import StatusLine
from otopt._core.status import Status
from otopt._core.validation import as_choice, as_positive_int, as_real, as_threads, check_callback
from otopt._oracles.proximal_dual import ProximalDual
from otopt._rounding.rounding import round_plan
from otopt.errors import ConvergenceWarning, FeasibilityWarning

from ._assembly import assemble, ending_of
from ._linear_start import pays_linear_start
from ._relaxation import STOPS, Monitor, relax
from ._shapes import is_small
from ._small import relax_small, solve_small
from ._tensors import result_as_numpy
from .result import OTResult

__all__ = ["Settings", "check_settings", "check_warm_start", "solve", "warn_of_failure"]

ROUNDINGS = ("repair", "none")
DEFAULT_MAXITER = 2000


@dataclass(frozen=True)
class Settings:
    """How to solve, checked."""

    tol: float
    maxiter: int
    rounding: str
    workers: int
    callback: Callable[..., Any] | None
    options: SparseOTOptions
    started: float  # on the clock of time.perf_counter


def check_settings(function, *, tol, maxiter, rounding, workers, callback, options):
    """Check and default the keyword arguments of `sparse_ot` that say how to solve."""
    started = time.perf_counter()
    options = resolve_options(function, SparseOTOptions, options)
    tol = as_real(function, "tol", tol, low=0.0, strict=True)
    maxiter = DEFAULT_MAXITER if maxiter is None else as_positive_int(function, "maxiter", maxiter)
    workers = as_threads(function, workers)
    as_choice(function, "rounding", rounding, ROUNDINGS)
    check_callback(function, callback)
    return Settings(tol, maxiter, rounding, workers, callback, options, started)


def check_warm_start(function, warm_start, shape=None):
    """Return the result to start from, its arrays in NumPy, or None."""
    if warm_start is None:
        return None
    if not isinstance(warm_start, OTResult):
        message = f"{function}: `warm_start` must be an OTResult; got {type(warm_start).__name__}."
        raise TypeError(message)
    found = tuple((warm_start.relaxed or warm_start).plan.shape)
    if shape is not None and found != shape:
        message = (
            f"{function}: `warm_start` must have the shape of `C`; got {found} for "
            f"{shape}; solve cold instead."
        )
        raise ValueError(message)
    return result_as_numpy(warm_start)


def solve(
    problem, kernels, k, settings, warm_start=None, *, dual=ProximalDual, stops=STOPS, whole=False
):
    """Relax, round, measure; `k` as it was given.

    Parameters
    ----------
    problem : SparseOT
    kernels : module
    settings : Settings
    warm_start : OTResult, optional
        As `check_warm_start` returns it.
    dual, stops
        See `relax`.
    whole : bool
        Solve small problems in one compiled call: worth its time of compilation in a batch.
    """
    options = settings.options
    compiled = None
    if settings.callback is None and warm_start is None and is_small(problem):
        compiled = small_kernels()
    if whole and compiled is not None and settings.rounding == "repair":
        end = solve_small(
            problem, compiled, k, tol=settings.tol, maxiter=settings.maxiter, options=options
        )
        if end is not None:  # else the relaxation again: little beside the search that follows
            return assemble(problem, compiled, end, k, settings)
    warm = None
    if warm_start is not None:
        plan = (warm_start.relaxed or warm_start).plan[problem.rows][:, problem.columns].tocsc()
        warm = warm_start.potentials.source[problem.rows], plan
    with StatusLine(options.progress) as status_line:
        monitor = Monitor(problem, settings.tol, settings.callback, status_line)
        if compiled is not None:
            kernels = compiled
            relaxation = relax_small(
                problem, kernels, monitor,
                tol=settings.tol, maxiter=settings.maxiter, options=options,
            )  # fmt: skip
        else:
            relaxation = relax(
                problem, kernels, monitor,
                tol=settings.tol, maxiter=settings.maxiter, workers=settings.workers,
                options=options, warm_start=warm,
                linear_start=options.linear_start and pays_linear_start(problem),
                dual=dual, stops=stops,
            )  # fmt: skip
        outcome, rounded = relaxation.outcome, None
        if outcome != "stopped":
            status_line.show("sparse_ot: searching a k-sparse plan")
            try:
                rounded = round_plan(
                    problem, kernels, relaxation.oracle, monitor.best,
                    search=settings.rounding == "repair", options=options, effort=monitor.nit,
                )  # fmt: skip
            except stops:
                outcome = "stopped"
        if rounded is not None and rounded.feasible:
            monitor.consider(relaxation.oracle, rounded.alpha)
    end = ending_of(problem, monitor, relaxation, rounded, outcome, k)
    return assemble(problem, relaxation.oracle.kernels, end, k, settings)


def warn_of_failure(result, *, stacklevel):
    """Say aloud that a result is not what was asked for."""
    if result.status in (Status.INFEASIBLE, Status.NOT_FOUND):
        warnings.warn(f"sparse_ot: {result.message}", FeasibilityWarning, stacklevel=stacklevel)
    elif result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"sparse_ot: {result.message}", ConvergenceWarning, stacklevel=stacklevel)
