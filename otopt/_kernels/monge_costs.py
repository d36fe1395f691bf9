"""The named Monge costs of d places on a line, for NumPy arrays and torch tensors alike.

RANGE, PAIRWISE_L1 and MEDIAN are Lovász extensions of a cut function g(S): the same formula gives
the cost of a tuple of places and the integrand at d CDF values. VARIANCE and HUBER are sums of
convex functions of differences.
"""

import numpy as np

RANGE, PAIRWISE_L1, MEDIAN, VARIANCE, HUBER = range(5)


def lovasz_extension(kind, V, w):
    """Value (...,) and a subgradient (..., d) at V (..., d), with weights w (d,).

    Edmonds' greedy algorithm: on ascending v_r with cumulative weights W_r it is
    ``sum_r (g(W_(r-1)) - g(W_r)) v_r``. g vanishes on nothing and on everything, so that only
    differences count.
    """
    if isinstance(V, np.ndarray):
        order, take = np.argsort(V, axis=-1, kind="stable"), np.take_along_axis
    else:
        order, take = V.argsort(dim=-1, stable=True), lambda x, i, axis: x.gather(axis, i)
    below = w[order].cumsum(-1)[..., :-1]
    above = w.sum() - below
    if kind == RANGE:
        g = below * 0 + 1
    elif kind == PAIRWISE_L1:
        g = below * above
    else:
        g = (below + above - abs(below - above)) / 2
    drop = (w * 0)[order]
    drop[..., 1:] += g
    drop[..., :-1] -= g
    slope = take(drop, order.argsort(-1), -1)
    return (slope * V).sum(-1), slope


def monge_cost(kind, X, w, delta):
    """Cost (...,) of tuples of places X (..., d)."""
    if kind < VARIANCE:
        return lovasz_extension(kind, X, w)[0]
    if kind == VARIANCE:
        return (w * _from_mean(X, w) ** 2).sum(-1)
    total = 0.0
    for k in range(X.shape[-1]):
        t = X[..., k, None] - X[..., k + 1 :]
        m = t.clip(-delta, delta)
        total = total + w[k] * (w[k + 1 :] * m * (t - m / 2)).sum(-1)
    return total


def monge_slope(kind, X, w, delta):
    """Gradient (..., d) of `monge_cost`; a subgradient where there is none."""
    if kind < VARIANCE:
        return lovasz_extension(kind, X, w)[1]
    if kind == VARIANCE:
        return 2 * w * _from_mean(X, w)
    slope = X * 0
    for k in range(X.shape[-1]):
        slope[..., k] = w[k] * (w * (X[..., k, None] - X).clip(-delta, delta)).sum(-1)
    return slope


def _from_mean(X, w):
    return X - ((X * w).sum(-1) / w.sum())[..., None]
