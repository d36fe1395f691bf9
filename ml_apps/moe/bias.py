"""Production routers without an auxiliary loss: a bias an expert, moved after every step."""

from __future__ import annotations

import torch

import otopt
from ml_apps.moe.router import Router

__all__ = ["QuantileBiasRouter", "SignBiasRouter"]


class _BiasRouter(Router):
    """Top-k of scores plus `bias`, which is never part of the weights; see the subclasses."""

    def __init__(
        self, d_model, num_experts, k=1, *, policy="drop_position", process_group=None, **options
    ):
        super().__init__(d_model, num_experts, k, **options)
        self.policy, self.process_group = policy, process_group
        self.register_buffer("bias", torch.zeros(num_experts))
        self._pending = []

    def select(self, logits, valid):
        """Choose by the bias of the step before."""
        scores = self.scores(logits)
        mass = valid.to(scores.dtype)
        capacity, policy = None, "none"
        if self.training and self.capacity_factor is not None:
            capacity = self.capacity(int(mass.sum()) if logits.device.type == "cpu" else len(valid))
            policy = self.policy
        if self.learns:
            self._pending.append(self.statistics(scores, mass))
        return otopt.assign(scores, -self.bias, self.k, capacity, policy=policy, row_mass=mass)

    def statistics(self, scores, mass):
        """What a part of the batch contributes to the next bias."""
        raise NotImplementedError

    def add_up(self):
        """Sums over the parts of the batch and over processes."""
        total = torch.stack(self._pending).sum(dim=0)
        self._pending = []
        if self.process_group is not None:
            torch.distributed.all_reduce(total, group=self.process_group)
        return total


class SignBiasRouter(_BiasRouter):
    """``bias += rate sign(mean load - load)`` (Wang et al. 2024, :doi:`10.48550/arXiv.2408.15664`).

    DeepSeek-V3 uses ``score="sigmoid", gate="sigmoid_topk", rate=1e-3``; `proportional` moves
    by the relative error in place of its sign.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import SignBiasRouter, update
    >>> _ = torch.manual_seed(0)
    >>> router, x = SignBiasRouter(8, 4, rate=0.01), torch.randn(256, 8)
    >>> load = router(x).metrics["load"]
    >>> update(router)
    >>> bool(router.bias[load.argmax()] < 0 < router.bias[load.argmin()])
    True
    """

    def __init__(self, *args, rate=1e-3, proportional=False, score="sigmoid", **options):
        super().__init__(*args, score=score, **options)
        self.rate, self.proportional = rate, proportional

    def statistics(self, scores, mass):
        """Loads before anything is dropped."""
        chosen = (scores + self.bias).topk(self.k, dim=1).indices.reshape(-1)
        load = torch.zeros_like(self.bias)
        return load.index_add(0, chosen, mass.repeat_interleave(self.k))

    def update(self):
        """Move the bias of every expert towards the mean load."""
        super().update()
        if self._pending:
            load = self.add_up()
            miss = load.mean() - load
            step = miss / load.mean().clamp(min=1) if self.proportional else miss.sign()
            self.bias.add_(self.rate * step)


class QuantileBiasRouter(_BiasRouter):
    """Quantile balancing: one sweep of coordinate descent on the dual of the balanced assignment.

    The bias of the next step is such that with this one's row levels every expert would keep its
    share. With ``bins=None`` quantiles are exact in every part of the batch and the biases are
    averaged over parts and processes, which is not the quantile of all tokens; with bins one
    histogram is added up, as production code does (J. Su, kexue.fm/archives/11619).

    Parameters
    ----------
    bins : int or None
        Number of bins between the least bias - 1 and the largest + 1.
    ema : float
        Weight of the past.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import QuantileBiasRouter, update
    >>> _ = torch.manual_seed(0)
    >>> router, x = QuantileBiasRouter(8, 4), torch.randn(256, 8)
    >>> before = router(x).metrics["max_over_mean"]
    >>> update(router)
    >>> bool(router(x).metrics["max_over_mean"] < before)
    True
    """

    def __init__(self, *args, bins=None, ema=0.0, score="logit", **options):
        super().__init__(*args, score=score, **options)
        self.bins, self.ema = bins, ema

    def statistics(self, scores, mass):
        """The bias that this part asks for, or the histogram of what bias each pair needs."""
        if self.k == self.num_experts or not bool(mass.any()):
            return scores.new_zeros(self.num_experts, self.bins or 2)
        if self.bins is None:
            found = otopt.solve_prices(
                scores, self.k, method="quantile", passes=1, warm_start=-self.bias, row_mass=mass,
                certify=False,
            )  # fmt: skip
            bias = -torch.as_tensor(found.price).to(self.bias)
            return torch.stack([bias, torch.ones_like(bias)], dim=1)
        level = (scores + self.bias).topk(self.k + 1, dim=1).values[:, -1:]
        need = level - scores  # the pair is taken by a bias above it
        low, high = self.bias.min() - 1, self.bias.max() + 1
        place = ((need - low) / (high - low) * self.bins).long().clamp(0, self.bins - 1)
        place = place + self.bins * torch.arange(self.num_experts, device=place.device)
        flat = torch.zeros(self.num_experts * self.bins, device=scores.device)
        weight = mass[:, None].expand_as(place).reshape(-1)
        return flat.index_add(0, place.reshape(-1), weight).view(self.num_experts, self.bins)

    def update(self):
        """Move the bias to the quantile."""
        super().update()
        if not self._pending:
            return
        total = self.add_up()
        if not bool(total.any()):
            return  # nothing but padding, or nothing to choose
        if self.bins is None:
            bias = total[:, 0] / total[:, 1]
        else:
            share = self.k / self.num_experts
            wanted = share * total.sum(dim=1, keepdim=True)
            below = total.cumsum(dim=1)
            at = torch.searchsorted(below, wanted).clamp(max=self.bins - 1)
            before = below.gather(1, at) - total.gather(1, at)
            part = (wanted - before) / total.gather(1, at).clamp(min=1e-9)
            low, high = self.bias.min() - 1, self.bias.max() + 1
            bias = (low + (high - low) * (at + part.clamp(0, 1)) / self.bins).squeeze(1)
        bias = self.ema * self.bias + (1 - self.ema) * bias
        self.bias.copy_(bias - bias.mean())
