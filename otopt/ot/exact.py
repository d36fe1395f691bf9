"""Unregularised optimal transport by a network simplex."""

from __future__ import annotations

import dataclasses
import time
import warnings
from types import SimpleNamespace

import numpy as np

from otopt._backend import kernels as select_kernels
from otopt._core.interrupts import Interrupts
from otopt._core.options import EmdOptions, resolve_options
from otopt._core.problems import LinearOT
from otopt._core.progress import StatusLine
from otopt._core.status import Status
from otopt._core.validation import as_positive_int, as_real
from otopt._solvers.network_simplex import Limits, ResumePoint, solve_network
from otopt.errors import ConvergenceWarning

from ._exact_assembly import assemble, dual_value, linear_value
from .result import OTResult

__all__ = ["EmdOptions", "emd"]

METHODS = ("auto", "multilevel", "flat")
UNLIMITED = 2**62
WORK_BETWEEN_LOOKS = 20_000_000  # entries priced between two looks at the clock: some 20 ms


def emd(
    a,
    b,
    C,
    *,
    warm_start=None,
    maxiter=None,
    time_limit=None,
    method="auto",
    callback=None,
    options=None,
):
    r"""Optimal transport without regularisation, exact and with a certificate.

    .. math:: \min_T\ \langle T, C\rangle\quad \text{s.t.}\
        T\mathbf 1 = a,\ T^\top\mathbf 1 = b,\ T\ge 0

    The value is the earth mover's distance (Wasserstein distance, to the p-th power where C holds
    p-th powers of distances).

    Parameters
    ----------
    a : array_like, shape (n,)
        Masses of the sources, non-negative.
    b : array_like, shape (m,)
        Masses of the targets, non-negative, of the same sum up to rounding (5e-10 of it; 1e-5
        where `a` or `b` is float32).
    C : array_like, shape (n, m)
        Cost of moving one unit of mass from i to j; any finite reals. float32 is kept as it is,
        everything else becomes float64; contiguous arrays are not copied.
    warm_start : OTResult or pair of array_like, optional
        A result for the same shape, or potentials ``(source, target)``. A result that is still
        optimal costs one pass over C.
    maxiter : int, optional
        Pivots of the simplex, at all levels together; no limit by default.
    time_limit : float, optional
        Seconds after which to stop, checked every few hundredths of a second.
    method : {"auto", "multilevel", "flat"}
        Whether to solve coarser problems first. "auto" does so where merging rows and columns
        keeps most of the variance of the cost; the result says what was done.
    callback : callable, optional
        ``callback(intermediate_result)`` between slices of work on the full problem; the argument
        has `nit`, `value`, `dual_bound`, `gap` and `elapsed`. Raise `StopIteration` to stop.
    options : EmdOptions or dict, optional
        Fine settings.

    Returns
    -------
    OTResult
        The plan, with at most n + m - 1 nonzeros (`k` is n, `reg` is 0, `relaxed` is None), its
        value, and potentials that prove `dual_bound`. Stopped at a limit, it still carries a plan
        that meets its marginals and a valid bound: `gap` says how far from optimal it can be.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        `maxiter` or `time_limit` was reached first.

    Notes
    -----
    A primal network simplex [1]_ on implicit arcs. Rows keep lists of their cheapest columns; only
    when no listed arc improves the plan whole rows are priced, and the solve ends when all of C was
    priced at the same potentials without finding one. Potentials come from coarser problems, in
    which rows, and columns, that the cost treats alike are merged (a multilevel method as in [2]_,
    but from the cost alone, without coordinates). Where merging would blur the cost and the problem
    is an assignment, shortest augmenting paths on the lists [3]_ come first. Masses are integers
    inside, of 60 bits, and the tree is strongly feasible: flows do not drift, and degenerate
    pivots cannot cycle.

    The worst case is exponential, as for every known pivot rule of this kind; in practice the time
    grows like n m and a few hundred pivots per row. Memory beyond C is O(n + m) for the basis and
    at most C / 4 for the coarser problems; a C-contiguous C with m >= 4 n is copied once.

    References
    ----------
    .. [1] W. H. Cunningham, "A network simplex method", Mathematical Programming 11, 1976,
       :doi:`10.1007/BF01580379`.
    .. [2] B. Schmitzer, "A sparse multiscale algorithm for dense optimal transport", Journal of
       Mathematical Imaging and Vision 56, 2016, :doi:`10.1007/s10851-016-0653-9`.
    .. [3] R. Jonker, A. Volgenant, "A shortest augmenting path algorithm for dense and sparse
       linear assignment problems", Computing 38, 1987, :doi:`10.1007/BF02278710`.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> x, y = np.array([0.0, 1.0, 2.0]), np.array([0.5, 2.5])
    >>> result = otopt.emd([0.5, 0.25, 0.25], [0.5, 0.5], (x[:, None] - y) ** 2)
    >>> result.plan.toarray()
    array([[0.5 , 0.  ],
           [0.  , 0.25],
           [0.  , 0.25]])
    >>> result.value, result.status.name, bool(result.gap < 1e-12)
    (0.75, 'OPTIMAL', True)
    """
    settings = Settings.check(
        "emd", maxiter=maxiter, time_limit=time_limit, method=method, callback=callback,
        options=options,
    )  # fmt: skip
    result = solve(a, b, C, warm_start, settings)
    if result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"emd: {result.message}", ConvergenceWarning, stacklevel=2)
    return result


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
        if method not in METHODS:
            message = f"{function}: `method` must be one of {METHODS}; got {method!r}."
            raise ValueError(message)
        if callback is not None and not callable(callback):
            message = f"{function}: `callback` must be callable; got {type(callback).__name__}."
            raise TypeError(message)
        if method == "multilevel":
            options = dataclasses.replace(options, kept_variance=-1.0)
        elif method == "flat":
            options = dataclasses.replace(options, coarsest=UNLIMITED)
        return cls(function, maxiter or UNLIMITED, time_limit or np.inf, callback, options)


