"""Exact optimum of tiny cardinality-constrained problems, by enumerating all supports."""

from itertools import combinations, product

import numpy as np


def brute_force(a, b, C, k, reg):
    """Least value over all plans with at most k (one, or one a column) nonzeros a column, or inf.

    On its own support the optimum is the minimiser of an equality-constrained, strictly convex
    quadratic, t = (alpha_i + beta_j - c_ij) / reg: one linear system a support. Those whose
    solution meets the marginals without a negative entry are the candidates.
    """
    n, m = C.shape
    scale = a.sum()
    k = np.minimum(np.broadcast_to(k, m), n)
    columns = [s for size in range(1, k.max() + 1) for s in combinations(range(n), size)]
    sizes = np.array([len(s) for s in columns])
    choices = np.array(list(product(*(np.flatnonzero(sizes <= most) for most in k))))
    indicator = np.zeros((len(columns), n), bool)
    for c, rows in enumerate(columns):
        indicator[c, list(rows)] = True
    supports = indicator[choices]  # (count, m, n)
    supports = supports[supports.any(axis=1).all(axis=1)]  # every row needs an entry
    if len(supports) == 0:
        return np.inf
    rows, cols = np.meshgrid(np.arange(n), n + np.arange(m))
    incidence = np.zeros((n + m, m * n))
    entry = np.arange(m * n)
    incidence[rows.ravel(), entry] = 1.0
    incidence[cols.ravel(), entry] = 1.0
    active = supports.reshape(len(supports), m * n).astype(float)
    cost = C.T.ravel()
    need = np.concatenate([a, b]) / scale
    g = reg * scale
    gram = np.einsum("ve,se,we->svw", incidence, active, incidence, optimize=True)
    rhs = g * need + (active * cost) @ incidence.T
    potentials = np.einsum("svw,sw->sv", np.linalg.pinv(gram, rcond=1e-10, hermitian=True), rhs)
    t = active * (potentials @ incidence - cost) / g
    miss = np.abs(t @ incidence.T - need).sum(axis=1)
    feasible = (miss <= 1e-9) & (t.min(axis=1) >= -1e-10)
    if not feasible.any():
        return np.inf
    t = np.maximum(t[feasible], 0.0)
    return float(scale * (t @ cost + 0.5 * g * (t**2).sum(axis=1)).min())
