"""One batch on the processes of a torch.distributed group.

The contract of every function here: parameters whose gradients are averaged over the processes, as
`DistributedDataParallel` does, get the gradient of the loss of the whole batch. So a gathered
tensor sends back the sum of the gradients of all processes, and a mean sends back its own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist

__all__ = ["count", "gather", "logsumexp", "mean_scalar", "rank", "total"]


def count():
    """Processes that share a batch: 1 where no group was started.

    Returns
    -------
    int
    """
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank():
    """Place of this process among them: 0 where no group was started.

    Returns
    -------
    int
    """
    return dist.get_rank() if count() > 1 else 0


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z):
        parts = [torch.empty_like(z) for _ in range(count())]
        dist.all_gather(parts, z.contiguous())
        ctx.rows = len(z)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients):
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        start = dist.get_rank() * ctx.rows
        return gradient[start : start + ctx.rows]


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value):
        value = value.detach().clone()
        dist.all_reduce(value)
        return value / count()

    @staticmethod
    def backward(ctx: Any, *gradients):
        # d mean / d own = 1 / count; the average over processes divides by count once more.
        return gradients[0]


def gather(z, *, active=True):
    """Rows of all processes, in the order of their ranks.

    Parameters
    ----------
    z : Tensor, shape (n, ...)
        The same shape on every process.
    active : bool
        False leaves `z` as it is, and so does a single process.

    Returns
    -------
    Tensor, shape (count() * n, ...)
        Differentiable; see the module for the scale of the gradient.
    """
    return _Gather.apply(z) if active and count() > 1 else z


def mean_scalar(value, *, active=True):
    """Mean over processes of a value that each took over its own images.

    Parameters
    ----------
    value : Tensor, shape ()
    active : bool
        False leaves `value` as it is.

    Returns
    -------
    Tensor, shape ()
    """
    return _Mean.apply(value) if active and count() > 1 else value


def total(x, *, active=True):
    """Sum over processes, without gradient.

    Parameters
    ----------
    x : Tensor
    active : bool
        False leaves `x` as it is.

    Returns
    -------
    Tensor
    """
    if active and count() > 1:
        x = x.clone()
        dist.all_reduce(x)
    return x


def logsumexp(x, dim, *, active=True):
    """Log-sum-exp along `dim` and over processes, without gradient: maximum first, then sum.

    Parameters
    ----------
    x : Tensor
    dim : int
    active : bool
        False keeps to this process.

    Returns
    -------
    Tensor
    """
    if not active or count() == 1:
        return torch.logsumexp(x, dim)
    # One process may have nothing, such as no masked patch; the collectives need it all the same.
    peak = x.amax(dim) if x.shape[dim] else x.sum(dim) - torch.inf
    dist.all_reduce(peak, op=dist.ReduceOp.MAX)
    peak = torch.where(peak.isfinite(), peak, torch.zeros_like(peak))
    return total(torch.exp(x - peak.unsqueeze(dim)).sum(dim)).log() + peak
