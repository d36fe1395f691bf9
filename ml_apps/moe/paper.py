"""The routers of the paper: transport with k nonzeros a column, by Adam on the semi-dual.

Liu, Puigcerver, Blondel 2023, :doi:`10.48550/arXiv.2209.15466`, section on mixtures of experts,
with the settings of its public code: probabilities as similarities, curvature 1, 20 steps of Adam
with rate 0.01 from zero.
"""

from __future__ import annotations

import math

import torch

import otopt
from ml_apps.moe.choice import choose_columns
from ml_apps.moe.output import positions, select_from_mask
from ml_apps.moe.router import Router

__all__ = ["PaperRowSparseRouter", "PaperSparseOTRouter", "semi_dual", "solve_semi_dual"]


def _simplex(x):
    """Projections of rows onto the probability simplex."""
    ordered = x.sort(dim=1, descending=True).values
    count = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
    level = (ordered.cumsum(dim=1) - 1) / count
    size = (ordered > level).sum(dim=1, keepdim=True).clamp(min=1)
    return (x - level.gather(1, size - 1)).clamp(min=0)


def semi_dual(alpha, similarity, target, source, k, gamma=1.0):
    """Objective, gradient and plan (n, m) at potentials alpha (n,).

    ``F = sum_j b_j max_p [<p, alpha + s_j> - gamma b_j / 2 (|p|^2 - 1)] - <a, alpha>`` over p in
    the simplex with at most k nonzeros; `target` is b (m,), `source` a (n,).
    """
    x = (alpha[:, None] + similarity).T  # (m, n)
    values, where = x.topk(min(k, x.shape[1]), dim=1)
    scale = gamma * target[:, None]
    p = _simplex(values / scale)
    column = (p * values).sum(dim=1) - 0.5 * scale[:, 0] * ((p * p).sum(dim=1) - 1)
    plan = torch.zeros_like(x).scatter(1, where, target[:, None] * p).T
    return target @ column - source @ alpha, plan.sum(dim=1) - source, plan


def solve_semi_dual(similarity, target, source, k, steps=20, rate=1e-2, gamma=1.0):
    """Potentials and plan after so many steps of Adam from zero."""
    alpha = torch.zeros_like(source)
    first, second = torch.zeros_like(alpha), torch.zeros_like(alpha)
    for step in range(1, steps + 1):
        _, gradient, _ = semi_dual(alpha, similarity, target, source, k, gamma)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        mean, spread = first / (1 - 0.9**step), second / (1 - 0.999**step)
        alpha = alpha - rate * mean / (spread.sqrt() + 1e-8)
    return alpha, semi_dual(alpha, similarity, target, source, k, gamma)[2]


class PaperSparseOTRouter(Router):
    """Experts take the tokens of the sparse plan, at most their capacity; potentials are tokens'.

    They cannot be carried to another batch, so evaluation in batches sees the batch, and evaluation
    of single tokens (``token_wise_eval=True``) falls back on the best expert.

    Parameters
    ----------
    d_model, num_experts, capacity_factor, z_weight, jitter, generator
        As for `Router`.
    steps, rate, gamma
        Of Adam, and the curvature.
    multiple : int
        Capacities are rounded up to a multiple; 4 in the paper's code, 1 here.
    gate : {"softmax", "plan"}
        Weights: probabilities, or the entries of the plan, which have no gradient.
    token_wise_eval : bool
        Route tokens by their best expert in evaluation.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import PaperSparseOTRouter
    >>> _ = torch.manual_seed(0)
    >>> output = PaperSparseOTRouter(8, 4)(torch.randn(32, 8))
    >>> int(output.metrics["load"].max()) <= 8
    True
    """

    experts_choose = True

    def __init__(
        self, d_model, num_experts, *, capacity_factor=1.0, steps=20, rate=1e-2, gamma=1.0,
        multiple=1, gate="softmax", token_wise_eval=False, **options,
    ):  # fmt: skip
        super().__init__(
            d_model, num_experts, 1, capacity_factor=capacity_factor, gate=gate, **options
        )
        self.steps, self.rate, self.gamma = steps, rate, gamma
        self.multiple, self.token_wise_eval = multiple, token_wise_eval
        self._plan = None

    def select(self, logits, valid):
        """Choose the tokens of every expert by the plan."""
        similarity = logits.softmax(dim=1)
        if not self.training and self.token_wise_eval:
            self._plan = similarity
            return otopt.assign(similarity, policy="none", row_mass=valid.to(similarity.dtype))
        rows = valid.nonzero()[:, 0]
        n, m = len(rows), self.num_experts
        capacity = self.multiple * math.ceil((self.capacity(n) or n) / self.multiple)
        plan = torch.zeros_like(similarity)
        if n:
            source, target = similarity.new_ones(n), similarity.new_full((m,), n / m)
            plan[rows] = solve_semi_dual(
                similarity[rows], target, source, capacity, self.steps, self.rate, self.gamma
            )[1]
        self._plan = plan
        chosen, _ = choose_columns(plan, capacity, valid)
        chosen &= plan > 0
        indices, keep = select_from_mask(chosen, similarity)
        return otopt.Routing(indices, keep, positions(indices, keep, m), chosen.sum(dim=0))

    def weights(self, logits, probs, routing):
        """Probabilities, or the plan."""
        if self.gate == "plan":
            return self._plan.gather(1, routing.indices)
        return super().weights(logits, probs, routing)


class PaperRowSparseRouter(Router):
    """The transposed variant: at most k experts a token, potentials on experts.

    Adam for so few steps hardly moves them: this is the paper's choice, kept as it is.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import PaperRowSparseRouter
    >>> _ = torch.manual_seed(0)
    >>> output = PaperRowSparseRouter(8, 4, k=2)(torch.randn(32, 8))
    >>> output.indices.shape
    torch.Size([32, 2])
    """

    def __init__(self, *args, steps=20, rate=1e-2, gamma=1.0, policy="drop_position", **options):
        super().__init__(*args, **options)
        self.steps, self.rate, self.gamma, self.policy = steps, rate, gamma, policy

    def select(self, logits, valid):
        """Choose the experts of every token by the plan."""
        similarity = logits.softmax(dim=1)
        rows = similarity[valid]
        n, m = rows.shape
        alpha = rows.new_zeros(m)
        if n:
            source, target = rows.new_full((m,), n / m), rows.new_ones(n)
            alpha, _ = solve_semi_dual(
                rows.T, target, source, self.k, self.steps, self.rate, self.gamma
            )
        capacity = self.capacity(n) if self.training else None
        policy = "none" if capacity is None else self.policy
        mass = valid.to(similarity.dtype)
        return otopt.assign(similarity, -alpha, self.k, capacity, policy=policy, row_mass=mass)
