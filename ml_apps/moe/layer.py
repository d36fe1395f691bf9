"""The reference layer: a router in front of experts."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ml_apps.moe.buffers import combine, dispatch

__all__ = ["FeedForwardExperts", "MoE"]


class FeedForwardExperts(nn.Module):
    """m two-layer networks, applied to buffers (m, capacity, d_model) at once.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import FeedForwardExperts
    >>> FeedForwardExperts(4, 8, 16)(torch.randn(4, 5, 8)).shape
    torch.Size([4, 5, 8])
    """

    def __init__(self, num_experts, d_model, d_ff):
        super().__init__()
        self.up = nn.Parameter(torch.randn(num_experts, d_model, d_ff) * d_model**-0.5)
        self.down = nn.Parameter(torch.randn(num_experts, d_ff, d_model) * d_ff**-0.5)

    def forward(self, buffers):
        """Outputs of all experts, of the same shape."""
        return torch.bmm(functional.gelu(torch.bmm(buffers, self.up)), self.down)


class MoE(nn.Module):
    """Experts behind a router; the residual connection is the caller's.

    Parameters
    ----------
    experts : Module
        Maps buffers (m, capacity, d) to the same shape.
    router : Router

    Notes
    -----
    Padding and dropped tokens get zeros. With a capacity factor buffers have that length; without,
    the length of the largest load, which is read on the host.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import FeedForwardExperts, MoE, PriceRouter
    >>> layer = MoE(FeedForwardExperts(4, 8, 16), PriceRouter(8, 4))
    >>> y, output = layer(torch.randn(2, 16, 8))
    >>> y.shape, output.metrics["load"]
    (torch.Size([2, 16, 8]), tensor([8., 8., 8., 8.]))
    """

    def __init__(self, experts, router):
        super().__init__()
        self.experts, self.router = experts, router

    def forward(self, x, padding_mask=None):
        """Return outputs of the shape of x, and the `RouterOutput`."""
        output = self.router(x, padding_mask)
        tokens = x.reshape(-1, x.shape[-1])
        buffers = dispatch(tokens, output, self.router.num_experts)
        y = combine(self.experts(buffers), output)
        return y.view_as(x), output
