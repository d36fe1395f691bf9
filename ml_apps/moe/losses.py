"""Auxiliary losses of routers; padding never counts, and none is NaN at perfect balance."""

from __future__ import annotations

import math

import torch

__all__ = ["gshard_loss", "importance_loss", "load_loss", "switch_loss", "z_loss"]


def _shares(indices, valid, m):
    """Share of the valid tokens whose entry of `indices` (n,) is each expert."""
    weight = valid.float()
    share = torch.zeros(m, device=indices.device).index_add(0, indices, weight)
    return share / weight.sum().clamp(min=1)


def _mean(probs, valid):
    return (probs * valid[:, None]).sum(dim=0) / valid.sum().clamp(min=1)


def switch_loss(probs, indices, valid):
    """``m <f, P>``: f shares of pairs chosen before any is dropped, P mean probabilities.

    Fedus, Zoph, Shazeer 2021, equations 4 to 6, :doi:`10.48550/arXiv.2101.03961`; for k > 1 f is
    the mean over choices, so that it sums to 1.
    """
    m, k = probs.shape[1], indices.shape[1]
    f = sum(_shares(indices[:, a], valid, m) for a in range(k)) / k
    return m * (f * _mean(probs, valid)).sum()


def gshard_loss(probs, indices, valid):
    """``m^2 mean(f1 P)``, f1 the shares of first choices (Lepikhin et al. 2020, Algorithm 1)."""
    m = probs.shape[1]
    return m * m * (_shares(indices[:, 0], valid, m) * _mean(probs, valid)).mean()


def _squared_variation(x):
    """Squared coefficient of variation; the square root of 0 has no gradient, its square has."""
    return x.var(unbiased=False) / x.mean().clamp(min=1e-12) ** 2


def importance_loss(probs, valid):
    """Squared variation of the summed probabilities (Shazeer et al. 2017, equation 7)."""
    return _squared_variation((probs * valid[:, None]).sum(dim=0))


def load_loss(logits, noisy, k, sigma, valid):
    """Squared variation of the smooth loads of noisy top-k (Riquelme et al. 2021, appendix A).

    The chance that expert j is among the k best of a token where only its own noise is drawn anew.
    """
    level = noisy.topk(k, dim=1).values[:, -1:]
    chance = 0.5 * torch.erfc((level - logits) / (sigma * math.sqrt(2)))
    return _squared_variation(_mean(chance, valid))


def z_loss(logits, valid):
    """Mean squared log-normaliser (Zoph et al. 2022, :doi:`10.48550/arXiv.2202.08906`)."""
    return (logits.logsumexp(dim=1) ** 2 * valid).sum() / valid.sum().clamp(min=1)
