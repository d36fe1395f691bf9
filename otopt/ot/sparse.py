"""Cardinality-constrained optimal transport (Liu, Puigcerver, Blondel 2023)."""

from __future__ import annotations

import os
import time
import warnings

from otopt._backend import kernels as select_kernels
from otopt._backend import numpy_views, small_kernels
from otopt._core.clouds import METRICS
from otopt._core.options import SparseOTOptions, resolve_options
from otopt._core.problems import SparseOT
from otopt._core.progress import StatusLine
from otopt._core.status import Status
from otopt._core.validation import as_choice, as_positive_int, as_real
from otopt._rounding.rounding import round_plan
from otopt.errors import ConvergenceWarning, FeasibilityWarning

from ._assembly import assemble
from ._relaxation import Monitor, relax
from ._small import is_small, relax_small
from ._tensors import as_numpy, as_tensors
from .result import OTResult

__all__ = ["SparseOTOptions", "sparse_ot"]

ROUNDINGS = ("repair", "none")
DEFAULT_MAXITER = 2000


def sparse_ot(
    a,
    b,
    C=None,
    k=...,
    *,
    X=None,
    Y=None,
    metric="sqeuclidean",
    reg=None,
    tol=1e-6,
    maxiter=None,
    rounding="repair",
    warm_start=None,
    workers=1,
    callback=None,
    options=None,
):
    r"""Transport with at most k nonzeros in every column of the plan, and a certificate.

    .. math::
        \begin{aligned}
        \min_T\ & \langle T, C\rangle + \tfrac{\mathrm{reg}}{2}\|T\|^2 \\
        \text{s.t.}\ & T\mathbf 1 = a,\ T^\top\mathbf 1 = b,\ T\ge 0,\
        \|t_j\|_0\le k\ \text{for every column}
        \end{aligned}

    Every target is fed by at most k sources. To bound the rows instead, transpose: ``sparse_ot(b,
    a, C.T, k)``. The cost is given as a matrix `C`, or by points `X` and `Y` and a `metric`; then
    the matrix is never formed.

    Parameters
    ----------
    a : array_like, shape (n,)
        Masses of the sources, non-negative.
    b : array_like, shape (m,)
        Masses of the targets, non-negative, of the same sum up to rounding (5e-10 of it; 1e-5
        where `a` or `b` is float32).
    C : array_like, shape (n, m), optional
        Cost of moving one unit of mass from i to j; any finite reals. float32 is kept as it is,
        everything else becomes float64. Masses and potentials are always float64, because float32
        cannot hold the marginals to 1e-9. `a`, `b` and `C` may be torch tensors, all of one
        dtype and on the CPU; half precision is computed in float32. Arrays of the result are of
        the same library; torch's have the dtype of the problem. Leave `C` out to give `X` and `Y`.
    k : int or None
        Nonzeros allowed in a column; must be given. None or k >= n: no constraint (quadratic
        transport). A plan exists for weights in general position only if ``k * m >= n + m - 1``,
        for uniform ones only if ``k * m >= n + m - gcd(n, m)``.
    X, Y : array_like, shape (n, d), (m, d), optional
        Points of the sources and of the targets, finite, in place of `C`. float32 is kept where
        both are; distances are always summed in float64.
    metric : {"sqeuclidean", "euclidean", "cosine"}
        Cost between points: :math:`\|x-y\|^2`, :math:`\|x-y\|`, or
        :math:`1-\langle x,y\rangle/(\|x\|\|y\|)`, for which no point may be the origin.
    reg : float, optional
        Quadratic regularisation, >= 0, in units of cost per mass. The default ``(C.max() -
        C.min()) / a.sum()`` leaves the plan unchanged when the cost or the masses are multiplied
        by a constant. 0 is the linear programme.
    tol : float
        Accepted marginal error of the relaxation (relative to the mass) and accepted relative gap
        between its value and `dual_bound`. A result is optimal when its own gap is within `tol`.
    maxiter : int, optional
        Newton steps for the relaxation; 2000 by default.
    rounding : {"repair", "none"}
        Whether to search for a k-sparse plan where the relaxed one is not.
    warm_start : OTResult, optional
        A result for the same shape, for example before a small change of `a`, `b` or the cost.
    workers : int
        Threads; -1 for all cores. Changes the speed, never the answer.
    callback : callable, optional
        ``callback(intermediate_result)`` after every Newton step; the argument has `nit`, `nfev`,
        `dual_bound`, `gap`, `marginal_error` and `elapsed`. Raise `StopIteration` to stop.
    options : SparseOTOptions or dict, optional
        Fine settings.

    Returns
    -------
    OTResult
        The plan, its value, a proven lower bound on the value of every k-sparse plan, the gap
        between the two, the relaxed plan and the potentials.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work. Tensors that require grad are
        refused while torch records gradients, because this function has none to give: a gradient
        that goes missing in a sum of losses is hard to notice. `otopt.nn` is differentiable.

    Warns
    -----
    FeasibilityWarning
        No k-sparse plan that meets the marginals exists, or none was found.
    ConvergenceWarning
        The relaxation did not reach `tol` within `maxiter` steps.

    Notes
    -----
    The dual of the problem is the dual of its convexification, in which ``||t_j||^2`` under the
    cardinality constraint becomes the squared k-support norm [1]_. The relaxation is solved by
    regularised semismooth Newton steps inside a proximal-point loop; one evaluation costs O(n m)
    at most and touches a few per cent of C once it has settled. A k-sparse plan is then searched
    by a difference-of-convex method [2]_ on a pool of about k + 8 entries a column.

    Between points the columns are scanned by branch and bound over kd-trees, with planes fitted
    to the potentials in every box. Nothing is lost by it: bound and plan are those of the matrix,
    up to rounding, in O((n + m) d + m k) memory. In few dimensions a scan visits a small part of
    the pairs; beyond some ten dimensions it visits most of them, O(n m d) an evaluation. From
    2000 points on both sides, the potentials start from those between clusters.

    Where the relaxed plan is k-sparse it is optimal. Otherwise `gap` says how far the returned
    plan can be from optimal; it grows as k * m approaches n + m - 1, where feasibility itself is a
    hard combinatorial question and the search may fail (status `NOT_FOUND`).

    References
    ----------
    .. [1] T. Liu, J. Puigcerver, M. Blondel, "Sparsity-Constrained Optimal Transport", ICLR 2023,
       :doi:`10.48550/arXiv.2209.15466`.
    .. [2] J. Gotoh, A. Takeda, K. Tono, "DC formulations and algorithms for sparse optimization
       problems", Mathematical Programming 169, 2018, :doi:`10.1007/s10107-017-1181-0`.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.1, 2.9])
    >>> C = (x[:, None] - y) ** 2
    >>> result = otopt.sparse_ot(np.full(4, 0.25), np.full(2, 0.5), C, k=2, reg=0.1)
    >>> result.plan.toarray()
    array([[0.25, 0.  ],
           [0.25, 0.  ],
           [0.  , 0.25],
           [0.  , 0.25]])
    >>> result.status.name, result.gap < 1e-9
    ('OPTIMAL', True)
    """
    started = time.perf_counter()
    options = resolve_options("sparse_ot", SparseOTOptions, options)
    tol = as_real("sparse_ot", "tol", tol, low=0.0, strict=True)
    maxiter = (
        DEFAULT_MAXITER if maxiter is None else as_positive_int("sparse_ot", "maxiter", maxiter)
    )
    workers = _thread_count(workers)
    if rounding not in ROUNDINGS:
        message = f"sparse_ot: `rounding` must be one of {ROUNDINGS}; got {rounding!r}."
        raise ValueError(message)
    if callback is not None and not callable(callback):
        message = f"sparse_ot: `callback` must be callable; got {type(callback).__name__}."
        raise TypeError(message)
    home, (a, b, C, X, Y) = numpy_views("sparse_ot", a=a, b=b, C=C, X=X, Y=Y)
    kernels = select_kernels("points" if C is None else "columns")
    problem = _as_problem(a, b, C, k, X, Y, metric, reg, kernels)
    warm = _check_warm_start(warm_start, problem)

    with StatusLine(options.progress) as status_line:
        monitor = Monitor(problem, tol, callback, status_line)
        compiled = small_kernels() if callback is None and warm is None else None
        if compiled is not None and is_small(problem):
            kernels = compiled
            relaxation = relax_small(
                problem, kernels, monitor, tol=tol, maxiter=maxiter, options=options
            )
        else:
            relaxation = relax(
                problem, kernels, monitor,
                tol=tol, maxiter=maxiter, workers=workers, options=options, warm_start=warm,
            )  # fmt: skip
        outcome, rounded = relaxation.outcome, None
        if outcome != "stopped":
            status_line.show("sparse_ot: searching a k-sparse plan")
            try:
                rounded = round_plan(
                    problem, kernels, relaxation.oracle, monitor.best,
                    search=rounding == "repair",
                    options=options, effort=monitor.nit,
                )  # fmt: skip
            except KeyboardInterrupt:
                outcome = "stopped"
        if rounded is not None and rounded.feasible:
            monitor.consider(relaxation.oracle, rounded.alpha)
    result = assemble(problem, monitor, relaxation, rounded, outcome, k, tol, started)
    _warn(result)
    return result if home is None else as_tensors(result, home)


