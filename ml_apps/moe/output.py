"""What every router returns, and the figures that describe a routing."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

__all__ = ["RouterOutput", "load_metrics", "positions", "select_from_mask"]


@dataclass
class RouterOutput:
    """A routing of n tokens to m experts.

    Attributes
    ----------
    indices : Tensor of int64, shape (n, k)
        Experts of every token.
    weights : Tensor, shape (n, k)
        What their outputs are multiplied by, float32; 0 where `keep` is False. The gradient of the
        router's weights flows through them, and through the losses.
    keep : Tensor of bool, shape (n, k)
        False for pairs that were dropped and for padding.
    probs : Tensor, shape (n, m)
        Softmax of the logits.
    losses : dict of str to Tensor
        Auxiliary losses, already weighted: add them to yours.
    metrics : dict of str to Tensor
        Figures of this routing, without gradients; none was read on the host.
    position : Tensor of int64, shape (n, k)
        Place of the pair in the buffer of its expert; -1 where it is not kept.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import TopKRouter
    >>> _ = torch.manual_seed(0)
    >>> output = TopKRouter(8, 4)(torch.randn(32, 8))
    >>> weights, chosen = output.dense()
    >>> weights.shape, bool((chosen.sum(dim=1) == 1).all())
    (torch.Size([32, 4]), True)
    """

    indices: torch.Tensor
    weights: torch.Tensor
    keep: torch.Tensor
    probs: torch.Tensor
    losses: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    position: torch.Tensor | None = None

    def dense(self):
        """Weights and routing map as matrices (n, m), the convention of Megatron."""
        m = self.probs.shape[1]
        where = torch.where(self.keep, self.indices, m)
        weights = self.weights.new_zeros(len(where), m + 1).scatter(1, where, self.weights)
        chosen = torch.zeros_like(weights, dtype=torch.bool).scatter(1, where, self.keep)
        return weights[:, :m], chosen[:, :m]


def positions(indices, keep, m):
    """Places of kept pairs at their experts: first choices first, then in the order of tokens."""
    n, k = indices.shape
    experts = torch.where(keep, indices, m).T.reshape(-1)
    order = experts.argsort(stable=True)
    grouped = experts[order]
    rank = torch.arange(n * k, device=indices.device) - torch.searchsorted(grouped, grouped)
    place = torch.empty_like(experts)
    place[order] = rank
    return torch.where(keep, place.view(k, n).T, -1)


def select_from_mask(chosen, scores):
    """Indices and keep (n, k) of a map (n, m) with any number of experts a token."""
    k = max(1, int(chosen.sum(dim=1).max())) if chosen.numel() else 1
    ranked = torch.where(chosen, scores, -torch.inf)
    values, indices = ranked.topk(k, dim=1)
    return indices, values > -torch.inf


def load_metrics(indices, keep, wanted, k, m, valid):
    """Loads, their spread, and what became of the tokens, which want k experts each.

    The spread is that of the pairs that were asked for, `wanted` (n, k), before any was dropped.
    `valid` (n,) are the tokens that are not padding.
    """
    asked = _count(indices, wanted, m)
    mean = asked.mean().clamp(min=1e-12)
    tokens = valid.sum().clamp(min=1)
    return {
        "load": _count(indices, keep, m),
        "max_over_mean": asked.max() / mean,
        "min_over_mean": asked.min() / mean,
        "dropped": (1 - keep.sum() / (k * tokens)).clamp(min=0),
        "coverage": keep.any(dim=1).sum() / tokens,
    }


def _count(indices, chosen, m):
    flat = torch.where(chosen, indices, m).reshape(-1)
    count = torch.zeros(m + 1, device=flat.device)
    return count.index_add(0, flat, torch.ones_like(flat, dtype=count.dtype))[:m]
