"""Many cardinality-constrained problems at once."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from otopt._backend import kernels as select_kernels
from otopt._backend import numpy_views
from otopt._core.problems import SparseOT
from otopt._core.status import Status
from otopt._core.validation import as_threads
from otopt.errors import ConvergenceWarning, FeasibilityWarning

from ._axis import as_axis, check_orientation, transposed_result
from ._batches import as_problems
from ._solve import Settings, check_settings, solve
from ._tensors import as_tensors

if TYPE_CHECKING:
    from .result import OTResult

__all__ = ["sparse_ot_batch"]

NAME = "sparse_ot_batch"
HANDFULS = 16  # at least, for every thread


def sparse_ot_batch(
    a,
    b,
    C,
    k,
    *,
    axis=0,
    reg=None,
    tol=1e-6,
    maxiter=None,
    rounding="repair",
    workers=-1,
    options=None,
):
    r"""Transport with at most k nonzeros a column for many problems, each with its own result.

    Every problem p is the one of `sparse_ot`,

    .. math::
        \min_{T_p}\ \langle T_p, C_p\rangle + \tfrac{\mathrm{reg}}{2}\|T_p\|^2
        \quad\text{s.t.}\ T_p\mathbf 1 = a_p,\ T_p^\top\mathbf 1 = b_p,\ T_p\ge 0,\
        \|t_{p,j}\|_0\le k,

    solved by itself until it has converged: none waits for the worst.

    Parameters
    ----------
    a : array_like, shape (..., n), or sequence of vectors
        Masses of the sources, non-negative. Rows without mass take no part, so that problems of
        several sizes can be padded with zeros to one.
    b : array_like, shape (..., m), or sequence of vectors
        Masses of the targets, of the same sums.
    C : array_like, shape (..., n, m), or sequence of matrices
        Costs, finite. Leading dimensions of `a`, `b` and `C` broadcast; in a sequence the
        problems may differ in shape. torch tensors, as in `sparse_ot`, give results in tensors.
    k : int, array_like of int, shape (..., m), sequence of those, or None
        Nonzeros allowed in a column, or in each column; None for no constraint.
    axis : {0, 1}
        What k bounds: 0 every column, 1 every row; see `sparse_ot`.
    reg : float, optional
        Quadratic regularisation, >= 0; by default ``(C.max() - C.min()) / a.sum()`` of every
        problem.
    tol : float
        Accepted marginal error and gap of the relaxation.
    maxiter : int, optional
        Newton steps for the relaxation of each problem; 2000 by default.
    rounding : {"repair", "none"}
        Whether to search for a k-sparse plan where the relaxed one is not.
    workers : int or map-like callable
        Threads, by default one for every core; or a function like `map`, for example that of an
        executor of `concurrent.futures`. Changes the speed, never the answer.
    options : SparseOTOptions or dict, optional
        As for `sparse_ot`.

    Returns
    -------
    list of OTResult
        One for each problem, in the order of the flattened leading dimensions. After Ctrl-C the
        problems that were not solved have status `STOPPED`.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, naming the problem, before any work.

    Warns
    -----
    FeasibilityWarning, ConvergenceWarning
        As `sparse_ot`, once for the batch with the number of problems concerned.

    Notes
    -----
    Problems of up to 150 sources and 512 targets are solved in one compiled call each, which takes
    the steps of `sparse_ot` and releases the interpreter lock; larger ones are solved by
    `sparse_ot` itself, one a worker. Answers agree with `sparse_ot` up to rounding; where that, or
    luck, decides in the search for a k-sparse plan (status `FEASIBLE`), plans may differ within
    their gaps. The first call compiles for half a minute or more, later ones load what it
    left.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> C = np.random.default_rng(0).random((10, 6, 4))
    >>> results = otopt.sparse_ot_batch(np.full(6, 1 / 6), np.full(4, 1 / 4), C, k=3)
    >>> len(results), all(result.success for result in results)
    (10, True)
    """
    settings = check_settings(
        NAME,
        tol=tol,
        maxiter=maxiter,
        rounding=rounding,
        workers=1,  # threads go over the problems
        callback=None,
        options=options,
    )
    settings = replace(settings, options=replace(settings.options, progress=False))
    axis = as_axis(NAME, axis)
    run_all = workers if callable(workers) else _threads(workers)
    homes, jobs = _jobs(a, b, C, k, axis, reg, settings)
    results = _collect(run_all, jobs)
    if axis == 1:
        results = [transposed_result(result) for result in results]
    _warn(results)
    return [
        result if home is None else as_tensors(result, home)
        for result, home in zip(results, homes, strict=True)
    ]


@dataclass(frozen=True)
class _Job:
    """One problem and its settings: what travels to a worker."""

    problem: SparseOT
    k: Any  # as it was given
    settings: Settings


def _jobs(a, b, C, k, axis, reg, settings):
    """Where every answer is to go (None: NumPy), and every problem, checked."""
    if axis == 0:
        stack = SparseOT.from_stack(a, b, C, k, reg, function=_problem_name(0))
        if stack is not None:
            return [None] * len(stack), [_Job(problem, k, settings) for problem in stack]
    jobs, homes = [], []
    side = ("column", "row")[axis]
    for index, (*arrays, counts) in enumerate(as_problems(NAME, a, b, C, k)):
        function = _problem_name(index)
        home, (x, y, cost) = numpy_views(function, **dict(zip("abC", arrays, strict=True)))
        if axis == 1:
            x, y, cost = y, x, check_orientation(function, x, y, cost).T
        problem = SparseOT.from_arrays(x, y, cost, counts, reg, function=function, side=side)
        homes.append(home)
        jobs.append(_Job(problem, counts, settings))
    return homes, jobs


def _problem_name(index):
    return f"{NAME}: problem {index}"


def _solve(job: _Job, stopped=False) -> OTResult:
    """Solve one problem; where `stopped`, only measure the starting point."""
    started = time.perf_counter()
    settings = replace(job.settings, started=started, callback=_stop if stopped else None)
    # Ctrl-C goes on to `_collect`: it is meant for the batch, not for one problem.
    return solve(job.problem, select_kernels(), job.k, settings, stops=(StopIteration,), whole=True)


def _stop(intermediate_result):
    raise StopIteration


def _collect(run_all, jobs):
    """Results in order; those that Ctrl-C leaves out are stopped ones."""
    results = []
    try:
        results.extend(run_all(_solve, jobs))
    except KeyboardInterrupt:
        results += [_solve(job, stopped=True) for job in jobs[len(results) :]]
    return results


def _threads(workers):
    """A function like `map` over that many threads."""
    count = as_threads(NAME, workers)
    if count == 1:
        return map

    def run_all(function, jobs):
        # Handing over a result wakes a thread: many problems are handed over by the handful.
        size = max(1, len(jobs) // (HANDFULS * count))
        handfuls = [jobs[first : first + size] for first in range(0, len(jobs), size)]
        pool = ThreadPoolExecutor(count)
        try:
            for results in pool.map(lambda some: [function(job) for job in some], handfuls):
                yield from results
        finally:
            pool.shutdown(cancel_futures=True)

    return run_all


def _warn(results):
    infeasible = sum(r.status in (Status.INFEASIBLE, Status.NOT_FOUND) for r in results)
    limited = sum(r.status is Status.ITERATION_LIMIT for r in results)
    for count, what, category in (
        (infeasible, "have no k-sparse plan, or none was found", FeasibilityWarning),
        (limited, "stopped at maxiter", ConvergenceWarning),
    ):
        if count:
            text = f"{NAME}: {count} of {len(results)} problems {what}; see their `message`."
            warnings.warn(text, category, stacklevel=3)