def solve(a, b, C, warm_start, settings, kind=OTResult):
    """Solve one problem; the arguments besides it are checked."""
    started = time.perf_counter()
    kernels = select_kernels("network")
    with StatusLine(settings.options.progress) as status_line, Interrupts() as interrupts:
        if kernels.cold():
            status_line.announce(f"{settings.function}: compiling kernels, once for all later runs")
        problem = LinearOT.from_arrays(a, b, C, kernels.cost_range, function=settings.function)
        resume = _resume_point(settings.function, warm_start, problem)
        oriented = _Oriented(problem)

        def look(report):
            elapsed = time.perf_counter() - started
            status_line.show(f"{settings.function}: {limits.pivots} pivots, {elapsed:.0f} s")
            if interrupts.requested:
                return "stopped"
            if report is not None and settings.callback is not None:
                arcs, u, v = report()
                value = linear_value(problem, *oriented.arcs(*arcs))
                bound = dual_value(problem, *oriented.potentials(u, v))
                state = SimpleNamespace(
                    nit=limits.pivots, value=value, dual_bound=bound,
                    gap=problem.relative_gap(value, bound), elapsed=elapsed,
                )  # fmt: skip
                try:
                    settings.callback(state)
                except StopIteration:
                    return "stopped"
            return "time_limit" if elapsed >= settings.time_limit else None

        # A callback costs a pass over C, so it may not come too often.
        work = WORK_BETWEEN_LOOKS if settings.callback is None else 2 * problem.C.size
        limits = Limits(settings.maxiter, look, work)
        solution = solve_network(
            kernels, oriented.C, oriented.supply, oriented.demand, limits, settings.options,
            oriented.resume(resume),
        )  # fmt: skip
    rows, columns, flow = oriented.arcs(solution.rows, solution.columns, solution.flow)
    u, v = oriented.potentials(solution.u, solution.v)
    return assemble(problem, (rows, columns, flow), (u, v), solution, limits, started, kind)


class _Oriented:
    """The problem or its transpose: C-contiguous, and not much wider than high."""

    def __init__(self, problem):
        C = problem.C
        n, m = C.shape
        self.turned = m >= 4 * n or not C.flags.c_contiguous
        self.C = np.ascontiguousarray(C.T) if self.turned else C
        masses = problem.supply, problem.demand
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


def _resume_point(function, warm_start, problem):
    """Potentials and arcs of a warm start, in the numbering of the problem, or None."""
    if warm_start is None:
        return None
    rule = f"{function}: `warm_start` must be an OTResult or a pair (source, target) of potentials"
    arcs = None
    potentials = warm_start
    if isinstance(warm_start, OTResult):
        potentials = warm_start.potentials
        arcs = _kept_arcs(warm_start, problem)
    try:
        source, target = (np.asarray(x, np.float64) for x in potentials)
    except (TypeError, ValueError):
        message = f"{rule}; got {type(warm_start).__name__}."
        raise TypeError(message) from None
    shape = source.shape + target.shape
    if shape != problem.cost.shape:
        message = f"{rule} for the shape of `C`, {problem.cost.shape}; got {shape}; solve cold instead."
        raise ValueError(message)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        message = f"{rule} that are finite; solve cold instead."
        raise ValueError(message)
    return (source[problem.rows], target[problem.columns]), arcs


def _kept_arcs(result, problem):
    """Arcs of a plan; None where its shape or its support is another."""
    n, m = problem.cost.shape
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
