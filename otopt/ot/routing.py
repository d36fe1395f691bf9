"""Prices that make rows choose columns in balance."""

from __future__ import annotations

import warnings

from otopt._core.status import Status
from otopt.errors import ConvergenceWarning

from ._price_problem import read_problem
from ._price_solve import solve
from .price_result import PriceResult

__all__ = ["PriceResult", "solve_prices"]


def solve_prices(
    scores,
    k=1,
    capacity=None,
    *,
    row_mass=None,
    row_nnz=None,
    equality=None,
    method="auto",
    smoothing=None,
    reg=None,
    passes=None,
    tol=2e-3,
    maxiter=200,
    warm_start=None,
    certify=True,
):
    r"""Find prices at which rows that take their k best columns fill them in balance.

    .. math:: \max_{0\le x\le 1}\ \sum_{ij} w_i s_{ij} x_{ij}\quad\text{s.t.}\quad
        \sum_j x_{ij} = k,\ \sum_i w_i x_{ij} \le C_j

    through its dual, which has one price for every column:

    .. math:: D(q) = \sum_i w_i \max_{|J| = k} \sum_{j\in J} (s_{ij} - q_j) + \langle C, q\rangle

    is an upper bound at any q >= 0, and at any q where loads must equal C. A mixture of experts is
    routed by such prices: subtract them from the scores of a token and take the k best experts.

    Parameters
    ----------
    scores : array_like or torch.Tensor, shape (n, m)
        What column j is worth to row i; finite, n may be 0. float32 is kept, half precision
        becomes float32, everything else float64. Elsewhere than on the CPU rows that hold
        anything not finite count as padding, because looking would wait for the device.
    k : int
        Columns a row takes, in 1..m.
    capacity : float or array_like, shape (m,), optional
        The most mass that a column takes; together at least k times the mass of the rows. By
        default all columns take equal shares, exactly.
    row_mass : array_like, shape (n,), optional
        Mass w of the rows, 1 by default; 0 for padding, which may hold anything.
    row_nnz : int, optional
        The most columns, in k..m, that a row is spread over by the smoothing.
    equality : bool, optional
        Whether loads must equal `capacity` rather than stay below it; by default only where
        `capacity` is None.
    method : {"auto", "newton", "diagonal", "quantile", "sinkhorn"}
        "newton" takes Newton steps with the full curvature (m, m), on the CPU; "diagonal" with its
        diagonal, which suits many processes; "auto" the first where it can be had and `passes` is
        None. "quantile" minimises over row potentials and prices in turn (masses must be 0 or 1),
        "sinkhorn" only makes the entropic start that the others begin with.
    smoothing : float, optional
        Size of the quadratic smoothing of the dual in standard deviations of the scores around the
        means of their columns. By default 0.1 where `passes` is given, and otherwise 0.005,
        approached from 0.05.
    reg : float, optional
        The same in units of the scores; overrides `smoothing` and is used from the start.
    passes : int, optional
        Take exactly so many passes, by the diagonal unless the method is "quantile" or
        "sinkhorn", and check nothing: no value is read on the host. Two are enough from prices of
        the batch before that are off by no more than twice the smoothing.
    tol : float
        Largest deviation of smoothed loads from the capacities, over the mean capacity.
    maxiter : int
        The most passes where `passes` is None.
    warm_start : PriceResult or array_like, shape (m,), optional
        Prices to begin with.
    certify : bool
        Whether to make one more pass for `load` and `dual_bound`.

    Returns
    -------
    PriceResult
        Prices, the loads they lead to, and the bound they prove.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        `maxiter` passes did not reach `tol`.

    Notes
    -----
    Rows of the smoothed dual are projections onto the capped simplex, ``p = clip((s - q - tau) /
    reg, 0, 1)`` with sum k: sparsemax for k = 1. The dual is piecewise quadratic, and its
    semismooth Newton method needs few steps from an entropic start. A pass costs O(n m) and little
    more than finding the best column of every row.

    Prices do not make a plan: rows take whole columns, so loads only come near the capacities
    (`load`), by about one standard deviation of the smoothing. `assign` moves the few too many.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> scores = np.random.default_rng(0).normal(size=(512, 8)) + np.arange(8)
    >>> np.bincount(scores.argmax(axis=1), minlength=8)
    array([  0,   0,   0,   0,   1,  24, 115, 372])
    >>> result = otopt.solve_prices(scores)
    >>> np.bincount((scores - result.price).argmax(axis=1), minlength=8)
    array([64, 65, 64, 64, 63, 64, 64, 64])
    >>> otopt.assign(scores, result, capacity=64, policy="repair").load
    array([64, 64, 64, 64, 64, 64, 64, 64])
    """
    rows, dual, start, settings = read_problem(
        "solve_prices", scores, k, capacity, row_mass=row_mass, row_nnz=row_nnz, equality=equality,
        method=method, smoothing=smoothing, reg=reg, passes=passes, tol=tol, maxiter=maxiter,
        warm_start=warm_start, certify=certify,
    )  # fmt: skip
    result = solve(rows, dual, start, settings)
    if result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"solve_prices: {result.message}", ConvergenceWarning, stacklevel=2)
    return result
