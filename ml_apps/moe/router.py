"""The contract of all routers: tokens in, a `RouterOutput` out, state in float32."""

from __future__ import annotations

import math
import warnings

import torch
from torch import nn
from torch.nn import functional

from ml_apps.moe import losses
from ml_apps.moe.output import RouterOutput, load_metrics
from otopt.nn import capped_simplex

__all__ = ["Router", "attach", "update"]

SCORES = ("logit", "softmax", "sigmoid")
GATES = ("softmax", "softmax_topk", "sigmoid", "sigmoid_topk", "plan")


class Router(nn.Module):
    """Linear logits in float32, a selection without gradients, weights with.

    Subclasses implement ``select(logits, valid) -> Routing`` (of `otopt.assign`, or anything with
    its fields), may add losses in ``extra_losses``, and keep what they learn from loads in buffers
    that only `update` changes. Forward passes may be repeated (activation checkpointing) or made
    for parts of a batch before one `update`.

    Parameters
    ----------
    d_model, num_experts : int
    k : int
        Experts a token.
    capacity_factor : float or None
        Room of an expert in training, ``ceil(capacity_factor k n / m)`` for n tokens; None for as
        much as it takes.
    score : {"logit", "softmax", "sigmoid"}
        What is compared when experts are chosen.
    gate : {"softmax", "softmax_topk", "sigmoid", "sigmoid_topk", "plan"}
        Weights of the chosen experts: of the softmax over all experts, of the same scaled to sum 1
        over the chosen ones, of the sigmoid, likewise; "plan" the row of the smoothed transport
        plan. Scaled weights are constant for k = 1 and would leave the router without a gradient,
        so they are refused there.
    z_weight : float
        Weight of the z-loss.
    jitter : float
        In training inputs are multiplied by uniform numbers in [1 - jitter, 1 + jitter].
    generator : torch.Generator, optional
        For jitter and noise; one with seed 0 by default.

    Examples
    --------
    A router that sends token i to expert i modulo m:

    >>> import torch
    >>> import otopt
    >>> from ml_apps.moe import Router
    >>> class RoundRobin(Router):
    ...     def select(self, logits, valid):
    ...         n, m = logits.shape
    ...         preferred = torch.nn.functional.one_hot(torch.arange(n) % m, m).float()
    ...         return otopt.assign(preferred, policy="none", row_mass=valid.float())
    >>> RoundRobin(8, 4)(torch.randn(32, 8)).metrics["load"]
    tensor([8., 8., 8., 8.])
    """

    experts_choose = False  # whether pairs that are not kept were never asked for

    def __init__(
        self, d_model, num_experts, k=1, *, capacity_factor=None, score="softmax", gate="softmax",
        z_weight=0.0, jitter=0.0, generator=None,
    ):  # fmt: skip
        super().__init__()
        name = type(self).__name__
        if not 1 <= k <= num_experts:
            message = f"{name}: `k` must be in 1..num_experts = {num_experts}; got {k}."
            raise ValueError(message)
        if capacity_factor is not None and not capacity_factor > 0:
            message = f"{name}: `capacity_factor` must be > 0 or None; got {capacity_factor}."
            raise ValueError(message)
        for label, value, known in (("score", score, SCORES), ("gate", gate, GATES)):
            if value not in known:
                message = f"{name}: `{label}` must be one of {', '.join(known)}; got {value!r}."
                raise ValueError(message)
        if k == 1 and gate.endswith("_topk"):
            message = (
                f"{name}: `gate` must not be scaled to sum 1 for k = 1, where it would be "
                f"constant; got {gate!r}; use {gate.removesuffix('_topk')!r}."
            )
            raise ValueError(message)
        self.d_model, self.num_experts, self.k = d_model, num_experts, k
        self.capacity_factor, self.score, self.gate = capacity_factor, score, gate
        self.z_weight, self.jitter, self.generator = z_weight, jitter, generator
        self.weight = nn.Parameter(torch.empty(num_experts, d_model))
        nn.init.normal_(self.weight, std=d_model**-0.5)
        self._forwards = 0

    def _apply(self, fn, recurse=True):
        """Move to devices with the module, but stay in float32: prices of bfloat16 would tie."""
        before = {name: (x.dtype, x) for name, x in self.named_buffers()}
        weight = self.weight.data
        super()._apply(fn, recurse)
        for name, (dtype, x) in before.items():
            now = self.get_buffer(name)
            if now.dtype != dtype:
                setattr(self, name, x.to(now.device))
        if self.weight.dtype != weight.dtype and weight.dtype == torch.float32:
            self.weight.data = weight.to(self.weight.device)
        return self

    def capacity(self, tokens):
        """Room of an expert for so many tokens, or None."""
        return self.capacity_of(tokens, self.capacity_factor)

    def capacity_of(self, tokens, factor):
        """The same for another capacity factor."""
        if factor is None:
            return None
        return math.ceil(factor * self.k * tokens / self.num_experts - 1e-9)

    def random(self, like, kind):
        """Numbers from the router's own generator: "uniform" in [0, 1) or "normal"."""
        if self.generator is None or self.generator.device != like.device:
            self.generator = torch.Generator(device=like.device).manual_seed(0)
        make = torch.rand if kind == "uniform" else torch.randn
        return make(like.shape, generator=self.generator, device=like.device)

    def logits(self, x):
        """Logits (n, m), float32 under autocast too."""
        x = x.float()
        if self.training and self.jitter:
            x = x * (1 + self.jitter * (2 * self.random(x, "uniform") - 1))
        with torch.autocast(x.device.type, enabled=False):
            return functional.linear(x, self.weight.float())

    def scores(self, logits):
        """What experts are chosen by."""
        if self.score == "logit":
            return logits
        return logits.softmax(dim=1) if self.score == "softmax" else logits.sigmoid()

    def weights(self, logits, probs, routing):
        """Weights (n, k) of chosen experts, differentiable."""
        if self.gate == "plan":
            price, reg = self.plan_of(routing)
            scores = self.scores(logits) - price
            return capped_simplex(scores, self.k, reg).gather(1, routing.indices)
        values = logits.sigmoid() if self.gate.startswith("sigmoid") else probs
        chosen = values.gather(1, routing.indices)
        if self.gate.endswith("_topk"):
            kept = chosen * routing.keep
            chosen = kept / kept.sum(dim=1, keepdim=True).clamp(min=1e-20)
        return chosen

    def plan_of(self, routing):
        """Price (m,) and smoothing of the plan, for ``gate="plan"``."""
        message = f"{type(self).__name__}: `gate` 'plan' needs prices, which only PriceRouter has."
        raise ValueError(message)

    def select(self, logits, valid):
        """Choose experts; called without gradients."""
        raise NotImplementedError

    def extra_losses(self, logits, probs, routing, valid):
        """Auxiliary losses beside the z-loss."""
        return {}

    def update(self):
        """Take up what the forward passes since the last call have seen; once an optimiser step."""
        self._forwards = 0

    @property
    def learns(self):
        """Whether this forward pass may leave a trace: in training, where gradients are wanted."""
        return self.training and self._wants_grad

    def forward(self, x, padding_mask=None):
        """Route tokens.

        Parameters
        ----------
        x : Tensor, shape (..., d_model)
            Any floating dtype.
        padding_mask : Tensor of bool, shape (...), optional
            True where a token is padding: it is not routed and counts nowhere, and may hold
            anything, NaN included.

        Returns
        -------
        RouterOutput
            For the n tokens in flattened order.
        """
        if x.shape[-1] != self.d_model:
            message = (
                f"{type(self).__name__}: `x` must have {self.d_model} features in its last axis; "
                f"got shape {tuple(x.shape)}."
            )
            raise ValueError(message)
        valid = torch.ones(x.shape[:-1], dtype=torch.bool, device=x.device)
        if padding_mask is not None:
            if padding_mask.shape != x.shape[:-1] or padding_mask.dtype != torch.bool:
                message = (
                    f"{type(self).__name__}: `padding_mask` must be boolean, of shape "
                    f"{tuple(x.shape[:-1])}; got {padding_mask.dtype}, "
                    f"{tuple(padding_mask.shape)}."
                )
                raise ValueError(message)
            valid = ~padding_mask
        valid = valid.reshape(-1)
        self._wants_grad = torch.is_grad_enabled()
        tokens = x.reshape(-1, self.d_model)
        if padding_mask is not None:  # it may hold anything: zero gradients times NaN are NaN
            tokens = torch.where(valid[:, None], tokens, 0.0)
        logits = self.logits(tokens)
        probs = logits.softmax(dim=1)
        # numba's kernels cannot be traced; as a decorator it would import the compiler for all.
        select = self.select
        if torch.compiler.is_compiling():
            select = torch.compiler.disable(select)
        with torch.no_grad():
            routing = select(logits.detach(), valid)
        self._count_forward()
        found = {}
        if self.training:
            if self.z_weight:
                found["z"] = self.z_weight * losses.z_loss(logits, valid)
            found |= self.extra_losses(logits, probs, routing, valid)
        weights = torch.where(routing.keep, self.weights(logits, probs, routing), 0.0)
        with torch.no_grad():
            wanted = routing.keep if self.experts_choose else valid[:, None].expand_as(routing.keep)
            metrics = load_metrics(
                routing.indices, routing.keep, wanted, self.k, self.num_experts, valid
            )
        return RouterOutput(
            routing.indices, weights, routing.keep, probs, found, metrics, routing.position
        )

    def _count_forward(self):
        if not (self.learns and type(self).update is not Router.update):
            return
        self._forwards += 1
        if self._forwards == 100:
            message = (
                f"{type(self).__name__}: 100 forward passes in training without update(): what is "
                "learned from loads has not changed; call update(model) after every optimiser "
                "step, or attach(model, optimizer) once."
            )
            warnings.warn(message, stacklevel=3)


def update(model):
    """Call `update` of every router in a model; after every optimiser step.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import PriceRouter, update
    >>> router = PriceRouter(8, 4)
    >>> _ = router(torch.randn(32, 8))
    >>> update(router)
    >>> router.steps
    1
    """
    for module in model.modules():
        if isinstance(module, Router):
            module.update()


def attach(model, optimizer):
    """Update all routers of a model after every step of an optimiser; returns the hook's handle.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import PriceRouter, attach
    >>> router = PriceRouter(8, 4)
    >>> optimizer = torch.optim.SGD(router.parameters(), lr=0.1)
    >>> handle = attach(router, optimizer)
    >>> router(torch.randn(32, 8)).weights.sum().backward()
    >>> optimizer.step()
    >>> router.steps
    1
    """
    return optimizer.register_step_post_hook(lambda *_: update(model))
