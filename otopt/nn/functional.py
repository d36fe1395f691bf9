"""Value and plan of sparsity-constrained transport as differentiable functions."""

from __future__ import annotations

from typing import NamedTuple

import torch

from otopt._core.penalties import as_penalties
from otopt._core.validation import as_choice
from otopt._uncompiled import uncompiled
from otopt.ot.result import OTResult
from otopt.ot.sparse import sparse_ot

from ._functions import Solution, bound, masses, value
from ._problems import Batch

__all__ = ["SparsePlan", "sparse_ot_plan", "sparse_ot_value"]

OBJECTIVES = ("value", "bound")


class SparsePlan(NamedTuple):
    """Differentiable plans with at most k nonzeros in every column, and how they were found.

    Attributes
    ----------
    rows : Tensor of int64, shape (..., m, k)
        Row indices of the nonzeros of every column; -1 marks an unused slot.
    mass : Tensor, shape (..., m, k)
        Mass carried by each of them; 0 in unused slots, where no gradient flows.
    sources : int
        The number n of rows.
    results : tuple of OTResult
        Status, gap and certificate of every problem, in the order of the flattened batch; NumPy
        arrays.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import sparse_ot_plan
    >>> a = torch.tensor([0.5, 0.5])
    >>> C = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> plan = sparse_ot_plan(a, a, C, k=1)
    >>> plan.rows[:, 0], plan.mass[:, 0].detach()
    (tensor([0, 1]), tensor([0.5000, 0.5000]))
    >>> plan.results[0].success
    True
    """

    rows: torch.Tensor
    mass: torch.Tensor
    sources: int
    results: tuple[OTResult, ...]

    def to_dense(self):
        """Return the plans as matrices.

        Returns
        -------
        Tensor, shape (..., n, m)
            Differentiable.
        """
        *batch, m, _ = self.rows.shape
        plan = self.mass.new_zeros(*batch, m, self.sources)
        return plan.scatter_add(-1, self.rows.clamp(min=0), self.mass).mT


@uncompiled
def sparse_ot_value(
    a, b, C, k, *, reg=None, marginal_penalty=None, objective="value", tol=1e-6, maxiter=None,
    workers=1,
):  # fmt: skip
    r"""Value of `otopt.sparse_ot`, differentiable in both masses and the cost.

    By the envelope theorem the derivative of

    .. math::
        V(a, b, C) = \min_T\ \langle T, C\rangle + \tfrac{\mathrm{reg}}{2}\|T\|^2
        \quad\text{s.t.}\ T\mathbf 1 = a,\ T^\top\mathbf 1 = b,\ T\ge 0,\ \|t_j\|_0\le k

    is the solution itself: dV/da = alpha, dV/db = beta, dV/dC = T.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses of the sources, non-negative.
    b : Tensor, shape (..., m)
        Masses of the targets, non-negative, of the same sum up to rounding: that of half
        precision where `a` or `b` is in it.
    C : Tensor, shape (..., n, m)
        Cost of one unit of mass from i to j. Leading dimensions broadcast.
    k : int or None
        Nonzeros allowed in a column; None for no constraint.
    reg : float, optional
        Quadratic regularisation, >= 0. By default ``(C.max() - C.min()) / a.sum()`` for every
        problem. It counts as a constant: derivatives are those at this `reg`.
    marginal_penalty : penalty, float or pair of them, optional
        As of `otopt.sparse_ot`; differentiable once. The masses of a side that pays F(r; a) are
        minimised over, so the derivative by a is that of F at them; of a side that is given or
        bounded it is taken from the potentials of the bound, exact where the status is `OPTIMAL`.
    objective : {"value", "bound"}
        The value of the k-sparse plan, or the proven lower bound, which is the value of the convex
        relaxation.
    tol : float
        Accepted marginal error and gap of the relaxation.
    maxiter : int, optional
        Newton steps for the relaxation.
    workers : int
        Threads; the speed alone depends on them.

    Returns
    -------
    Tensor, shape (...)
        One number a problem, of the dtype of the problem (float32 for half precision).

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.
    InfeasibleError, NotConvergedError
        ``objective="value"`` and some problem has no k-sparse plan, or none was found.

    Notes
    -----
    ``"value"`` differentiates the plan that is returned, on its support S: alpha, beta and T solve
    the programme restricted to S, to machine precision. S is locally constant away from ties, so
    this is the exact derivative, twice differentiable: V is quadratic in (a, b, C) there. Where the
    solver is not certain of optimality (status `FEASIBLE`), S is the choice of a heuristic and V
    can jump by about the gap when it changes.

    ``"bound"`` is the dual optimum: continuous, convex in (a, b), concave in C, finite for every k,
    and equal to the value where the status is `OPTIMAL`. It is cheaper, as no k-sparse plan is
    searched for. Its derivatives are the potentials and the relaxed plan, and exist once. A value
    within `tol` fixes them to about the square root of `tol` only, as every optimum is flat: ask
    for a smaller `tol` where they must be exact.

    Balanced masses determine alpha and beta up to a constant. It is chosen such that ``<a, alpha> =
    <b, beta>``, the derivative of V extended to unbalanced masses by scaling both to their
    geometric mean.

    At ties V has a kink and the derivative is one of its one-sided derivatives: entries without
    mass are taken out of S, whatever their reduced cost; masses that are zero get the price of
    their cheapest entry; parts of S that are not connected keep the levels that the solver found.

    Complexity: that of `otopt.sparse_ot`, and one sparse factorisation of order n + m for the
    derivatives by `a` and `b` and for the second derivative.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import sparse_ot_value
    >>> a, b = torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5])
    >>> C = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> value = sparse_ot_value(a, b, C, k=1, reg=1.0)
    >>> value.backward()
    >>> value.item(), C.grad
    (0.25, tensor([[0.5000, 0.0000],
            [0.0000, 0.5000]]))
    """
    batch = Batch("sparse_ot_value", a, b, (C,))
    return _solve_values(
        batch, k, objective, reg=reg, marginal_penalty=marginal_penalty, tol=tol, maxiter=maxiter,
        workers=workers,
    )[0]  # fmt: skip


