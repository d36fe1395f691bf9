"""Soft mixtures: every slot is a blend of all tokens (Puigcerver et al. 2023)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

__all__ = ["SoftMoE"]


class SoftMoE(nn.Module):
    """Experts of slots that are convex combinations of tokens; :doi:`10.48550/arXiv.2308.00951`.

    Nothing is selected or dropped, and nothing is causal: every output depends on every token.

    Parameters
    ----------
    experts : Module
        Maps buffers (..., m, slots, d) flattened to (m, B slots, d).
    d_model, num_experts, slots : int
        `slots` for each expert; n / m for the cost of one expert a token.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import FeedForwardExperts, SoftMoE
    >>> layer = SoftMoE(FeedForwardExperts(4, 8, 16), 8, 4, slots=2)
    >>> y, output = layer(torch.randn(2, 16, 8))
    >>> y.shape
    torch.Size([2, 16, 8])
    """

    def __init__(self, experts, d_model, num_experts, slots):
        super().__init__()
        self.experts, self.num_experts, self.slots = experts, num_experts, slots
        self.directions = nn.Parameter(torch.randn(d_model, num_experts * slots) * d_model**-0.5)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x, padding_mask=None):
        """Outputs of tokens x (B, n, d), and the dispatch weights (B, n, m slots).

        Padding is in no slot and may hold anything; its outputs are those of a token of zeros.
        """
        if padding_mask is not None:  # a weight of zero times NaN is NaN
            x = torch.where(padding_mask[..., None], 0.0, x)
        batch, _, d = x.shape
        unit = functional.normalize(self.directions.float(), dim=0)
        logits = self.scale * functional.normalize(x.float(), dim=-1) @ unit
        to_slots = logits
        if padding_mask is not None:
            to_slots = logits.masked_fill(padding_mask[..., None], -1e30)
        dispatch = to_slots.softmax(dim=1)
        if padding_mask is not None:
            dispatch = dispatch.masked_fill(padding_mask[..., None], 0)
        combine = logits.softmax(dim=2)
        slots = torch.einsum("bns,bnd->bsd", dispatch.to(x.dtype), x)
        slots = slots.view(batch, self.num_experts, self.slots, d).transpose(0, 1)
        y = self.experts(slots.reshape(self.num_experts, batch * self.slots, d))
        y = y.view(self.num_experts, batch, self.slots, d).transpose(0, 1).reshape(batch, -1, d)
        return torch.einsum("bns,bsd->bnd", combine.to(x.dtype), y), dispatch
