"""Experts choose tokens (Zhou et al. 2022), :doi:`10.48550/arXiv.2202.09368`."""

from __future__ import annotations

import torch

import otopt
from ml_apps.moe.output import positions, select_from_mask
from ml_apps.moe.router import Router

__all__ = ["ExpertChoiceRouter", "choose_columns"]


def choose_columns(scores, capacity, valid):
    """Experts take their `capacity` best tokens: a map (n, m) and the least score taken (m,)."""
    n, m = scores.shape
    count = min(capacity, n)
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool), scores.new_full((m,), torch.inf)
    ranked = torch.where(valid[:, None], scores, -torch.inf)
    values, tokens = ranked.topk(count, dim=0)
    chosen = torch.zeros_like(scores, dtype=torch.bool).scatter(0, tokens, True)
    return chosen & valid[:, None], values[-1]


class ExpertChoiceRouter(Router):
    """Every expert takes its best tokens; tokens get any number of experts, perhaps none.

    In training a token's routing depends on all others, later ones too. Evaluation is token-wise,
    by a frozen threshold a column (the running mean of the least score taken), as in expert
    threshold routing.

    Parameters
    ----------
    d_model, num_experts, z_weight, jitter, generator
        As for `Router`.
    capacity_factor : float
        Mean number of experts a token.
    ema : float
        Weight of the past in the thresholds.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import ExpertChoiceRouter
    >>> _ = torch.manual_seed(0)
    >>> output = ExpertChoiceRouter(8, 4)(torch.randn(32, 8))
    >>> output.metrics["load"], bool(output.metrics["coverage"] < 1)  # some tokens are not taken
    (tensor([8., 8., 8., 8.]), True)
    """

    experts_choose = True

    def __init__(self, d_model, num_experts, *, capacity_factor=1.0, ema=0.9, **options):
        super().__init__(d_model, num_experts, 1, capacity_factor=capacity_factor, **options)
        self.ema = ema
        self.register_buffer("threshold", torch.zeros(num_experts))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._pending = None

    def select(self, logits, valid):
        """Choose the best tokens of every expert."""
        scores = self.scores(logits)
        if self.training:
            tokens = int(valid.sum()) if logits.device.type == "cpu" else len(valid)
            chosen, least = choose_columns(scores, self.capacity(tokens), valid)
            if self.learns and tokens:
                self._pending = torch.where(least.isfinite(), least, self.threshold)
        else:
            chosen = (scores >= self.threshold) & valid[:, None]
        indices, keep = select_from_mask(chosen, scores)
        return otopt.Routing(
            indices, keep, positions(indices, keep, self.num_experts), chosen.sum(dim=0)
        )

    def update(self):
        """Move the thresholds."""
        super().update()
        if self._pending is not None:
            self.threshold.lerp_(self._pending, 1 - self.ema if self.step > 0 else 1.0)
            self.step += 1
            self._pending = None
