"""Entropic optimal transport, balanced and unbalanced."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass

import numpy as np

from otopt._backend import as_numpy, numpy_views
from otopt._backend import kernels as select_kernels
from otopt._core.entropic import EntropicOT
from otopt._core.options import SinkhornOptions, resolve_options
from otopt._core.progress import StatusLine
from otopt._core.status import Status
from otopt._core.validation import as_positive_int, as_real, as_threads
from otopt._oracles.entropic_dual import EntropicDual
from otopt.errors import ConvergenceWarning

from ._annealing import anneal
from ._entropic_assembly import assemble
from .entropic_result import EntropicResult

__all__ = ["SinkhornOptions", "SinkhornProgress", "sinkhorn"]

DEFAULT_MAXITER = 20_000


@dataclass(frozen=True)
class SinkhornProgress:
    """What the callback of `sinkhorn` sees.

    Attributes
    ----------
    nit : int
        Passes so far.
    reg : float
        The regularisation of this stage; that of the problem in the last one.
    marginal_error : float
        L1, relative to the mass, at this regularisation.
    elapsed : float
        Seconds.

    Examples
    --------
    >>> import otopt
    >>> seen = []
    >>> C = [[0.0, 1.0], [1.0, 0.5]]
    >>> result = otopt.sinkhorn([0.3, 0.7], [0.5, 0.5], C, reg=0.01, callback=seen.append)
    >>> seen[-1].reg, seen[-1].nit <= result.nit
    (0.01, True)
    """

    nit: int
    reg: float
    marginal_error: float
    elapsed: float


def sinkhorn(
    a,
    b,
    C=None,
    *,
    reg,
    X=None,
    Y=None,
    metric="sqeuclidean",
    marginal_penalty=None,
    tol=1e-9,
    maxiter=None,
    warm_start=None,
    workers=1,
    callback=None,
    options=None,
):
    r"""Entropic optimal transport, with a certificate.

    .. math::
        \min_{T \ge 0}\ \langle T, C\rangle
        + \mathrm{reg}\,\mathrm{KL}\Big(T \,\Big|\, \frac{a b^\top}{s}\Big)
        \quad\text{s.t.}\quad T\mathbf 1 = a,\ T^\top\mathbf 1 = b

    with :math:`\mathrm{KL}(P | Q) = \sum P \log(P/Q) - P + Q` and s the mass (the geometric mean
    of the two sums where they differ). Sinkhorn's iterations are the start; where they would be
    many, Newton steps on the dual take over, so that small regularisations are no harder to reach
    than large ones, and nothing overflows, vanishes or loses mass on the way.

    Parameters
    ----------
    a : array_like, shape (n,)
        Masses of the sources, non-negative.
    b : array_like, shape (m,)
        Masses of the targets, non-negative, of the same sum up to rounding (5e-10 of it; 1e-5
        where `a` or `b` is float32) unless a marginal is relaxed.
    C : array_like, shape (n, m), optional
        Cost of moving one unit of mass from i to j; any finite reals. float32 is read as it is,
        everything else becomes float64. Masses, potentials and plan are always float64. Torch
        tensors on the CPU (`a`, `b`, `C` of one dtype) are read in place and answered in tensors of
        their dtype, without gradients: `otopt.nn.sinkhorn_value` has those.
    reg : float
        Entropic regularisation, > 0, in units of the cost.
    X, Y : array_like, shape (n, d) and (m, d), optional
        Points, instead of `C`: the cost is computed on the way, in memory O((n + m) d).
    metric : {"sqeuclidean", "euclidean"}
        Cost between points: the squared distance or the distance.
    marginal_penalty : float or tuple of two floats, optional
        Replaces ``T 1 = a`` and ``T' 1 = b`` by the penalties ``marginal_penalty * KL(T 1 | a)``
        and ``marginal_penalty * KL(T' 1 | b)``, in units of the cost (unbalanced transport). A
        pair gives one for each side; `inf` or None keeps a constraint.
    tol : float
        Accepted L1 error of the marginals, relative to the mass.
    maxiter : int, optional
        Passes over the cost or a matrix of its size; 20000 by default.
    warm_start : EntropicResult, optional
        A result for the same shape, for example before a small change of `a`, `b`, `C` or `reg`.
    workers : int
        Threads; -1 for all cores. Changes the speed, never the answer.
    callback : callable, optional
        ``callback(intermediate_result)`` after every evaluation of the cost; the argument is a
        `SinkhornProgress`. Raise `StopIteration` to stop.
    options : SinkhornOptions or dict, optional
        Fine settings.

    Returns
    -------
    EntropicResult
        Potentials, plan (built when asked for), bounds on the optimum with and without
        regularisation, and the marginal error.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        The plan does not meet its marginals up to `tol`; the status says why.

    Notes
    -----
    The potentials of the rows are eliminated, which leaves a concave problem in those of the
    columns whose gradient is the error of the column marginal. A regularisation below 5 % of the
    cost range is approached from larger ones [1]_. At each, Sinkhorn steps are followed by Newton
    steps, solved by conjugate gradients and cut at a trust radius; the close of [2]_ without
    factorisation. Evaluations of the cost are made in the log domain and in double precision; in
    between, a copy of the Gibbs kernel in single precision (4 n m bytes) serves steps and
    conjugate gradients, as long as exponents stay within its range.

    `dual_bound` holds by weak duality for any potentials, `primal_bound` for the plan after
    rounding to the marginals [3]_: together they enclose the optimum wherever the solver stops.

    References
    ----------
    .. [1] B. Schmitzer, "Stabilized sparse scaling algorithms for entropy regularized transport
       problems", SIAM Journal on Scientific Computing 41(3), 2019, :doi:`10.1137/16M1106018`.
    .. [2] X. Tang, M. Shavlovsky, H. Rahmanian, E. Tardini, K. K. Thekumparampil, T. Xiao, L.
       Ying, "Accelerating Sinkhorn Algorithm with Sparse Newton Iterations", ICLR 2024,
       :doi:`10.48550/arXiv.2401.12253`.
    .. [3] J. Altschuler, J. Weed, P. Rigollet, "Near-linear time approximation algorithms for
       optimal transport via Sinkhorn iteration", NeurIPS 2017, :doi:`10.48550/arXiv.1705.09634`.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.1, 2.9])
    >>> C = (x[:, None] - y) ** 2
    >>> result = otopt.sinkhorn(np.full(4, 0.25), np.full(2, 0.5), C, reg=0.5)
    >>> result.plan.round(3)
    array([[0.25 , 0.   ],
           [0.249, 0.001],
           [0.001, 0.249],
           [0.   , 0.25 ]])
    >>> result.status.name, result.marginal_error < 1e-9, result.gap < 1e-8
    ('OPTIMAL', True, True)
    """
    started = time.perf_counter()
    options = resolve_options("sinkhorn", SinkhornOptions, options)
    tol = as_real("sinkhorn", "tol", tol, low=0.0, strict=True)
    maxiter = (
        DEFAULT_MAXITER if maxiter is None else as_positive_int("sinkhorn", "maxiter", maxiter)
    )
    workers = as_threads("sinkhorn", workers)
    if callback is not None and not callable(callback):
        message = f"sinkhorn: `callback` must be callable; got {type(callback).__name__}."
        raise TypeError(message)
    home, (a, b, C, X, Y) = numpy_views("sinkhorn", a=a, b=b, C=C, X=X, Y=Y)
    problem = EntropicOT.from_arrays(
        a, b, C, reg, X=X, Y=Y, metric=metric, marginal_penalty=marginal_penalty
    )
    start = _start(warm_start, problem)
    dual = EntropicDual(select_kernels("gibbs"), problem, workers)

    with StatusLine(options.progress) as status_line:

        def report(error):
            status_line.show(
                f"sinkhorn: reg {dual.reg:.1e}, {dual.passes} passes, marginal error {error:.1e}"
            )
            if callback is not None:
                elapsed = time.perf_counter() - started
                callback(SinkhornProgress(dual.passes, dual.reg, error, elapsed))

        outcome = anneal(dual, options, tol=tol, maxiter=maxiter, start=start, report=report)
    result = assemble(dual, outcome, tol, maxiter, started)
    if not result.success and result.status is not Status.STOPPED:
        warnings.warn(f"sinkhorn: {result.message}", ConvergenceWarning, stacklevel=2)
    return result if home is None else result.in_tensors(home)


def _start(warm_start, problem):
    if warm_start is None:
        return None
    if not isinstance(warm_start, EntropicResult):
        message = (
            f"sinkhorn: `warm_start` must be an EntropicResult; got {type(warm_start).__name__}."
        )
        raise TypeError(message)
    f, g = (as_numpy(x) for x in warm_start.potentials)
    if (len(f), len(g)) != (len(problem.a), len(problem.b)):
        message = (
            f"sinkhorn: `warm_start` must have the shape of `C`; got {(len(f), len(g))} for "
            f"{(len(problem.a), len(problem.b))}; solve cold instead."
        )
        raise ValueError(message)
    return np.array(f[problem.rows] if problem.swapped else g[problem.columns])
