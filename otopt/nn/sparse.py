"""Sparsity-constrained transport as a loss and as a layer."""

from __future__ import annotations

import torch

from otopt._core.penalties import as_penalties
from otopt._core.validation import as_choice
from otopt._uncompiled import uncompiled
from otopt.ot.result import OTResult

from ._problems import METRICS, Batch
from .functional import _check_objective, _solve_plans, _solve_values

__all__ = ["SparseOTLoss", "SparseOTMatching"]

REDUCTIONS = ("mean", "sum", "none")


class _SparseOTModule(torch.nn.Module):
    """Settings of `sparse_ot`, and inputs that are a cost or two point clouds."""

    def __init__(self, k, *, reg, metric, tol, maxiter, workers):
        super().__init__()
        if metric is not None:
            as_choice(type(self).__name__, "metric", metric, METRICS)
        self.k, self.metric = k, metric
        self.settings = {"reg": reg, "tol": tol, "maxiter": maxiter, "workers": workers}
        self.results: tuple[OTResult, ...] = ()

    def _batch(self, inputs):
        name = type(self).__name__
        if self.metric is None:
            if len(inputs) != 3:
                message = (
                    f"{name}: without a `metric` the inputs must be (a, b, C); got "
                    f"{len(inputs)}; construct it with metric='sqeuclidean' for points (x, y)."
                )
                raise TypeError(message)
            a, b, C = inputs
            return Batch(name, a, b, (C,))
        if len(inputs) not in (2, 4):
            message = (
                f"{name}: with metric={self.metric!r} the inputs must be (x, y) or (x, y, a, b); "
                f"got {len(inputs)}."
            )
            raise TypeError(message)
        x, y, a, b = inputs if len(inputs) == 4 else (*inputs, None, None)
        return Batch(name, a, b, (x, y), self.metric)

    def extra_repr(self):
        """Return the settings that differ from their defaults.

        Returns
        -------
        str
            For the ``repr`` of the module.
        """
        shown = {"metric": self.metric} | self.settings
        defaults = {"tol": 1e-6, "workers": 1}  # None those of the others
        changed = [f"{name}={shown[name]!r}" for name in shown if shown[name] != defaults.get(name)]
        return ", ".join([f"k={self.k}", *changed])


