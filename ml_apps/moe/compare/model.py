"""A small causal transformer whose feed-forward parts are mixtures."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ml_apps.moe.layer import FeedForwardExperts, MoE

__all__ = ["CharacterModel"]


class Block(nn.Module):
    """Attention, then experts (or one dense network where there is no router)."""

    def __init__(self, d_model, heads, d_ff, experts, make_router):
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out = nn.Linear(d_model, d_model, bias=False)
        router = make_router(d_model, experts)
        if router is None:
            self.mixture = None
            self.dense = nn.Sequential(
                nn.Linear(d_model, d_ff, bias=False),
                nn.GELU(),
                nn.Linear(d_ff, d_model, bias=False),
            )
        else:
            self.mixture = MoE(FeedForwardExperts(experts, d_model, d_ff), router)

    def forward(self, x):
        batch, length, d = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.first(x)).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, d))
        if self.mixture is None:
            return x + self.dense(self.second(x)), None
        y, output = self.mixture(self.second(x))
        return x + y, output


class CharacterModel(nn.Module):
    """Logits of the next character."""

    def __init__(self, vocabulary, make_router, *, d_model=96, heads=3, layers=2, d_ff=192,
                 experts=8, length=64):  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocabulary, d_model)
        self.place = nn.Parameter(0.02 * torch.randn(length, d_model))
        self.blocks = nn.ModuleList(
            Block(d_model, heads, d_ff, experts, make_router) for _ in range(layers)
        )
        self.last = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, vocabulary, bias=False)

    def forward(self, tokens):
        """Logits (batch, length, vocabulary) and the outputs of the routers."""
        x = self.embed(tokens) + self.place[: tokens.shape[1]]
        outputs = []
        for block in self.blocks:
            x, output = block(x)
            outputs.append(output)
        return self.head(self.last(x)), [o for o in outputs if o is not None]
