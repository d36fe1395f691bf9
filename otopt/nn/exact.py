"""Exact transport as a differentiable function of the masses and the cost."""

from __future__ import annotations

import torch

from otopt._uncompiled import uncompiled
from otopt.ot.exact import emd

from ._functions import Solution, value
from ._problems import Batch

__all__ = ["emd_value"]


@uncompiled
def emd_value(a, b, C, *, maxiter=None, time_limit=None):
    r"""Value of `otopt.emd`, differentiable in both masses and the cost.

    By the envelope theorem the derivative of

    .. math::
        V(a, b, C) = \min_T\ \langle T, C\rangle
        \quad\text{s.t.}\ T\mathbf 1 = a,\ T^\top\mathbf 1 = b,\ T\ge 0

    is the solution itself: dV/da = u, dV/db = v, dV/dC = T, with u and v the potentials.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses of the sources, non-negative.
    b : Tensor, shape (..., m)
        Masses of the targets, non-negative, of the same sum up to rounding: that of half
        precision where `a` or `b` is in it.
    C : Tensor, shape (..., n, m)
        Cost of one unit of mass from i to j. Leading dimensions broadcast.
    maxiter : int, optional
        Pivots of the simplex.
    time_limit : float, optional
        Seconds for each problem.

    Returns
    -------
    Tensor, shape (...)
        One number a problem, of the dtype of the problem (float32 for half precision).

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.
    NotConvergedError
        A limit was reached: the derivative of a plan that is not optimal is not that of V.

    See Also
    --------
    sparse_ot_value : The same with curvature and at most k nonzeros in a column.
    sinkhorn_value : Its smooth, entropic relative.

    Notes
    -----
    V is piecewise linear in each argument. Where the optimal plan or the potentials are not unique
    the derivative is that of one of them: an element of the subdifferential in (a, b), of the
    superdifferential in C. Second derivatives are those of the piece.

    Balanced masses determine u and v up to a constant. It is chosen such that ``<a, u> = <b, v>``,
    the derivative of V extended to unbalanced masses by scaling both to their geometric mean.

    Computed on the CPU in float64; the complexity is that of `otopt.emd`.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import emd_value
    >>> a, b = torch.tensor([0.5, 0.5]), torch.tensor([0.25, 0.75])
    >>> C = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> value = emd_value(a, b, C)
    >>> value.backward()
    >>> value.item(), C.grad
    (0.25, tensor([[0.2500, 0.2500],
            [0.0000, 0.5000]]))
    """
    batch = Batch("emd_value", a, b, (C,))
    results = batch.solve(emd, must_succeed=True, maxiter=maxiter, time_limit=time_limit)
    values = []
    for problem, result in zip(batch.problems, results, strict=True):
        solution = Solution.of_plan(result)
        inputs = problem.differentiable(solution.graph.rows, solution.graph.columns)
        values.append(value(*inputs, solution))
    return torch.stack(values).to(batch.dtype).reshape(batch.shape)
