"""Multi-marginal transport on a line in torch, for any device."""

from __future__ import annotations

from typing import Any

import torch

from .monge_costs import RANGE, lovasz_extension

__all__ = ["lovasz_grid", "lovasz_pooled", "path_sweep", "with_gradient"]


class _WithGradient(torch.autograd.Function):
    """A number whose gradients are known; nothing is recorded on the way to them."""

    @staticmethod
    def forward(ctx, value, grads, *inputs):
        ctx.grads = grads
        return grads[0].new_tensor(value) if isinstance(value, float) else value.clone()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, outer):  # pyright: ignore[reportIncompatibleMethodOverride]
        if outer.ndim == 0:
            return None, None, *[g * outer for g in ctx.grads]
        batch = (...,) + (None,) * (ctx.grads[0].ndim - outer.ndim)
        return None, None, *[g * outer[batch] for g in ctx.grads]


def with_gradient(value, inputs, grads):
    """Return `value` (...,) such that backward gives ``grads[i]`` (..., *) to ``inputs[i]``."""
    return _WithGradient.apply(value, grads, *inputs)


def _extension(kind, V, w) -> tuple[Any, Any]:
    return lovasz_extension(kind, V, w)


def lovasz_grid(kind, A, gaps, w):
    """Value (...,) and dual (..., n, d) of histograms A (..., n, d); gaps (n - 1,) or None."""
    cdf = A.cumsum(-2)[..., :-1, :]
    if kind == RANGE:
        (most, top), (least, low) = cdf.max(-1, keepdim=True), cdf.min(-1, keepdim=True)
        h = (most - least)[..., 0]
        one = torch.ones_like(most)
        slope = torch.zeros_like(cdf).scatter_add_(-1, top, one).scatter_add_(-1, low, -one)
    else:
        h, slope = _extension(kind, cdf, w)
    if gaps is not None:
        h, slope = h * gaps, slope * gaps[:, None]
    dual = torch.zeros_like(A)
    dual[..., 1:, :] = -slope.cumsum(-2)
    return h.sum(-1), dual


def _pooled_gradient(kind, x, order, group, mass, w):
    jumps = x.new_zeros(len(x), len(w)).scatter_(1, group[order, None], mass[order, None])
    cdf = jumps.cumsum(0)
    if kind == RANGE:
        h = cdf.amax(1) - cdf.amin(1)
    else:
        h, _ = _extension(kind, cdf, w)
    h[-1] = 0.0
    grad = torch.empty_like(x)
    grad[order] = -torch.diff(h, prepend=h.new_zeros(1))
    return h, grad


def lovasz_pooled(kind, x, group, mass, unit, w, want_dual=False):
    """Value () and gradient (N,) of samples; the dual is for histograms, by `path_sweep`."""
    mass = unit[group] if mass is None else mass
    by_group = group.argsort(stable=True)
    order = by_group[x[by_group].argsort(stable=True)]
    h, grad = _pooled_gradient(kind, x, order, group, mass, w)
    gaps = x[order].diff()
    if (gaps == 0).any():
        by_group = (-group).argsort(stable=True)
        other = by_group[x[by_group].argsort(stable=True)]
        _, mirrored = _pooled_gradient(kind, x, other, group, mass, w)
        place = torch.empty_like(order)
        place[order] = torch.cat([order.new_zeros(1), (gaps != 0).cumsum(0)])
        _, block = (place * len(w) + group).unique(return_inverse=True)
        moved = x.new_zeros(len(x)).scatter_add_(0, block, mass)[block]
        shared = x.new_zeros(len(x)).scatter_add_(0, block, 0.5 * (grad + mirrored))[block]
        grad = torch.where(moved > 0, shared * mass / moved, 0.0)
    return (h[:-1] * gaps).sum(), grad, None


def path_sweep(cost, x, start, cdf, mass, want_grad=False):
    """The greedy sweep for any cost of tuples; value, dual (N,) and, if wanted, gradient in x."""
    start = torch.as_tensor(start, device=x.device)
    d, N = len(start) - 1, len(x)
    group = torch.repeat_interleave(torch.arange(d, device=x.device), start.diff())
    inner = torch.ones(N, dtype=torch.bool, device=x.device)
    inner[start[1:] - 1] = False
    levels, order = torch.minimum(cdf[inner], mass).sort(stable=True)
    step = group[inner][order]
    level = torch.cat([level_end(mass, 0.0), levels, level_end(mass, 1.0)])
    jumps = torch.nn.functional.one_hot(step, d)
    where = start[:-1] + torch.cat([jumps.new_zeros(1, d), jumps.cumsum(0)])
    share = level.diff()
    with torch.enable_grad():
        places = x.detach()[where].requires_grad_(want_grad)
        c = cost(places)
        value = share @ c
    grad = None
    if want_grad:
        (slope,) = torch.autograd.grad(value, places)
        grad = torch.zeros_like(x).scatter_add_(0, where.flatten(), slope.flatten())
    c = c.detach()
    rise = torch.zeros_like(x)
    rise[where[1:].gather(1, step[:, None])[:, 0]] = c.diff()
    total = rise.cumsum(0)
    dual = total - total[start[:-1]][group] + c[0] / d
    return value.detach(), dual, grad


def level_end(mass, share):
    """A level as a vector of one entry."""
    return (share * mass).reshape(1)
