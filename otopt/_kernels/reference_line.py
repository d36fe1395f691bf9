"""Multi-marginal transport on a line in NumPy: the definitions, array by array."""

import numpy as np

from .monge_costs import RANGE, lovasz_extension, monge_cost, monge_slope
from .monge_path import path_sweep

__all__ = ["lovasz_grid", "lovasz_pooled", "range_grid", "sweep"]


def lovasz_grid(kind, A, gaps, w):
    cdf = np.cumsum(A, axis=-2)[..., :-1, :]
    h, slope = lovasz_extension(kind, cdf, w)
    gaps = np.ones(cdf.shape[-2]) if gaps is None else gaps
    dual = np.zeros(A.shape)
    dual[..., 1:, :] = -np.cumsum(slope * gaps[:, None], axis=-2)
    return (h * gaps).sum(axis=-1), dual


def range_grid(A, gaps, dual):
    if A.size == 0:
        return np.nan
    sums = A.sum(axis=0)
    if not (A.min() >= 0 and 0 < sums[0] < np.inf and np.ptp(sums) <= 1e-11 * sums[0]):
        return np.nan
    value, dual[:] = lovasz_grid(RANGE, A, gaps, np.ones(A.shape[1]))
    return float(value)


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


def sweep(kind, x, start, cdf, w, delta, mass):
    return path_sweep(
        lambda X: monge_cost(kind, X, w, delta),
        lambda X: monge_slope(kind, X, w, delta),
        x, start, cdf, mass,
    )  # fmt: skip
