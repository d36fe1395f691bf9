"""Unregularised optimal transport by a network simplex."""

from __future__ import annotations

import warnings

from otopt._backend import numpy_views
from otopt._core.options import EmdOptions
from otopt._core.status import Status
from otopt._core.validation import check_cost_given
from otopt.errors import ConvergenceWarning, FeasibilityWarning

from ._exact_solve import Points, Settings, solve
from ._exact_sparse import solve_sparse
from ._tensors import as_tensors

__all__ = ["EmdOptions", "emd"]


def emd(
    a,
    b,
    C=None,
    *,
    X=None,
    Y=None,
    metric="sqeuclidean",
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
    C : array_like or scipy.sparse array, shape (n, m), optional
        Cost of moving one unit of mass from i to j; any finite reals. float32 is kept as it is,
        everything else becomes float64; contiguous arrays are not copied. Pairs that a sparse C
        does not hold are forbidden, entries of 0 are free; it is filled in inside. Torch tensors on
        the CPU (`a`, `b`, `C` of one dtype) are read in place and answered in tensors, without
        gradients: `otopt.nn.emd_value` has those. Leave `C` out to give `X` and `Y`.
    X, Y : array_like, shape (n, d), (m, d), optional
        Points of the sources and of the targets, finite, in place of `C`, which is then never
        formed. float32 is kept where both are; distances are always summed in float64.
    metric : {"sqeuclidean", "euclidean", "cosine"}
        Cost between points: :math:`\|x-y\|^2`, :math:`\|x-y\|`, or
        :math:`1-\langle x,y\rangle/(\|x\|\|y\|)`, for which no point may be the origin.
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
        Potentials of a sparse C are bounded by its entries only.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        `maxiter` or `time_limit` was reached first.
    FeasibilityWarning
        No plan avoids the pairs that a sparse C forbids; status `INFEASIBLE`.

    Notes
    -----
    A primal network simplex [1]_ on implicit arcs. Rows keep lists of their cheapest columns; only
    when no listed arc improves the plan whole rows are priced, and the solve ends when all of C was
    priced at the same potentials without finding one. Short rows are priced whole from the start.
    In the first flow those rows choose first that would lose most by their second column, at
    potentials that come from coarser problems, in which rows, and columns, that the cost treats
    alike are merged (a multilevel method as in [2]_, but from the cost alone, without coordinates).
    Where merging would blur the cost, or columns are few, they come from the smoothed dual of
    `solve_prices`, which is left unfinished; in an assignment shortest augmenting paths on the
    lists [3]_ come first. Masses are integers inside, of 60 bits, and the tree is strongly
    feasible: flows do not drift, and degenerate pivots cannot cycle.

    The worst case is exponential, as for every known pivot rule of this kind; in practice the time
    grows like n m and a few hundred pivots per row. Memory beyond C is O(n + m) for the basis and
    about C / 15 for the coarser problems, or a copy of C in single precision for the prices; a
    C-contiguous C with m >= 4 n is copied once.

    Between points the same kernels search a row by branch and bound over a kd-tree, with planes
    fitted to the potentials in every box. Pruning is exact: the last pass still compares all of
    the n m reduced costs, most of them through the bound of their box, and the result is that of
    the matrix up to rounding. Coarser problems are between the means of clusters. Memory is
    O((n + m) d + n times the length of a candidate list). Beyond some ten dimensions boxes exclude
    little, and a pass takes O(n m d).

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
    check_cost_given("emd", C, X, Y, metric)
    home = None
    if hasattr(C, "tocoo"):
        if warm_start is not None or callback is not None:
            message = "emd: `warm_start` and `callback` must be None for a sparse `C`; fill it in."
            raise ValueError(message)
        result = solve_sparse(a, b, C, settings)
    else:
        home, (a, b, C, X, Y) = numpy_views("emd", a=a, b=b, C=C, X=X, Y=Y)
        result = solve(a, b, Points(X, Y, metric) if C is None else C, warm_start, settings)
    if result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"emd: {result.message}", ConvergenceWarning, stacklevel=2)
    elif result.status is Status.INFEASIBLE:
        warnings.warn(f"emd: {result.message}", FeasibilityWarning, stacklevel=2)
    return result if home is None else as_tensors(result, home)
