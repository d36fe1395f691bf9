"""Top-k with auxiliary losses: Switch, GShard, V-MoE and batch priority."""

from __future__ import annotations

import torch

import otopt
from ml_apps.moe import losses
from ml_apps.moe.output import positions
from ml_apps.moe.router import Router

__all__ = ["TopKRouter"]


class TopKRouter(Router):
    """The k most probable experts of every token; balance is left to auxiliary losses.

    Switch (Fedus et al. 2021) is ``k=1, switch_weight=1e-2, capacity_factor=1.25``; GShard ``k=2,
    gate="softmax_topk", gshard_weight=1e-2, second_threshold=0.2``; V-MoE ``importance_weight=
    load_weight=0.005, noise_std=1, capacity_factor=1.05``, with batch priority by ``policy="bpr"``.

    Parameters
    ----------
    d_model, num_experts, k, capacity_factor, gate, z_weight, jitter, generator
        As for `Router`.
    policy : {"drop_position", "drop_score", "bpr", "repair"}
        What happens beyond the capacity, as for `otopt.assign`; in training, and in evaluation
        where `eval_capacity_factor` is given.
    switch_weight, gshard_weight, importance_weight, load_weight : float
        Weights of the losses of `ml_apps.moe.losses`.
    noise_std : float
        In training, normal noise of this size over m is added to logits.
    second_threshold : float
        For k = 2 the second expert is kept with chance ``weight / threshold``; 0 keeps it always.
    eval_capacity_factor : float or None
        Capacity in evaluation; None drops nothing.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import TopKRouter
    >>> _ = torch.manual_seed(0)
    >>> output = TopKRouter(8, 4, k=2, switch_weight=0.01)(torch.randn(32, 8))
    >>> output.indices.shape, list(output.losses)
    (torch.Size([32, 2]), ['switch'])
    """

    def __init__(
        self, d_model, num_experts, k=1, *, capacity_factor=None, policy="drop_position",
        switch_weight=0.0, gshard_weight=0.0, importance_weight=0.0, load_weight=0.0,
        noise_std=0.0, second_threshold=0.0, eval_capacity_factor=None, **options,
    ):  # fmt: skip
        super().__init__(d_model, num_experts, k, capacity_factor=capacity_factor, **options)
        if load_weight and not noise_std:
            message = "TopKRouter: `load_weight` needs noise_std > 0: the load is smooth by noise."
            raise ValueError(message)
        if second_threshold and k != 2:
            message = f"TopKRouter: `second_threshold` is for k = 2; got k = {k}."
            raise ValueError(message)
        self.policy, self.noise_std, self.second_threshold = policy, noise_std, second_threshold
        self.switch_weight, self.gshard_weight = switch_weight, gshard_weight
        self.importance_weight, self.load_weight = importance_weight, load_weight
        self.eval_capacity_factor = eval_capacity_factor
        self._noisy = None

    def select(self, logits, valid):
        """Choose experts by noisy probabilities."""
        self._noisy = logits
        if self.training and self.noise_std:
            sigma = self.noise_std / self.num_experts
            self._noisy = logits + sigma * self.random(logits, "normal")
        probs = self.scores(self._noisy)
        factor = self.capacity_factor if self.training else self.eval_capacity_factor
        tokens = int(valid.sum()) if logits.device.type == "cpu" else len(valid)
        capacity = self.capacity_of(tokens, factor)
        policy = "none" if capacity is None else self.policy
        mass = valid.to(probs.dtype)
        if self.second_threshold and self.training and self.k == 2:
            return self._random_second(probs, mass, capacity, policy)
        return otopt.assign(probs, None, self.k, capacity, policy=policy, row_mass=mass)

    def _random_second(self, probs, mass, capacity, policy):
        routing = otopt.assign(probs, None, 2, policy="none", row_mass=mass)
        pair = probs.gather(1, routing.indices)
        second = pair[:, 1] / pair.sum(dim=1).clamp(min=1e-9)
        chance = self.random(second, "uniform")
        keep = routing.keep.clone()
        keep[:, 1] &= chance < second / self.second_threshold
        position = positions(routing.indices, keep, self.num_experts)
        if capacity is not None:
            keep &= position < capacity
            position = torch.where(keep, position, -1)
        load = torch.zeros(self.num_experts, dtype=torch.int64, device=keep.device)
        load.index_add_(0, routing.indices.reshape(-1), keep.reshape(-1).long())
        return otopt.Routing(routing.indices, keep, position, load)

    def extra_losses(self, logits, probs, routing, valid):
        """The losses that have a weight."""
        found = {}
        if self.switch_weight:
            chosen = probs.topk(self.k, dim=1).indices
            found["switch"] = self.switch_weight * losses.switch_loss(probs, chosen, valid)
        if self.gshard_weight:
            chosen = probs.topk(self.k, dim=1).indices
            found["gshard"] = self.gshard_weight * losses.gshard_loss(probs, chosen, valid)
        if self.importance_weight:
            found["importance"] = self.importance_weight * losses.importance_loss(probs, valid)
        if self.load_weight:
            sigma = self.noise_std / self.num_experts
            loss = losses.load_loss(logits, self._noisy, self.k, sigma, valid)
            found["load"] = self.load_weight * loss
        return found