@uncompiled
def sparse_ot_plan(a, b, C, k, *, reg=None, tol=1e-6, maxiter=None, workers=1):
    r"""Plan of `otopt.sparse_ot`, differentiable in both masses and the cost.

    On its support S the plan solves

    .. math::
        t_{ij} = (\alpha_i + \beta_j - C_{ij}) / \mathrm{reg}\ \text{on}\ S, \qquad
        T\mathbf 1 = a,\ T^\top\mathbf 1 = b,

    a linear system that is differentiated as such; the iterations that found S are not.

    Parameters
    ----------
    a : Tensor, shape (..., n)
        Masses of the sources, non-negative.
    b : Tensor, shape (..., m)
        Masses of the targets, non-negative, of the same sum up to rounding: that of half
        precision where `a` or `b` is in it.
    C : Tensor, shape (..., n, m)
        Cost of one unit of mass from i to j. Leading dimensions broadcast.
    k : int or None
        Nonzeros allowed in a column; None for no constraint.
    reg : float, optional
        Quadratic regularisation, >= 0; see `sparse_ot_value`.
    tol : float
        Accepted marginal error and gap of the relaxation.
    maxiter : int, optional
        Newton steps for the relaxation.
    workers : int
        Threads; the speed alone depends on them.

    Returns
    -------
    SparsePlan
        Rows and masses (..., m, k); `SparsePlan.to_dense` for matrices.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.
    InfeasibleError, NotConvergedError
        Some problem has no k-sparse plan, or none was found.

    Notes
    -----
    With G the incidence matrix of S as a graph between rows and columns, L = G'G its Laplacian and
    P = G L^+ G' the projection, dt = G L^+ (da, db) - (I - P) dC / reg: one factorisation of order
    n + m, and one solve for every backward pass. The masses are those of this system, which agree
    with `otopt.sparse_ot` up to its tolerance.

    S is locally constant away from ties, and the plan is piecewise affine: where an entry enters or
    leaves S the derivative is that of one side, with entries without mass kept out. Changes of the
    masses that a support in several components cannot follow are projected on those that it can
    (masses of zero in particular have derivative zero). ``reg=0``: the plan of a linear programme
    does not move with `C`, so its derivative by `C` is zero.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import sparse_ot_plan
    >>> a, b = torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.5])
    >>> C = torch.tensor([[0.0, 0.2], [0.2, 0.0]], requires_grad=True)
    >>> plan = sparse_ot_plan(a, b, C, k=2, reg=1.0)
    >>> plan.to_dense()[0, 1].backward()  # half of the transport goes straight, less of it as
    >>> C.grad                            # the detour gets dearer
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    batch = Batch("sparse_ot_plan", a, b, (C,))
    return _solve_plans(batch, k, reg=reg, tol=tol, maxiter=maxiter, workers=workers)


def _check_objective(function, objective):
    """Refuse an unknown objective."""
    as_choice(function, "objective", objective, OBJECTIVES)


def _solve_all(batch, k, *, reg, **settings):
    """Results of `sparse_ot`; `reg` is a constant."""
    if torch.is_tensor(reg) and reg.requires_grad:
        message = (
            f"{batch.function}: `reg` must be a number: the answer is not differentiated by it; "
            "got a tensor that requires grad; use float(reg)."
        )
        raise TypeError(message)
    return batch.solve(sparse_ot, k=k, reg=reg, **settings)


def _solve_values(batch, k, objective, **settings):
    """Differentiable values of a batch, and the results behind them."""
    _check_objective(batch.function, objective)
    if objective == "value":
        results = _solve_all(batch, k, must_succeed=True, **settings)
        solve, differentiate = Solution.of_plan, value
    else:
        results = _solve_all(batch, k, must_succeed=False, rounding="none", **settings)
        solve, differentiate = Solution.of_relaxation, bound
    penalties = as_penalties(batch.function, settings.get("marginal_penalty"))
    differentiate = differentiate if penalties is None else bound
    values = []
    for problem, result in zip(batch.problems, results, strict=True):
        solution = solve(result)
        if penalties is not None:
            solution = solution.penalised(penalties, problem.a, problem.b)
        inputs = problem.differentiable(solution.graph.rows, solution.graph.columns)
        values.append(differentiate(*inputs, solution))
    return torch.stack(values).to(batch.dtype).reshape(batch.shape), results


def _solve_plans(batch, k, **settings):
    """Differentiable plans of a batch."""
    results = _solve_all(batch, k, must_succeed=True, **settings)
    width = max(result.rows.shape[1] for result in results)
    rows, mass = [], []
    for problem, result in zip(batch.problems, results, strict=True):
        solution = Solution.of_plan(result)
        inputs = problem.differentiable(solution.graph.rows, solution.graph.columns)
        on_support = masses(*inputs, solution.refined(*inputs))
        slots = torch.nn.functional.pad(
            torch.from_numpy(result.rows), (0, width - result.rows.shape[1]), value=-1
        )
        rows.append(slots)
        mass.append(on_support.new_zeros(slots.shape).masked_scatter(slots >= 0, on_support))
    sources, targets = batch.size
    return SparsePlan(
        torch.stack(rows).reshape(*batch.shape, targets, width),
        torch.stack(mass).to(batch.dtype).reshape(*batch.shape, targets, width),
        sources,
        results,
    )
