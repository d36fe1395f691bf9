r"""Entropic transport as differentiable functions of the masses, the cost and reg.

The value is differentiated by the envelope theorem: by C it gives the plan, by the masses the
potentials. The plan is differentiated implicitly. With ``(x, y)`` the solution of

    [diag(a)  T    ] (x)   (W 1  )
    [T'    diag(b) ] (y) = (W' 1 ),      W = T * dL/dT,

the gradients of L are ``dL/dC = (T * (x + y') - W) / reg``, ``dL/da = x`` and ``dL/db = y``. No
iteration of the solver is unrolled, and nothing but the potentials is kept for it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from otopt._backend import as_numpy, check_dense
from otopt._core.validation import as_real
from otopt._uncompiled import uncompiled
from otopt.ot.entropic import sinkhorn

from ._problems import balance_halves

__all__ = ["sinkhorn_plan", "sinkhorn_value"]

CG_RTOL = 1e-13
CG_LIMIT = 2000


@uncompiled
def sinkhorn_value(a, b, C, *, reg, tol=1e-9, maxiter=None, workers=1, callback=None, options=None):
    r"""Value of entropic transport, differentiable in a, b, C and reg.

    .. math::
        V(a, b, C, \mathrm{reg}) = \min_T\ \langle T, C\rangle
        + \mathrm{reg}\,\mathrm{KL}(T \,|\, a b^\top / s)
        \quad\text{s.t.}\ T\mathbf 1 = a,\ T^\top\mathbf 1 = b

    with s the total mass: dV/da and dV/db are the potentials, dV/dC = T.

    Parameters
    ----------
    a, b : Tensor, shape (n,) and (m,)
        Masses as in `otopt.sinkhorn`, of equal sums up to rounding: that of half precision where
        they are in it. So their gradients are defined up to a constant that is added to one and
        taken from the other.
    C : Tensor, shape (n, m)
        Cost.
    reg : float or Tensor of one element
        Entropic regularisation, > 0.
    tol : float
        Accepted L1 error of the marginals, relative to the mass.
    maxiter : int, optional
        Passes over the cost or a matrix of its size; 20000 by default.
    workers : int
        Threads; -1 for all cores. Changes the speed, never the answer.
    callback : callable, optional
        ``callback(intermediate_result)`` as in `otopt.sinkhorn`, whose settings other than these
        would change the derivatives and are not taken.
    options : SinkhornOptions or dict, optional
        Fine settings.

    Returns
    -------
    Tensor, shape ()
        The value, of the dtype and on the device of `C`.

    Raises
    ------
    ValueError, TypeError
        As `otopt.sinkhorn`.

    See Also
    --------
    sinkhorn_plan : The plan, for other functions of it.

    Notes
    -----
    Computed on the CPU in float64. The gradient by C is the plan, by a and b the potentials and by
    reg the entropic term: they cost no further solve. There is no second derivative.

    Examples
    --------
    >>> import torch
    >>> import otopt.nn
    >>> C = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> a = torch.full((2,), 0.5)
    >>> otopt.nn.sinkhorn_value(a, a, C, reg=0.5).backward()
    >>> C.grad
    tensor([[0.4404, 0.0596],
            [0.0596, 0.4404]])
    """
    settings = {"tol": tol, "maxiter": maxiter, "workers": workers, "callback": callback}
    settings["options"] = options
    return _Value.apply(*_checked("sinkhorn_value", a, b, C, reg), settings)


@uncompiled
def sinkhorn_plan(a, b, C, *, reg, tol=1e-9, maxiter=None, workers=1, callback=None, options=None):
    r"""Plan of entropic transport, differentiable in a, b, C and reg.

    .. math::
        t_{ij} = \frac{a_i b_j}{s} \exp\frac{\alpha_i + \beta_j - C_{ij}}{\mathrm{reg}},\qquad
        T\mathbf 1 = a,\ T^\top\mathbf 1 = b

    with s the total mass, differentiated as this system of equations.

    Parameters
    ----------
    a, b : Tensor, shape (n,) and (m,)
        Masses as in `otopt.sinkhorn`, of equal sums up to rounding: that of half precision where
        they are in it. So their gradients are defined up to a constant that is added to one and
        taken from the other.
    C : Tensor, shape (n, m)
        Cost.
    reg : float or Tensor of one element
        Entropic regularisation, > 0.
    tol : float
        Accepted L1 error of the marginals, relative to the mass.
    maxiter : int, optional
        Passes over the cost or a matrix of its size; 20000 by default.
    workers : int
        Threads; -1 for all cores. Changes the speed, never the answer.
    callback : callable, optional
        ``callback(intermediate_result)`` as in `otopt.sinkhorn`, whose settings other than these
        would change the derivatives and are not taken.
    options : SinkhornOptions or dict, optional
        Fine settings.

    Returns
    -------
    Tensor, shape (n, m)
        The plan, of the dtype and on the device of `C`.

    Raises
    ------
    ValueError, TypeError
        As `otopt.sinkhorn`.

    See Also
    --------
    sinkhorn_value : The value, whose gradient needs no linear system.

    Notes
    -----
    Computed on the CPU in float64; the backward pass solves one linear system by conjugate
    gradients, O(n m) an iteration. There is no second derivative.

    Examples
    --------
    >>> import torch
    >>> import otopt.nn
    >>> C = torch.tensor([[0.0, 1.0], [1.0, 0.0]], requires_grad=True)
    >>> a = torch.full((2,), 0.5)
    >>> otopt.nn.sinkhorn_plan(a, a, C, reg=0.5)[0, 0].backward()
    >>> C.grad
    tensor([[-0.0525,  0.0525],
            [ 0.0525, -0.0525]])
    """
    settings = {"tol": tol, "maxiter": maxiter, "workers": workers, "callback": callback}
    settings["options"] = options
    return _Plan.apply(*_checked("sinkhorn_plan", a, b, C, reg), settings)


def _checked(function, a, b, C, reg):
    """Dense real tensors that hold numbers, and reg as one of them; the rest `sinkhorn` checks."""
    for name, x in (("a", a), ("b", b), ("C", C)):
        if not isinstance(x, torch.Tensor):
            message = f"{function}: `{name}` must be a tensor; got {type(x).__name__}."
            raise TypeError(message)
    for name, x in (("a", a), ("b", b), ("C", C), ("reg", reg)):
        check_dense(function, name, x)
    if not isinstance(reg, torch.Tensor):
        reg = torch.tensor(
            as_real(function, "reg", reg, low=0.0, strict=True, sized=True), dtype=torch.float64
        )
    elif reg.numel() != 1:
        message = f"{function}: `reg` must have one element; got shape {tuple(reg.shape)}."
        raise ValueError(message)
    if a.ndim == b.ndim == 1:
        a, b = balance_halves(a, b)
    return a, b, C, reg


def _solve(ctx: Any, a, b, C, reg, settings):
    """Solve in NumPy; keep the shapes and types of the arguments for the way back."""
    arrays = [as_numpy(x) for x in (a, b, C)]
    result = sinkhorn(*arrays, reg=float(reg), **settings)
    ctx.kinds = [(x.dtype, x.device) for x in (a, b, C, reg)]
    return result


def _returned(ctx: Any, *gradients):
    """Gradients as the arguments were given, and none for the settings."""
    pairs = zip(gradients, ctx.kinds, strict=True)
    return *(g.to(dtype=dtype, device=device) for g, (dtype, device) in pairs), None


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a, b, C, reg, settings):
        result = ctx.result = _solve(ctx, a, b, C, reg, settings)
        ctx.save_for_backward(C)  # the plan is built from its memory
        ctx.shape = reg.shape
        return torch.tensor(float(result.value), dtype=C.dtype, device=C.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients):  # pyright: ignore[reportIncompatibleMethodOverride]
        _ = ctx.saved_tensors  # refused where they have changed
        result, scale = ctx.result, float(gradients[0])
        by_reg = (result.value - result.linear_value) / result.reg
        return _returned(
            ctx,
            scale * torch.from_numpy(result.potentials.source),
            scale * torch.from_numpy(result.potentials.target),
            scale * torch.from_numpy(result.plan),
            torch.full(ctx.shape, scale * by_reg, dtype=torch.float64),
        )


class _Plan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a, b, C, reg, settings):
        result = ctx.result = _solve(ctx, a, b, C, reg, settings)
        ctx.shape = reg.shape
        ctx.save_for_backward(*(x.detach().cpu().double() for x in (a, b, C)))
        # A copy: what is done to it in place must not reach the one of the backward pass.
        return torch.tensor(result.plan, dtype=C.dtype, device=C.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients):  # pyright: ignore[reportIncompatibleMethodOverride]
        a, b, C = ctx.saved_tensors
        reg = ctx.result.reg
        T = torch.from_numpy(ctx.result.plan)
        by_plan = gradients[0].cpu().double()
        W = T * by_plan
        y = _solve_adjoint(T, W)
        # As (W 1 - T y) / a, in a form that has a limit where a source has no mass.
        f, g = (torch.from_numpy(p) for p in ctx.result.potentials)
        share = torch.exp((f[:, None] + g - C) / reg) * (b / torch.sqrt(a.sum() * b.sum()))
        x = (share * (by_plan - y)).sum(dim=1)
        by_cost = (T * (x[:, None] + y) - W) / reg
        by_reg = torch.full(ctx.shape, float(-(by_cost * C).sum() / reg), dtype=torch.float64)
        return _returned(ctx, x, _without_mass(y, b, a, f, g, C, reg, by_plan, x), by_cost, by_reg)


def _without_mass(y, b, a, f, g, C, reg, by_plan, x):
    """The gradients of targets without mass, as limits."""
    empty = b == 0
    if not empty.any():
        return y
    share = torch.exp((f[:, None] + g[empty] - C[:, empty]) / reg) * (
        a / torch.sqrt(a.sum() * b.sum())
    ).unsqueeze(1)
    y = y.clone()
    y[empty] = (share * (by_plan[:, empty] - x[:, None])).sum(dim=0)
    return y


def _solve_adjoint(T, W):
    """Solve for y: conjugate gradients on the Schur complement, preconditioned by its diagonal."""
    rows, columns = T.sum(dim=1), T.sum(dim=0)
    inverse = torch.where(rows > 0, 1 / rows, 0.0)
    used = columns > 0
    diagonal = torch.where(used, columns, 1.0)
    residual = W.sum(dim=0) - T.T @ (inverse * W.sum(dim=1))
    y = torch.zeros_like(residual)
    z = residual / diagonal
    direction = z.clone()
    size = first = float(residual @ z)
    for _ in range(CG_LIMIT):
        if size <= CG_RTOL**2 * first or size <= 0:
            break
        image = columns * direction - T.T @ (inverse * (T @ direction))
        bend = float(direction @ image)
        if bend <= 1e-15 * float(direction @ (columns * direction)):
            break
        y += (size / bend) * direction
        residual -= (size / bend) * image
        z = residual / diagonal
        now = float(residual @ z)
        direction = z + (now / size) * direction
        size = now
    return y