def _thread_count(workers):
    if workers == -1:
        return os.cpu_count() or 1
    return as_positive_int("sparse_ot", "workers", workers)


def _as_problem(a, b, C, k, X, Y, metric, reg, kernels):
    if k is ...:
        message = "sparse_ot: `k` must be given; got nothing; k=None asks for no constraint."
        raise TypeError(message)
    given = [name for name, x in (("C", C), ("X", X), ("Y", Y)) if x is not None]
    if given not in (["C"], ["X", "Y"]):
        message = (
            "sparse_ot: the cost must be given either as `C` or by both `X` and `Y`; got "
            f"{' and '.join(f'`{name}`' for name in given) or 'none of them'}; leave out the rest."
        )
        raise TypeError(message)
    if C is not None:
        as_choice("sparse_ot", "metric", metric, METRICS)
        return SparseOT.from_arrays(a, b, C, k, reg)
    return SparseOT.from_points(a, b, X, Y, metric, k, reg, cost_range=kernels.cost_range)


def _check_warm_start(warm_start, problem):
    if warm_start is None:
        return None
    if not isinstance(warm_start, OTResult):
        message = f"sparse_ot: `warm_start` must be an OTResult; got {type(warm_start).__name__}."
        raise TypeError(message)
    shape = tuple((warm_start.relaxed or warm_start).plan.shape)
    if shape != problem.shape:
        message = (
            f"sparse_ot: `warm_start` must have the shape of `C`; got {shape} for "
            f"{problem.shape}; solve cold instead."
        )
        raise ValueError(message)
    warm_start = as_numpy(warm_start)
    plan = (warm_start.relaxed or warm_start).plan[problem.rows][:, problem.columns].tocsc()
    return warm_start.potentials.source[problem.rows], plan


def _warn(result):
    if result.status in (Status.INFEASIBLE, Status.NOT_FOUND):
        warnings.warn(f"sparse_ot: {result.message}", FeasibilityWarning, stacklevel=3)
    elif result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"sparse_ot: {result.message}", ConvergenceWarning, stacklevel=3)
