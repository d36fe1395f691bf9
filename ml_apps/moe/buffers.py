"""Tokens into the buffers of experts, and their outputs back."""

from __future__ import annotations

import torch

__all__ = ["combine", "dispatch"]


def dispatch(x, output, num_experts, capacity=None):
    """Copy tokens (n, d) into buffers of experts.

    Parameters
    ----------
    x : Tensor, shape (n, d)
    output : RouterOutput
    num_experts : int
    capacity : int, optional
        Length of the buffers; by default the largest load, which is read on the host. Pairs with a
        place beyond it would be lost: it must be at least what the router kept to.

    Returns
    -------
    Tensor, shape (num_experts, capacity, d)
        Zeros in places that are free.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import TopKRouter, dispatch
    >>> x = torch.randn(32, 8)
    >>> dispatch(x, TopKRouter(8, 4, k=1)(x), 4, capacity=32).shape
    torch.Size([4, 32, 8])
    """
    if capacity is None:
        capacity = int(output.position.max()) + 1 if output.position.numel() else 0
        capacity = max(capacity, 1)
    n, k = output.indices.shape
    place = _places(output, num_experts, capacity).reshape(-1)
    buffers = x.new_zeros(num_experts * capacity + 1, x.shape[1])
    tokens = x[:, None].expand(n, k, x.shape[1]).reshape(n * k, x.shape[1])
    return buffers.index_copy(0, place, tokens)[:-1].view(num_experts, capacity, x.shape[1])


def combine(y, output):
    """Weighted sums (n, d) of the outputs of experts (num_experts, capacity, d).

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import PriceRouter, combine, dispatch
    >>> x = torch.randn(32, 8)
    >>> output = PriceRouter(8, 4)(x)
    >>> y = combine(dispatch(x, output, 4), output)  # experts that change nothing
    >>> torch.allclose(y, output.weights * x)
    True
    """
    m, capacity, d = y.shape
    place = _places(output, m, capacity)
    flat = torch.cat([y.reshape(m * capacity, d), y.new_zeros(1, d)])
    weights = torch.where(output.keep, output.weights, 0).to(y.dtype)
    return (flat[place] * weights[..., None]).sum(dim=1)


def _places(output, num_experts, capacity):
    """Rows of the flattened buffers; the one behind them for pairs that were dropped."""
    place = output.indices * capacity + output.position
    return torch.where(output.keep & (output.position < capacity), place, num_experts * capacity)