class SparseOTLoss(_SparseOTModule):
    r"""Sparsity-constrained transport cost as a loss.

    ``loss(a, b, C)`` for masses and a cost, or, with a `metric`, ``loss(x, y)`` or ``loss(x, y, a,
    b)`` for point clouds x (..., n, d) and y (..., m, d), of uniform weights unless they are given:

    .. math::
        \min_T\ \langle T, C\rangle + \tfrac{\mathrm{reg}}{2}\|T\|^2
        \quad\text{s.t.}\ T\mathbf 1 = a,\ T^\top\mathbf 1 = b,\ T\ge 0,\ \|t_j\|_0\le k

    Parameters
    ----------
    k : int or None
        Nonzeros allowed in a column: sources for one target. None for no constraint.
    reg : float, optional
        Quadratic regularisation, >= 0; the default follows the range of the costs of every problem
        at every call, so state it where values of different calls are compared.
    metric : {None, "sqeuclidean", "euclidean", "cosine"}
        Cost between points; None takes a cost matrix.
    marginal_penalty : penalty, float or pair of them, optional
        See `sparse_ot_value`.
    objective : {"value", "bound"}
        What is differentiated; see `sparse_ot_value`.
    reduction : {"mean", "sum", "none"}
        Over the batch.
    tol : float
        Accepted marginal error and gap of the relaxation.
    maxiter : int, optional
        Newton steps for the relaxation.
    workers : int
        Threads; the speed alone depends on them.

    Attributes
    ----------
    results : tuple of OTResult
        Status, gap and certificate of every problem of the latest call (NumPy arrays, without
        gradients).

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.
    InfeasibleError, NotConvergedError
        When called: ``objective="value"`` and some problem has no k-sparse plan, or none was
        found. A larger `k` helps, or ``objective="bound"``, which exists for every k.

    Notes
    -----
    The module has no parameters and its state is empty. For point clouds gradients flow through
    the cost of the entries of the plan alone: O(m k d) after the solve. Points that coincide have
    gradient zero under "euclidean". Under "cosine" the origin, which has no direction, costs 1 to
    all points and has gradient zero: one dead row does not end a training.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import SparseOTLoss
    >>> x = torch.tensor([[0.0], [1.0]], requires_grad=True)
    >>> loss = SparseOTLoss(k=1, reg=0.0, metric="sqeuclidean")
    >>> loss(x, torch.tensor([[0.5], [3.0]])).backward()
    >>> x.grad.T
    tensor([[-0.5000, -2.0000]])
    >>> loss.results[0].status.name
    'OPTIMAL'
    """

    def __init__(
        self, k, *, reg=None, metric=None, marginal_penalty=None, objective="value",
        reduction="mean", tol=1e-6, maxiter=None, workers=1,
    ):  # fmt: skip
        super().__init__(k, reg=reg, metric=metric, tol=tol, maxiter=maxiter, workers=workers)
        as_penalties("SparseOTLoss", marginal_penalty)
        self.settings["marginal_penalty"] = marginal_penalty
        _check_objective("SparseOTLoss", objective)
        as_choice("SparseOTLoss", "reduction", reduction, REDUCTIONS)
        self.objective, self.reduction = objective, reduction

    @uncompiled
    def forward(self, *inputs):
        """Return the loss of ``(a, b, C)``, or of ``(x, y)`` or ``(x, y, a, b)``.

        Parameters
        ----------
        *inputs : Tensor
            See the class.

        Returns
        -------
        Tensor
            A scalar; of the shape of the batch for ``reduction="none"``.
        """
        values, self.results = _solve_values(
            self._batch(inputs), self.k, self.objective, **self.settings
        )
        return values if self.reduction == "none" else getattr(values, self.reduction)()

    def extra_repr(self):
        """Return the settings that differ from their defaults.

        Returns
        -------
        str
            For the ``repr`` of the module.
        """
        text = super().extra_repr()
        return f"{text}, objective={self.objective!r}, reduction={self.reduction!r}"


class SparseOTMatching(_SparseOTModule):
    """Sparsity-constrained transport plan as a layer.

    ``matching(a, b, C)`` for masses and a cost, or, with a `metric`, ``matching(x, y)`` or
    ``matching(x, y, a, b)`` for point clouds, returns a `SparsePlan`; its masses are
    differentiable in all inputs, see `sparse_ot_plan`.

    Parameters
    ----------
    k : int or None
        Nonzeros allowed in a column: sources for one target. None for no constraint.
    reg : float, optional
        Quadratic regularisation, >= 0; at 0 the plan has no derivative by the cost.
    metric : {None, "sqeuclidean", "euclidean", "cosine"}
        Cost between points; None takes a cost matrix.
    tol : float
        Accepted marginal error and gap of the relaxation.
    maxiter : int, optional
        Newton steps for the relaxation.
    workers : int
        Threads; the speed alone depends on them.

    Attributes
    ----------
    results : tuple of OTResult
        Status, gap and certificate of every problem of the latest call.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.
    InfeasibleError, NotConvergedError
        When called: some problem has no k-sparse plan, or none was found.

    Notes
    -----
    The module has no parameters and its state is empty. Points that coincide and the origin count
    as in `SparseOTLoss`.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import SparseOTMatching
    >>> x, y = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.1], [1.9], [1.1]])
    >>> SparseOTMatching(k=1, metric="euclidean")(x, y).rows.T
    tensor([[0, 2, 1]])
    """

    def __init__(self, k, *, reg=None, metric=None, tol=1e-6, maxiter=None, workers=1):
        super().__init__(k, reg=reg, metric=metric, tol=tol, maxiter=maxiter, workers=workers)

    @uncompiled
    def forward(self, *inputs):
        """Return the plans of ``(a, b, C)``, or of ``(x, y)`` or ``(x, y, a, b)``.

        Parameters
        ----------
        *inputs : Tensor
            See the class.

        Returns
        -------
        SparsePlan
            With masses that are differentiable in the inputs.
        """
        plan = _solve_plans(self._batch(inputs), self.k, **self.settings)
        self.results = plan.results
        return plan
