"""Routing by transport prices: exact capacity in training, causal and token-wise afterwards."""

from __future__ import annotations

import warnings

import torch

import otopt
from ml_apps.moe.output import positions
from ml_apps.moe.router import Router

__all__ = ["PriceRouter"]

MODES = ("in_batch", "lagged")
CAUSAL_NOTE = (
    "PriceRouter: train='in_batch' lets the routing of a token depend on later ones of its "
    "batch, by about 1 / sqrt(batch size); evaluation never does. train='lagged' rules it out."
)


class PriceRouter(Router):
    """Top-k of scores less prices of experts, which `otopt.solve_prices` finds.

    In evaluation prices are frozen: every token is routed by itself, whatever its batch, and
    nothing is dropped. There is no auxiliary loss.

    Parameters
    ----------
    d_model, num_experts, k, z_weight, jitter, generator
        As for `Router`.
    capacity_factor : float or None
        1.0 fills every expert exactly; None drops and moves nothing, and prices alone balance.
    train : {"in_batch", "lagged"}, optional
        "in_batch" solves for the prices of the batch at hand, warm from those of the step before.
        "lagged" routes with prices of earlier steps, so that no token sees its batch; it is the
        default where `causal`, after `warmup_steps` of the other.
    causal : bool
        Whether tokens must not see later ones: chooses the default of `train`, and warns of
        "in_batch".
    policy : {"repair", "drop_position", "drop_score", "bpr"}
        What happens beyond the capacity (`otopt.assign`), in training only. While "lagged" routes
        by old prices anything but "drop_position" lets tokens see their batch.
    passes : int, optional
        Passes over the scores in a training step. By default, in one process on the CPU, as many
        as balance smoothed loads to 3 %. Elsewhere, where a look at loads would wait for others,
        2: a pass moves prices by one `smoothing` at most, so that they can fall behind a router
        that learns fast, and the repair moves many tokens; ask for 8 then.
    smoothing : float
        Of the dual, in standard deviations of the scores.
    ema : float
        Weight of the past in the price that evaluation uses, in [0, 1).
    warmup_steps : int
        Steps that "lagged" spends in batch first, with an exact capacity of 1 (policy "repair").
    process_group : torch.distributed.ProcessGroup, optional
        Group whose tokens share prices: 2 m numbers a pass are added up over it. None is local.

    Raises
    ------
    ValueError
        For an unknown `train`, an `ema` outside [0, 1), and what `Router` refuses.

    Warns
    -----
    UserWarning
        `causal` with "in_batch", where tokens see later ones while training.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.moe import PriceRouter
    >>> _ = torch.manual_seed(0)
    >>> output = PriceRouter(8, 4)(torch.randn(32, 8))
    >>> output.metrics["load"]
    tensor([8., 8., 8., 8.])
    """

    def __init__(
        self, d_model, num_experts, k=1, *, capacity_factor=1.0, train=None, causal=False,
        policy="repair", score="logit", gate="softmax", passes=None, smoothing=0.1, ema=0.9,
        warmup_steps=100, process_group=None, **options,
    ):  # fmt: skip
        super().__init__(
            d_model, num_experts, k, capacity_factor=capacity_factor, score=score, gate=gate,
            **options,
        )  # fmt: skip
        train = train or ("lagged" if causal else "in_batch")
        if train not in MODES:
            message = f"PriceRouter: `train` must be one of {', '.join(MODES)}; got {train!r}."
            raise ValueError(message)
        if not 0 <= ema < 1:
            message = f"PriceRouter: `ema` must be in [0, 1); got {ema}."
            raise ValueError(message)
        if causal and train == "in_batch":
            warnings.warn(CAUSAL_NOTE, stacklevel=2)
        self.train_mode, self.policy, self.passes, self.smoothing = train, policy, passes, smoothing
        self.ema, self.warmup_steps, self.process_group = ema, warmup_steps, process_group
        self.frozen = False
        self.register_buffer("price", torch.zeros(num_experts))
        self.register_buffer("price_ema", torch.zeros(num_experts))
        self.register_buffer("reg", torch.ones(()))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._steps = None  # the same on the host, so that no pass waits for the device
        self._pending = []
        self._prints = []
        self._last_plan = None

    @property
    def steps(self):
        """Updates so far."""
        if self._steps is None:
            self._steps = int(self.step)
        return self._steps

    def _load_from_state_dict(self, *args, **kwargs):
        super()._load_from_state_dict(*args, **kwargs)
        self._steps = None
        self._pending, self._prints = [], []

    @property
    def routes_in_batch(self):
        """Whether training solves for the batch at hand now."""
        return self.train_mode == "in_batch" or self.steps < self.warmup_steps

    def select(self, logits, valid):
        """Choose experts, and note what `update` needs."""
        scores = self.scores(logits)
        if not self.training or self.frozen:
            self._last_plan = self.price_ema, self.reg
            return self._token_wise(scores, self.price_ema, valid)
        mass = valid.float()
        tokens = len(valid) if logits.device.type != "cpu" else int(mass.sum())
        if not self.routes_in_batch:
            if self.learns:
                seen = self._solve(scores, mass, passes=1, reg=self.reg_number())
                self._note(scores, mass.sum(), seen)
            self._last_plan = self.price, self.reg
            capacity = self.capacity(tokens)
            if capacity is None:
                return self._token_wise(scores, self.price, valid)
            return self._assign(scores, self.price, mass, capacity, self.policy)
        result = self._solve(scores, mass)
        price = torch.as_tensor(result.price, dtype=torch.float32)
        reg = torch.as_tensor(result.reg, dtype=torch.float32, device=price.device)
        reg = reg.clamp(min=1e-6)
        if self.learns:
            self._pending = [
                (price, reg)
            ]  # of the last part of the batch; again the same if redone
        self._last_plan = price, reg
        capacity = self.capacity(tokens)
        if self.train_mode == "lagged" and capacity is None:
            capacity = -(-self.k * tokens // self.num_experts)  # the warm-up is exact
        if capacity is None:
            return self._token_wise(scores, price, valid)
        policy = "repair" if self.train_mode == "lagged" else self.policy
        return self._assign(scores, price, mass, capacity, policy)

    def _solve(self, scores, mass, passes=None, reg=None):
        """Prices of this batch, from those of the step before where there are any."""
        options = {"row_mass": mass, "certify": False}
        blind = self.process_group is not None or scores.device.type != "cpu"
        if self.steps > 0:
            options |= {"warm_start": self.price, "smoothing": self.smoothing}
            count = passes or self.passes or (2 if blind else None)
        else:
            options["smoothing"] = self.smoothing if blind else 0.05
            count = 8 if blind else None
        options |= {"tol": 0.03, "maxiter": 30} if count is None else {"passes": count}
        if reg is not None:
            options["reg"] = reg
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", otopt.errors.ConvergenceWarning)  # training goes on
            if self.process_group is None or passes == 1:
                return otopt.solve_prices(scores, self.k, **options)
            from otopt.distributed import solve_prices

            return solve_prices(scores, self.k, group=self.process_group, **options)

    def _assign(self, scores, price, mass, capacity, policy):
        return otopt.assign(
            scores, price, self.k, capacity, policy=policy, row_mass=mass.to(scores.dtype)
        )

    def _token_wise(self, scores, price, valid):
        if scores.device.type == "cpu":
            return otopt.assign(scores, price, self.k, row_mass=valid.to(scores.dtype))
        lead = scores - price
        # The maximum is cheaper than a list of length one.
        best = lead.max(dim=1, keepdim=True) if self.k == 1 else lead.topk(self.k, dim=1)
        indices = best.indices
        keep = valid[:, None].expand_as(indices)
        return _Choice(indices, keep, positions(indices, keep, self.num_experts))

    def _note(self, scores, tokens, result):
        """Add statistics, unless these very scores were seen since the last update."""
        x = scores.double()
        mark = torch.stack([x.sum(), (x * x).sum()])
        seen = (
            torch.stack([(mark == other).all() for other in self._prints]).any()
            if self._prints
            else None
        )
        self._prints.append(mark)
        fresh = torch.ones_like(tokens) if seen is None else (~seen).to(tokens.dtype)
        if result.statistics is None:  # nothing but padding, or nothing to choose
            statistics = scores.new_zeros(2, self.num_experts)
        else:
            statistics = torch.as_tensor(result.statistics).to(scores)
        self._pending.append(torch.cat([statistics, tokens.expand(1, self.num_experts)]) * fresh)

    def reg_number(self):
        """Smoothing of this step, the same for all parts of the batch."""
        return self.reg if self.reg.device.type != "cpu" else float(self.reg)

    def update(self):
        """Take over the prices of the step; call it once after every optimiser step."""
        super().update()
        if not self._pending:
            return
        with torch.no_grad():
            if isinstance(self._pending[0], tuple):
                price, reg = self._pending[-1]
                self.reg.copy_(reg)
            else:
                price = self._lagged_price(torch.stack(self._pending).sum(dim=0))
            self.price.copy_(price)
            past = self.ema if self.steps > 0 else 0.0
            self.price_ema.mul_(past).add_(price, alpha=1 - past)
            self.step += 1
            self._steps = self.steps + 1
        self._pending, self._prints = [], []

    def _lagged_price(self, statistics):
        """One safeguarded Newton step on loads and curvatures of all batches and processes."""
        if self.process_group is not None:
            torch.distributed.all_reduce(statistics, group=self.process_group)
        load, curvature, tokens = statistics
        capacity = self.k * tokens / self.num_experts
        floor = 0.1 * capacity / self.reg
        step = (load - capacity) / (curvature + floor).clamp(min=1e-12)
        price = self.price + step.clamp(min=-self.reg, max=self.reg)
        return price - price.mean()

    def plan_of(self, routing):
        """Price and smoothing that this pass was routed by."""
        price, reg = self._last_plan
        return price, float(reg)

    def freeze(self, frozen=True):
        """Route by the frozen price in training too, and learn no more; for fine-tuning."""
        self.frozen = frozen
        return self

    @torch.no_grad()
    def calibrate(self, batches):
        """Solve for the prices of held-out tokens, tensors (..., d_model) that are pooled."""
        was_training = self.training
        self.eval()
        try:
            scores = [self.scores(self.logits(x.reshape(-1, self.d_model))) for x in batches]
            result = otopt.solve_prices(torch.cat(scores), self.k, smoothing=0.02)
        finally:
            self.train(was_training)
        price = torch.as_tensor(result.price, dtype=torch.float32)
        self.price.copy_(price)
        self.price_ema.copy_(price)
        self.reg.fill_(float(result.reg))
        self.step += 1
        self._steps = None
        return self

    def export_bias(self):
        """The frozen price as a bias that is added to scores (DeepSeek's convention)."""
        return -self.price_ema.clone()


class _Choice:
    """Indices, keep and positions, as `otopt.Routing` has them."""

    def __init__(self, indices, keep, position):
        self.indices, self.keep, self.position = indices, keep, position
