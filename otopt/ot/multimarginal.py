"""Multi-marginal optimal transport between histograms on a line (Mehta et al. 2023)."""

from __future__ import annotations

import numpy as np

from otopt._backend import check_dense, is_tensor, kernels
from otopt._core.validation import as_flag
from otopt._oracles.monge import MongeCost

from ._multimarginal_input import read_marginals
from ._multimarginal_solve import solve
from .multimarginal_result import MMOTResult

__all__ = ["mmot_1d"]

NAME = "mmot_1d"
FLOAT64 = np.dtype(np.float64)
range_grid = kernels("line").range_grid


def mmot_1d(A, *, cost="range", support=None, weights=None, delta=1.0, normalize=False):
    r"""Multi-marginal optimal transport between d histograms on a line, exactly, with its dual.

    .. math::
        \min_{T\ge 0} \sum_{i_1,\dots,i_d} c(x_{i_1},\dots,x_{i_d})\, T_{i_1\dots i_d}
        \quad\text{s.t. the k-th marginal of } T \text{ is } a_k

    The cost has to be Monge (submodular), :math:`c(\min(x, y)) + c(\max(x, y)) \le c(x) + c(y)`
    with minima and maxima by coordinate, as all named ones are. One pass over the data gives the
    value, an optimal dual and, on request, an optimal coupling.

    Parameters
    ----------
    A : array_like or tensor, shape (..., n, d), or list of d vectors
        One histogram a column, non-negative, all of the same sum up to rounding (5e-10 of it, 1e-5
        where `A` is float32); leading dimensions are a batch. A list or tuple holds one vector for
        each histogram, with any numbers of bins. Bins may be empty.
    cost : str or callable
        ``"range"``, max - min: the generalised earth mover's distance. With weights w, sums over
        pairs k < l of :math:`w_k w_l` times :math:`|x_k - x_l|` (``"pairwise_l1"``), its square
        (``"pairwise_l2"``) or Huber's function of it (``"huber"``); and sums over k of
        :math:`w_k` times the distance to the weighted median (``"median"``) or the squared
        distance to the weighted mean (``"variance"``). A callable maps places (..., d) to costs
        (...,); it is refused unless it is Monge on the grid (exhaustive on small grids, a sample
        of squares on larger ones).
    support : array_like, shape (n,), or list of d vectors
        Places of the bins, in any order, repetitions allowed; 0, 1, 2, ... by default. A list where
        `A` is one.
    weights : array_like, shape (d,), optional
        Positive weights w; by default 1 for costs of pairs and 1/d for "median" and "variance".
    delta : float
        Where Huber's function turns from ``t**2 / 2`` to linear, > 0, in units of `support`.
    normalize : bool
        Divide each histogram by its sum instead of refusing unequal sums. The dual is then that of
        the divided ones; the gradient of a tensor's value takes the division into account.

    Returns
    -------
    MMOTResult
        `value`, `dual` and, built when asked for, `plan`. NumPy in, NumPy float64 out; a tensor
        gives tensors of its dtype on its device, and ``value.backward()`` gives `A` the dual.

    Raises
    ------
    ValueError, TypeError
        For negative, infinite or unequal masses, NaN, histograms without mass, supports of another
        length, a callable that is not Monge, and everything else that breaks the rules above,
        before any work.

    Notes
    -----
    On a line the comonotone coupling is optimal for every Monge cost: the greedy sweep that takes
    mass from the heads of all histograms [1]_ [2]_. For "range", "pairwise_l1" and "median" on one
    support no sweep is needed. These are Lovász extensions of cut functions, and

    .. math:: \phi(a_1,\dots,a_d) = \sum_j (x_{j+1} - x_j)\, c\big(F_1(j),\dots,F_d(j)\big)

    with the CDFs F: O(n d) for "range", O(n d log d) for the others, and the cumulative sums of the
    subgradients of c at F are a dual that is feasible whatever bins are empty. "variance" and
    "pairwise_l2" take O(n d log(n d)), "huber" O(n d (d + log n)), a callable its own time on n d
    tuples.

    The dual is zero in the first bin of every histogram (but for the cost of the first tuple, which
    all share). Only directions in which all masses stay equal have a meaning; along them it is the
    gradient, and at ties between CDFs one of the subgradients.

    References
    ----------
    .. [1] R. Mehta, J. Kline, V. S. Lokhande, G. Fung, V. Singh, "Efficient Discrete
       Multi-Marginal Optimal Transport Regularization", ICLR 2023.
    .. [2] W. W. Bein, P. Brucker, J. K. Park, P. K. Pathak, "A Monge property for the d-dimensional
       transportation problem", Discrete Applied Mathematics 58, 1995,
       :doi:`10.1016/0166-218X(93)E0121-E`.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> A = np.array([[0.5, 0.0, 0.25], [0.5, 0.5, 0.5], [0.0, 0.5, 0.25]])
    >>> result = otopt.mmot_1d(A)
    >>> result.value
    1.0
    >>> result.dual
    array([[ 0.,  0.,  0.],
           [-1.,  1.,  0.],
           [-2.,  2.,  0.]])
    >>> result.plan.indices[result.plan.mass > 0]
    array([[0, 1, 0],
           [0, 1, 1],
           [1, 2, 1],
           [1, 2, 2]])
    """
    if (
        type(cost) is str
        and cost == "range"
        and type(A) is np.ndarray
        and A.dtype is FLOAT64
        and A.ndim == 2
        and support is weights is None
        and A.flags.carray
        and normalize is False
    ):  # Checks ride along in the kernel: for ten bins they would take longer than the solve.
        dual = np.empty(A.shape)
        value = range_grid(A, None, dual)
        if value == value:
            return MMOTResult(value, dual, (A, None, False))
    return _checked(A, cost, support, weights, delta, normalize)


def _checked(A, cost, support, weights, delta, normalize):
    normalize = as_flag(NAME, "normalize", normalize)
    if is_tensor(A) or (isinstance(A, (list, tuple)) and any(is_tensor(a) for a in A)):
        from ._multimarginal_torch import solve_tensors

        for x in A if isinstance(A, (list, tuple)) else (A,):
            check_dense(NAME, "A", x)
        value, dual = solve_tensors(A, cost, support, weights, delta, normalize)
    else:
        marginals = read_marginals(A, support, normalize)
        rule = MongeCost.resolve(NAME, cost, marginals.d, weights, delta)
        rule.check(NAME, marginals.supports)
        value, dual = solve(marginals, rule)
    return MMOTResult(value, dual, (A, support, normalize))
