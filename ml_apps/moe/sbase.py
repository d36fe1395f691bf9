"""Entropic balance: S-BASE (Clark et al. 2022), :doi:`10.48550/arXiv.2202.01169`."""

from __future__ import annotations

import math

import torch

import otopt
from ml_apps.moe.router import Router

__all__ = ["SBaseRouter", "log_sinkhorn"]


def log_sinkhorn(logits, iterations, temperature=1.0, valid=None):
    """Column potentials (m,) of rows with mass 1 and columns with equal mass, in the log domain."""
    z = logits / temperature
    if valid is not None:
        z = z[valid]
    n, m = z.shape
    g = z.new_zeros(m)
    if n == 0:
        return g
    for _ in range(iterations):
        f = -(z + g).logsumexp(dim=1, keepdim=True)
        g = math.log(n / m) - (z + f).logsumexp(dim=0)
    return temperature * (g - g.mean())


class SBaseRouter(Router):
    """The largest entries of the Sinkhorn plan of logits; weights are those of the softmax.

    `iterations` more than ten change nothing at ``temperature=1``: what keeps loads apart is the
    temperature. Evaluation uses running means of the potentials, where implementations in use take
    raw logits; ``frozen_eval=False`` does that.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import SBaseRouter
    >>> _ = torch.manual_seed(0)
    >>> output = SBaseRouter(8, 4, capacity_factor=1.0)(torch.randn(32, 8))
    >>> int(output.metrics["load"].max())  # what is too much is dropped
    8
    """

    def __init__(
        self, *args, iterations=10, temperature=1.0, ema=0.9, policy="drop_position",
        frozen_eval=True, score="logit", **options,
    ):  # fmt: skip
        super().__init__(*args, score=score, **options)
        self.iterations, self.temperature, self.ema = iterations, temperature, ema
        self.policy, self.frozen_eval = policy, frozen_eval
        self.register_buffer("potential", torch.zeros(self.num_experts))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._pending = None

    def select(self, logits, valid):
        """Choose by the plan of this batch."""
        scores = self.scores(logits)
        mass = valid.to(scores.dtype)
        if not self.training:
            price = -self.potential if self.frozen_eval else None
            return otopt.assign(scores, price, self.k, policy="none", row_mass=mass)
        potential = log_sinkhorn(scores, self.iterations, self.temperature, valid)
        if self.learns:
            self._pending = potential
        capacity = self.capacity(int(valid.sum()) if logits.device.type == "cpu" else len(valid))
        policy = "none" if capacity is None else self.policy
        return otopt.assign(scores, -potential, self.k, capacity, policy=policy, row_mass=mass)

    def update(self):
        """Move the mean potentials."""
        super().update()
        if self._pending is not None:
            self.potential.lerp_(self._pending, 1 - self.ema if self.step > 0 else 1.0)
            self.step += 1
            self._pending = None
