"""Sparse mixtures of experts, routed by transport prices, and the routers beside it."""

from ml_apps.moe.auction import BaseRouter
from ml_apps.moe.bias import QuantileBiasRouter, SignBiasRouter
from ml_apps.moe.buffers import combine, dispatch
from ml_apps.moe.choice import ExpertChoiceRouter
from ml_apps.moe.layer import FeedForwardExperts, MoE
from ml_apps.moe.output import RouterOutput
from ml_apps.moe.paper import PaperRowSparseRouter, PaperSparseOTRouter
from ml_apps.moe.price import PriceRouter
from ml_apps.moe.router import Router, attach, update
from ml_apps.moe.sbase import SBaseRouter
from ml_apps.moe.soft import SoftMoE
from ml_apps.moe.topk import TopKRouter

__all__ = [
    "BaseRouter",
    "ExpertChoiceRouter",
    "FeedForwardExperts",
    "MoE",
    "PaperRowSparseRouter",
    "PaperSparseOTRouter",
    "PriceRouter",
    "QuantileBiasRouter",
    "Router",
    "RouterOutput",
    "SBaseRouter",
    "SignBiasRouter",
    "SoftMoE",
    "TopKRouter",
    "attach",
    "combine",
    "dispatch",
    "update",
]
