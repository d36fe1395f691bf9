"""A sum over blocks of rows whose backward pass computes each block again."""

from __future__ import annotations

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from ml_apps.ssl.terms import widened

__all__ = ["sum_over_chunks"]


def sum_over_chunks(function, z, weights, size):
    """Sum of ``function(z[rows], weights[rows], z, start)`` over blocks of `size` rows.

    What a block needs for its gradient is alive while that block is worked on, so memory is that
    of one block. torch.utils.checkpoint does the same for any graph, but at its first call it
    imports the compiler, and it keeps more alive.

    Parameters
    ----------
    function : callable
        Returns a scalar, which should be of float32 at least: many are added up. Differentiable in
        its first three arguments.
    z : Tensor, shape (n, d)
    weights : Tensor, shape (n,)
    size : int

    Returns
    -------
    Tensor, shape ()
        Differentiable once.
    """
    return _Sum.apply(z, weights, function, size)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z, weights, function, size):
        ctx.save_for_backward(z, weights)
        ctx.function, ctx.size = function, size
        blocks = zip(z.split(size), weights.split(size), strict=True)
        return sum(function(x, w, z, i * size) for i, (x, w) in enumerate(blocks))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients):  # pyright: ignore[reportIncompatibleMethodOverride]
        z, weights = ctx.saved_tensors
        by_z, by_weights = (widened(torch.zeros_like(x)) for x in (z, weights))
        for start in range(0, len(z), ctx.size):
            rows = slice(start, start + ctx.size)
            leaves = [x.detach().requires_grad_() for x in (z[rows], weights[rows], z)]
            with torch.enable_grad():
                part = ctx.function(*leaves, start)
            by_block, by_weight, by_all = torch.autograd.grad(part, leaves, allow_unused=True)
            by_z[rows] += by_block
            by_z += by_all
            if by_weight is not None:
                by_weights[rows] += by_weight
        by_z, by_weights = gradients[0] * by_z, gradients[0] * by_weights
        return by_z.to(z.dtype), by_weights.to(weights.dtype), None, None
