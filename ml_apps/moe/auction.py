"""Balanced assignment by auction: BASE (Lewis et al. 2021), :doi:`10.48550/arXiv.2103.16716`."""

from __future__ import annotations

import torch
from torch import nn

import otopt
from ml_apps.moe.output import positions
from ml_apps.moe.router import Router

__all__ = ["BaseRouter", "auction"]

PATIENCE = 100  # rounds after which the raw score counts for winners too


def auction(scores, max_rounds=10_000):
    """Expert of every token (n,), each expert getting exactly n / m tokens.

    Experts bid on their n / m best tokens by how much better they are than the next one; a token
    goes to the highest bidder, which makes it dearer. Close to optimal, by at most the bids' step.
    """
    n, m = scores.shape
    if n % m:
        message = f"auction: the number of tokens must be a multiple of {m} experts; got {n}."
        raise ValueError(message)
    if n == 0:
        return torch.zeros(0, dtype=torch.int64, device=scores.device)
    worth = scores.T.double()  # (m, n): what an expert gains by a token
    finite = worth.isfinite()
    if not finite.all():
        worth = torch.where(finite, worth, worth[finite].min() if finite.any() else 0.0)
    jobs = n // m
    if m == 1:
        return torch.zeros(n, dtype=torch.int64, device=scores.device)
    step = max(float(worth.max() - worth.min()) / 50, 1e-4)
    cost = worth.new_zeros(n)
    held = torch.zeros_like(worth, dtype=torch.bool)
    for round_number in range(max_rounds):
        early = round_number < PATIENCE
        # Experts keep what they hold among their best, and only offer the least there is for it.
        value = torch.where(held, worth.max() + 1 if early else worth, worth - cost)
        best, tokens = value.topk(jobs + 1, dim=1)
        bids = torch.zeros_like(worth).scatter(
            1, tokens[:, :jobs], best[:, :jobs] - best[:, jobs:] + step
        )
        if early:
            bids = torch.where(held, step, bids)
        bid, winner = bids.max(dim=0)
        sold = bid > 0
        cost = cost + bid
        held = torch.zeros_like(held).scatter(0, winner[None], sold[None])
        if bool(sold.all()):
            break
    expert = torch.where(sold, winner, -1)
    left = (expert < 0).nonzero()[:, 0]
    if len(left):  # no bid at the limit of rounds: in the order of tokens to experts with room
        room = jobs - torch.bincount(expert[expert >= 0], minlength=m)
        expert[left] = torch.repeat_interleave(torch.arange(m, device=left.device), room)
    return expert


class BaseRouter(Router):
    """Exactly n / m tokens an expert in training, the best expert in evaluation.

    The router's weights are rows of an orthogonal matrix, scaled by 0.1. An expert's output e(x)
    should be mixed with the token as ``w e(x) + (1 - w) x``, where w is the sigmoid of the chosen
    logit, the weight returned here. Tokens are assigned in a random order (without a change to an
    optimal assignment). Padding joins the assignment, which needs a multiple of m tokens.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import BaseRouter
    >>> _ = torch.manual_seed(0)
    >>> output = BaseRouter(8, 4)(torch.randn(32, 8))
    >>> output.metrics["load"]
    tensor([8., 8., 8., 8.])
    """

    def __init__(self, d_model, num_experts, **options):
        super().__init__(d_model, num_experts, 1, score="logit", gate="sigmoid", **options)
        nn.init.orthogonal_(self.weight, gain=0.1)

    def select(self, logits, valid):
        """Choose by auction."""
        if not self.training:
            return otopt.assign(logits, policy="none", row_mass=valid.to(logits.dtype))
        expert = auction(logits)[:, None]
        keep = valid[:, None]
        position = positions(expert, keep, self.num_experts)
        load = torch.bincount(expert[keep], minlength=self.num_experts)
        return otopt.Routing(expert, keep, position, load)
