"""A small causal transformer whose feed-forward parts are mixtures.

Initial weights follow GPT-2 (Radford et al. 2019, section 2.3), at the width here. Tokens start as
small as places: with the variance 1 of `nn.Embedding` they drown places, and what layers add to
them. Matrices have variance 1 / inputs, but the two of every layer that write into the residual
stream are divided by the root of their number. Routers keep initial weights of their own.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ml_apps.moe.layer import FeedForwardExperts, MoE

__all__ = ["CharacterModel"]

EMBEDDING_STD = 0.02


def _linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=inputs**-0.5)
    return layer


class Block(nn.Module):
    """Attention, then experts (or one dense network where there is no router)."""

    def __init__(self, d_model, heads, d_ff, experts, make_router, layers):
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.qkv = _linear(d_model, 3 * d_model)
        self.out = _linear(d_model, d_model)
        router = make_router(d_model, experts)
        networks = FeedForwardExperts(1 if router is None else experts, d_model, d_ff)
        self.feed_forward = networks if router is None else MoE(networks, router)
        with torch.no_grad():
            for writer in (self.out.weight, networks.down):
                writer.div_((2 * layers) ** 0.5)

    def forward(self, x):
        batch, length, d = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.qkv(self.first(x)).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, d))
        seen = self.second(x)
        if isinstance(self.feed_forward, MoE):
            y, output = self.feed_forward(seen)
            return x + y, output
        return x + self.feed_forward(seen.view(1, -1, d)).view_as(x), None


class CharacterModel(nn.Module):
    """Logits of the next character."""

    def __init__(self, vocabulary, make_router, *, d_model=96, heads=3, layers=2, d_ff=192,
                 experts=8, length=64):  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocabulary, d_model)
        nn.init.normal_(self.embed.weight, std=EMBEDDING_STD)
        self.place = nn.Parameter(EMBEDDING_STD * torch.randn(length, d_model))
        self.blocks = nn.ModuleList(
            Block(d_model, heads, d_ff, experts, make_router, layers) for _ in range(layers)
        )
        self.last = nn.LayerNorm(d_model)
        self.head = _linear(d_model, vocabulary)

    def forward(self, tokens):
        """Logits (batch, length, vocabulary) and the outputs of the routers."""
        x = self.embed(tokens) + self.place[: tokens.shape[1]]
        outputs = []
        for block in self.blocks:
            x, output = block(x)
            outputs.append(output)
        return self.head(self.last(x)), [o for o in outputs if o is not None]
