"""Cardinality-constrained optimal transport (Liu, Puigcerver, Blondel 2023)."""

from __future__ import annotations

from typing import Any

from otopt._backend import kernels as select_kernels
from otopt._backend import numpy_views
from otopt._core.options import SparseOTOptions
from otopt._core.penalties import as_penalties, check_balance
from otopt._core.problems import SparseOT
from otopt._core.validation import check_cost_given

from ._axis import as_axis, check_orientation, transposed_result
from ._penalised import solve_penalised
from ._solve import check_settings, check_warm_start, solve, warn_of_failure
from ._tensors import as_tensors

__all__ = ["SparseOTOptions", "sparse_ot"]


def sparse_ot(
    a,
    b,
    C=None,
    k: Any = ...,
    *,
    axis=0,
    X=None,
    Y=None,
    metric="sqeuclidean",
    reg=None,
    marginal_penalty=None,
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

    Every target is fed by at most k sources; with ``axis=1`` every source feeds at most k targets
    instead. The cost is given as a matrix `C`, or by points `X` and `Y` and a `metric`; then
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
    k : int, array_like of int, shape (m,), or None
        Nonzeros allowed in a column, or in each column; must be given. None or k >= n: no
        constraint (quadratic transport). A plan exists for weights in general position only if
        ``k * m >= n + m - 1`` (the sum of all k, where they differ), for uniform ones only if
        ``k * m >= n + m - gcd(n, m)``.
    axis : {0, 1}
        What k bounds: 0 the nonzeros of every column, 1 those of every row. For 1, exchange rows
        and columns, n and m, in what is said of k here and in the result.
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
    marginal_penalty : penalty, float or pair of them, optional
        Adds a cost F(T 1) in place of ``T 1 = a``, and G(T' 1) in place of ``T' 1 = b``: a
        `KLPenalty` (a number stands for one, as in `sinkhorn`), an `L2Penalty` or `MassBounds`. A
        pair gives one for each side; None keeps a constraint. Sums may differ then, and all masses
        must be positive. Needs `C`.
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
    With a `marginal_penalty` the value counts F and G, and so does the bound, which weak duality
    gives at every pair of potentials. The relaxation is solved by the same Newton steps, in which
    penalties add to the diagonal; then masses are settled on the heaviest entries of its plan, and
    on the support of a k-sparse plan that has its marginals; the better one is returned. Where few
    plans are allowed, k = 1 with bounds in particular, the search may find none.

    The dual of the problem is the dual of its convexification, in which ``||t_j||^2`` under the
    cardinality constraint becomes the squared k-support norm [1]_. The relaxation is solved by
    regularised semismooth Newton steps inside a proximal-point loop; one evaluation costs O(n m)
    at most and touches a few per cent of C once it has settled. On a matrix of more than 150 rows
    or 512 columns it starts from the optimum without curvature, by the method of `emd`. A k-sparse
    plan is then searched by a difference-of-convex method [2]_ on a pool of about k + 8 entries a
    column.

    Between points the columns are scanned by branch and bound over kd-trees, with planes fitted
    to the potentials in every box. Nothing is lost by it: bound and plan are those of the matrix,
    up to rounding, in O((n + m) d + m k) memory. In few dimensions a scan visits a small part of
    the pairs; beyond some ten dimensions it visits most of them, O(n m d) an evaluation. From
    2000 points on both sides, a solve starts from the optimum without curvature in up to three
    dimensions, and from the potentials between clusters in more.

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
    settings = check_settings(
        "sparse_ot",
        tol=tol,
        maxiter=maxiter,
        rounding=rounding,
        workers=workers,
        callback=callback,
        options=options,
    )
    home, (a, b, C, X, Y) = numpy_views("sparse_ot", a=a, b=b, C=C, X=X, Y=Y)
    axis = as_axis("sparse_ot", axis)
    if axis == 1:
        if C is not None:
            C = check_orientation("sparse_ot", a, b, C).T
        a, b, X, Y = b, a, Y, X
        warm_start = check_warm_start("sparse_ot", warm_start)
        if warm_start is not None:
            warm_start = transposed_result(warm_start)
        if isinstance(marginal_penalty, tuple):
            marginal_penalty = marginal_penalty[::-1]
    kernels = select_kernels("points" if C is None else "columns")
    penalties = as_penalties("sparse_ot", marginal_penalty)
    side = ("column", "row")[axis]
    problem = _as_problem(a, b, C, k, X, Y, metric, reg, kernels, penalties, side)
    warm_start = check_warm_start("sparse_ot", warm_start, problem.shape)
    if penalties is None:
        result = solve(problem, kernels, k, settings, warm_start)
    else:
        result = solve_penalised(problem, kernels, k, settings, warm_start, penalties)
    result = transposed_result(result) if axis == 1 else result
    warn_of_failure(result, stacklevel=3)
    return result if home is None else as_tensors(result, home)


def _as_problem(a, b, C, k, X, Y, metric, reg, kernels, penalties, side):
    if k is ...:
        message = "sparse_ot: `k` must be given; got nothing; k=None asks for no constraint."
        raise TypeError(message)
    check_cost_given("sparse_ot", C, X, Y, metric)
    if C is not None:
        if penalties is not None:
            problem = SparseOT.from_unbalanced(a, b, C, k, reg, side=side)
            check_balance("sparse_ot", problem.a, problem.b, penalties)
            return problem
        return SparseOT.from_arrays(a, b, C, k, reg, side=side)
    if penalties is not None:
        message = (
            "sparse_ot: `marginal_penalty` needs the cost as a matrix `C`; got points `X` and `Y`."
        )
        raise ValueError(message)
    return SparseOT.from_points(
        a, b, X, Y, metric, k, reg, cost_range=kernels.cost_range, side=side
    )
