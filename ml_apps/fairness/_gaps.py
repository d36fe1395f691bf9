"""Differences between groups in numbers: rates, distributions, means. No checks."""

from __future__ import annotations

import numpy as np

import otopt

__all__ = ["ks", "mean_gap", "rate_gap", "wasserstein"]


def rate_gap(selected, number, weight=None):
    """Largest difference between the groups' shares of selected rows; 0 for fewer than two groups.

    Groups without mass are left out.
    """
    if len(number) == 0:
        return 0.0
    mass = np.bincount(number, weight)
    chosen = np.bincount(number, selected if weight is None else weight * selected)
    rates = chosen[mass > 0] / mass[mass > 0]
    return float(np.ptp(rates)) if len(rates) else 0.0


mean_gap = rate_gap  # the mean of anything is a share of it


def wasserstein(scores, number, weight=None, cost="range"):
    """Multi-marginal cost between the groups' distributions of scores."""
    if weight is not None:
        number, scores, weight = number[weight > 0], scores[weight > 0], weight[weight > 0]
    if len(number) == 0 or number.min() == number.max():
        return 0.0
    return otopt.mmot_samples(scores, number, cost=cost, sample_weight=weight).value


def ks(scores, number, weight=None):
    """Largest difference between the groups' shares above any threshold (Kolmogorov, Smirnov)."""
    if len(number) == 0:
        return 0.0
    weight = np.ones(len(scores)) if weight is None else weight
    order = np.argsort(scores, kind="stable")
    x, g, w = scores[order], number[order], weight[order]
    last = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)  # CDFs between distinct scores
    low, high = np.full(len(last), np.inf), np.full(len(last), -np.inf)
    for k in np.unique(g):
        mass = np.where(g == k, w, 0.0)
        if mass.sum() > 0:
            cdf = np.cumsum(mass)[last] / mass.sum()
            low, high = np.minimum(low, cdf), np.maximum(high, cdf)
    return float(max((high - low).max(), 0.0)) if np.isfinite(low).all() else 0.0
