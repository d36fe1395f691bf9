"""From checked histograms to value and dual, with the kernels of the cost."""

from __future__ import annotations

from typing import Any

import numpy as np

from otopt._backend import kernels
from otopt._kernels.monge_path import path_sweep

__all__ = ["solve"]


def solve(marginals, rule) -> tuple[Any, Any]:
    """Value and dual in the order and shape of the input."""
    if marginals.stacked is not None and rule.is_cut:
        gaps = np.diff(marginals.supports[0])
        value, dual = kernels("line").lovasz_grid(rule.kind, marginals.stacked, gaps, rule.weights)
    else:
        solved = [_solve_flat(marginals, rule, *one) for one in marginals.problems()]
        value = np.array([v for v, _ in solved])
        if marginals.masses is not None:
            return float(value[0]), _split(marginals, solved[0][1])
        dual = np.stack([z.reshape(marginals.d, -1).T for _, z in solved])
    if marginals.orders[0] is not None:
        sorted_dual, dual = dual, np.empty_like(dual)
        dual[:, marginals.orders[0]] = sorted_dual
    dual = dual.reshape(*marginals.shape, *dual.shape[1:])
    return (value.reshape(marginals.shape) if marginals.shape else float(value[0])), dual


def _solve_flat(marginals, rule, masses, cdf, mass):
    x, start = np.concatenate(marginals.supports), marginals.start
    if rule.is_cut:
        group = np.repeat(np.arange(marginals.d), np.diff(start))
        value, _, dual = kernels("line").lovasz_pooled(
            rule.kind, x, group, masses, np.ones(marginals.d), rule.weights, True
        )
    elif rule.function is None:
        value, dual, _ = kernels("line").sweep(
            rule.kind, x, start, cdf, rule.weights, rule.delta, mass
        )
    else:
        value, dual, _ = path_sweep(rule, None, x, start, cdf, mass)
    return rule.scale * value, rule.scale * dual


def _split(marginals, dual):
    parts = []
    for z, order in zip(np.split(dual, marginals.start[1:-1]), marginals.orders, strict=True):
        part = np.empty_like(z)
        part[slice(None) if order is None else order] = z
        parts.append(part)
    return parts
