"""The routers that are compared, as functions of width and number of experts."""

from __future__ import annotations

from typing import NamedTuple

from ml_apps.moe.bias import QuantileBiasRouter, SignBiasRouter
from ml_apps.moe.choice import ExpertChoiceRouter
from ml_apps.moe.paper import PaperSparseOTRouter
from ml_apps.moe.price import PriceRouter
from ml_apps.moe.sbase import SBaseRouter
from ml_apps.moe.topk import TopKRouter

__all__ = ["METHODS", "QUICK", "Method"]


class Method(NamedTuple):
    """A row of the comparison."""

    make: object  # (d_model, num_experts) -> Router, or None for a dense layer
    note: str
    in_batch_eval: bool = False  # whether evaluation by the batch at hand is measured too


METHODS = {
    "OT in batch, exact": Method(
        lambda d, m: PriceRouter(d, m, capacity_factor=1.0),
        "capacity 1.0 by repair in training; frozen price in evaluation",
        in_batch_eval=True,
    ),
    "OT lagged": Method(
        lambda d, m: PriceRouter(d, m, capacity_factor=None, causal=True, warmup_steps=100),
        "100 steps in batch, then prices of the step before, nothing dropped",
    ),
    "top-1, unbalanced": Method(TopKRouter, "no loss, no capacity"),
    "top-1, aux, cf 1.0": Method(
        lambda d, m: TopKRouter(d, m, capacity_factor=1.0, switch_weight=1e-2),
        "Switch loss 0.01, capacity 1.0",
    ),
    "top-1, aux, cf 1.25": Method(
        lambda d, m: TopKRouter(d, m, capacity_factor=1.25, switch_weight=1e-2),
        "Switch loss 0.01, capacity 1.25",
    ),
    "quantile bias": Method(QuantileBiasRouter, "bias of the step before, nothing dropped"),
    "sign bias, cf 1.25": Method(
        lambda d, m: SignBiasRouter(d, m, rate=3e-3, score="softmax", capacity_factor=1.25),
        "rate 0.003 on probabilities",
    ),
    "S-BASE, cf 1.25": Method(
        lambda d, m: SBaseRouter(d, m, capacity_factor=1.25),
        "10 Sinkhorn iterations at temperature 1; mean potentials in evaluation",
    ),
    "expert choice": Method(ExpertChoiceRouter, "frozen thresholds in evaluation"),
    "sparse OT (paper)": Method(
        lambda d, m: PaperSparseOTRouter(d, m, token_wise_eval=True),
        "20 Adam steps on potentials of tokens; best expert in evaluation",
        in_batch_eval=True,
    ),
    "dense": Method(lambda d, m: None, "one network of the size of an expert"),
}
QUICK = ("OT in batch, exact", "top-1, unbalanced", "top-1, aux, cf 1.0")
