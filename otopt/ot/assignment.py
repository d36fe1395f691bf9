"""The linear assignment problem."""

from __future__ import annotations

import warnings
from functools import cached_property

import numpy as np

from otopt._backend import as_numpy, is_tensor, numpy_views, torch_module
from otopt._core.status import Status
from otopt._core.validation import as_cost
from otopt.errors import ConvergenceWarning

from ._exact_solve import Settings, solve
from ._tensors import as_tensors
from .result import OTResult

__all__ = ["AssignmentResult", "assignment"]


class AssignmentResult(OTResult):
    """An `OTResult` of `assignment`: the plan is a permutation matrix, named by `permutation`.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.assignment([[2.0, 1.0], [1.0, 3.0]])
    >>> result.permutation, result.value
    (array([1, 0]), 2.0)
    """

    @cached_property
    def permutation(self):
        """Column of every row, shape (n,), so that ``C[arange(n), permutation].sum()`` is `value`.

        Returns
        -------
        ndarray of int, shape (n,)
            The matching.
        """
        n = len(self.rows)
        columns = np.empty(n, np.int64)
        columns[as_numpy(self.rows)[:, 0]] = np.arange(n)
        return torch_module().from_numpy(columns) if is_tensor(self.rows) else columns


def assignment(
    C, *, warm_start=None, maxiter=None, time_limit=None, method="auto", callback=None, options=None
):
    r"""Match every row with a column of its own at the least total cost.

    .. math:: \min_\sigma\ \sum_i C_{i\sigma(i)}\quad\text{over permutations}\ \sigma

    Exact transport between n points of mass one, which always has a permutation among its optima.

    Parameters
    ----------
    C : array_like or Tensor, shape (n, n)
        Cost of matching row i with column j; any finite reals. To maximise, pass ``-C``.
    warm_start : OTResult or pair of array_like, optional
        As for `emd`.
    maxiter : int, optional
        As for `emd`.
    time_limit : float, optional
        As for `emd`.
    method : {"auto", "multilevel", "flat"}
        As for `emd`.
    callback : callable, optional
        As for `emd`.
    options : EmdOptions or dict, optional
        As for `emd`.

    Returns
    -------
    AssignmentResult
        An `OTResult` for unit masses, with the column of every row in `permutation`. Stopped at a
        limit, it still is a permutation.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        `maxiter` or `time_limit` was reached first.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.assignment([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
    >>> result.permutation
    array([1, 0, 2])
    >>> result.value
    5.0
    """
    settings = Settings.check(
        "assignment", maxiter=maxiter, time_limit=time_limit, method=method, callback=callback,
        options=options,
    )  # fmt: skip
    try:
        shape = np.shape(C)
    except ValueError:  # ragged
        shape = None
    if shape is None or len(shape) != 2 or 0 in shape:
        shape = as_cost("assignment", "C", C)[0].shape  # which refuses it
    if shape[0] != shape[1]:
        message = (
            f"assignment: `C` must be square; got shape {shape}; for more columns than rows add "
            "rows of zeros."
        )
        raise ValueError(message)
    home, (C,) = numpy_views("assignment", C=C)
    ones = np.ones(shape[0])
    result = solve(ones, ones, C, warm_start, settings, kind=AssignmentResult)
    if result.status is Status.ITERATION_LIMIT:
        warnings.warn(f"assignment: {result.message}", ConvergenceWarning, stacklevel=2)
    return result if home is None else as_tensors(result, home)
