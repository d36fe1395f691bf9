"""Multi-marginal transport on a line in NumPy: definitions, and the sweep for any Monge cost."""

import numpy as np

from .monge_costs import lovasz_extension, monge_cost, monge_slope

__all__ = ["lovasz_grid", "lovasz_pooled", "north_west", "path_sweep", "sweep"]

CHUNK = 1 << 20  # numbers in a block of tuples


def lovasz_grid(kind, A, gaps, w):
    cdf = np.cumsum(A, axis=-2)[..., :-1, :]
    h, slope = lovasz_extension(kind, cdf, w)
    gaps = np.ones(cdf.shape[-2]) if gaps is None else gaps
    dual = np.zeros(A.shape)
    dual[..., 1:, :] = -np.cumsum(slope * gaps[:, None], axis=-2)
    return (h * gaps).sum(axis=-1), dual


def _pooled_gradient(kind, x, order, group, mass, w):
    """Gradient of the linear piece on which the samples stand in this order."""
    jumps = np.zeros((len(x), len(w)))
    jumps[np.arange(len(x)), group[order]] = mass[order]
    h, slope = lovasz_extension(kind, np.cumsum(jumps, axis=0), w)
    h[-1] = 0.0
    grad = np.empty(len(x))
    grad[order] = -np.diff(h, prepend=0.0)
    return h, slope, grad


def lovasz_pooled(kind, x, group, mass, unit, w, want_dual=False):
    mass = unit[group] if mass is None else mass
    order = np.lexsort((group, x))
    h, slope, grad = _pooled_gradient(kind, x, order, group, mass, w)
    _, _, other = _pooled_gradient(kind, x, np.lexsort((-group, x)), group, mass, w)
    grad = 0.5 * (grad + other)
    # Samples of one marginal at one place share what it has there, by mass.
    _, place = np.unique(x, return_inverse=True)
    _, block = np.unique(place * len(w) + group, return_inverse=True)
    together, moved = np.bincount(block, grad), np.bincount(block, mass)
    share = np.divide(mass, moved[block], out=np.zeros(len(x)), where=moved[block] > 0)
    grad = together[block] * share
    gaps = np.diff(x[order])
    dual = None
    if want_dual:
        prices = np.zeros((len(x), len(w)))
        prices[1:] = -np.cumsum(slope[:-1] * gaps[:, None], axis=0)
        dual = np.empty(len(x))
        dual[order] = prices[np.arange(len(x)), group[order]]
    return (h[:-1] * gaps).sum(), grad, dual


def north_west(start, cdf, mass):
    """The path of the greedy sweep: (step (T-1,), level (T+1,)), T = sum(n_k) - d + 1.

    Marginal step[t] moves to its next bin after the t-th tuple, and that tuple carries level[t+1]
    - level[t]: mass is taken from the heads of all marginals until one is empty, which is where
    the next of all CDF values lies.
    """
    d = len(start) - 1
    group = np.repeat(np.arange(d), np.diff(start))
    inner = np.ones(len(cdf), bool)
    inner[start[1:] - 1] = False
    levels, group = np.minimum(cdf[inner], mass), group[inner]
    order = np.argsort(levels, kind="stable")
    return group[order], np.concatenate([[0.0], levels[order], [mass]])


def path_sweep(cost, slope, x, start, cdf, mass):
    """Sweep with any cost of tuples (.., d) -> (..); `slope` is its gradient, or None."""
    step, level = north_west(start, cdf, mass)
    d, N = len(start) - 1, len(x)
    rise, dual = np.zeros(N), np.empty(N)
    grad = None if slope is None else np.zeros(N)
    at, value, before = start[:-1].copy(), 0.0, None
    rows = max(1, CHUNK // d)
    for lo in range(0, len(step) + 1, rows):
        chunk = step[max(lo - 1, 0) : lo + rows - 1]
        jumps = chunk[:, None] == np.arange(d)
        where = at + np.cumsum(jumps, axis=0)
        if lo == 0:
            where = np.concatenate([at[None], where])
        at = where[-1]
        c = np.asarray(cost(x[where]), dtype=float)
        share = np.diff(level[lo : lo + len(c) + 1])
        value += share @ c
        if lo == 0:
            begin, arrived = c[0], where[1:]
        else:
            c, arrived = np.concatenate([[before], c]), where
        rise[arrived[np.arange(len(chunk)), chunk]] = np.diff(c)
        before = c[-1]
        if grad is not None:
            np.add.at(grad, where, share[:, None] * slope(x[where]))
    for k in range(d):
        dual[start[k] : start[k + 1]] = begin / d + np.cumsum(rise[start[k] : start[k + 1]])
    return value, dual, grad


def sweep(kind, x, start, cdf, w, delta, mass):
    return path_sweep(
        lambda X: monge_cost(kind, X, w, delta),
        lambda X: monge_slope(kind, X, w, delta),
        x, start, cdf, mass,
    )  # fmt: skip
