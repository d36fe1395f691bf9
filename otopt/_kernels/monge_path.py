"""The greedy (north-west) sweep of d histograms, which is optimal for every Monge cost."""

import numpy as np

__all__ = ["north_west", "path_sweep"]

CHUNK = 1 << 20  # numbers in a block of tuples


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
    rise, dual, grad = np.zeros(N), np.empty(N), np.zeros(N)
    at = start[:-1].copy()
    first = before = float(cost(x[at[None]])[0])
    value = (level[1] - level[0]) * first
    if slope is not None:
        grad[at] += (level[1] - level[0]) * slope(x[at[None]])[0]
    rows = max(1, CHUNK // d)
    for lo in range(0, len(step), rows):
        chunk = step[lo : lo + rows]
        where = at + np.cumsum(chunk[:, None] == np.arange(d), axis=0)
        c = np.asarray(cost(x[where]), dtype=float)
        share = np.diff(level[lo + 1 : lo + 2 + len(chunk)])
        value += share @ c
        rise[where[np.arange(len(chunk)), chunk]] = np.diff(c, prepend=before)
        if slope is not None:
            np.add.at(grad, where, share[:, None] * slope(x[where]))
        at, before = where[-1], c[-1]
    for k in range(d):
        dual[start[k] : start[k + 1]] = first / d + np.cumsum(rise[start[k] : start[k + 1]])
    return value, dual, None if slope is None else grad
