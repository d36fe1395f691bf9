"""A whole Newton ascent of the proximal dual: for small problems calls cost more than steps.

The same steps as `otopt._solvers.semismooth_newton` around `otopt._oracles.ProximalDual`, whose
comments hold the reasons; the Newton system is always solved densely.
"""

import numpy as np
from numba import njit

from ._numba_cholesky import cholesky_solve
from ._numba_folded import evaluate, fold, pack, unfold
from ._numba_newton import (
    assemble_upper,
    connected_rows,
    curvature_coefficients,
    list_entry_level,
    pack_support,
    row_entry_level,
)
from ._numba_schur import column_system, row_step
from .line_search import is_far_enough, narrow

BACKTRACKS = 14
_is_far_enough = njit(cache=True, nogil=True)(is_far_enough)
_narrow = njit(cache=True, nogil=True)(narrow)


@njit(cache=True)
def first_gradient(alpha, a, b, Ct, k, reg, mu, lists, columns):
    """Gradient a - T 1 (n,), with `lists` and `columns` brought to alpha."""
    state = fold(Ct, mu, lists, columns)
    gradient = evaluate(alpha, a, b, Ct, k, reg, mu, state, lists, columns)
    unfold(Ct, state, lists, columns)
    return gradient


@njit(cache=True)
def _newton_solve(support, columns, k, reg, mu, g):
    start, rows, _, _, kind = support
    heads, ties = columns.heads, columns.ties
    n = g.shape[0]
    A = 1.0 / (reg + mu)
    M = 1.0 / mu if mu > 0.0 else 0.0
    shift = max(1e-9 * A, 1e-13 * M)
    unknowns = 0
    for j in range(heads.shape[0]):
        unknowns += (heads[j] > 0) + (ties[j] > 0)
    for _ in range(4):
        if unknowns <= n // 2:
            S, r, diagonal = column_system(start, rows, kind, heads, ties, k, reg, A, M, shift, g)
            u, solved = cholesky_solve(S, r)
            d = row_step(start, rows, kind, heads, ties, A, M, diagonal, g, u)
        else:
            coefficients = curvature_coefficients(heads, ties, k, reg, mu)
            H = assemble_upper(start, rows, kind, coefficients, A, M, shift, n)
            d, solved = cholesky_solve(H, g)
        if solved:
            return d
        shift *= 1e3
    return g / A


@njit(cache=True)
def _component_shift(alpha, gradient, label, size, imbalance, support, Ct, b, reg, mu, lists,
                     columns):  # fmt: skip
    n = alpha.shape[0]
    shift = np.zeros(n)
    if (size > 0).sum() == 1:
        return shift
    reach = (reg + mu) * b.mean()
    slack = np.full(n, np.inf)
    if np.abs(imbalance).max() > 1e-3 * np.abs(gradient).max():
        start, rows, _, _, _ = support
        own = label[rows[start[:-1]]]
        if Ct.shape[0] == 0:
            level = list_entry_level(lists, columns.threshold, label, own)
        else:
            level = row_entry_level(Ct, columns.threshold, label, own)
        for i in range(n):
            slack[label[i]] = min(slack[label[i]], level[i] - alpha[i])
    for i in range(n):
        if size[i] > 0:
            newton = imbalance[i] / size[i] * (reg + mu)
            shift[i] = min(max(newton, -reach), reach)
            if imbalance[i] > 0.0 and slack[i] < np.inf:
                shift[i] = max(slack[i], 0.0) + min(newton, reach)
    return shift


@njit(cache=True)
def _direction(alpha, gradient, support, b, Ct, k, reg, mu, lists, columns):
    n = alpha.shape[0]
    label = connected_rows(support[0], support[1], n)
    size = np.zeros(n)
    imbalance = np.zeros(n)
    for i in range(n):
        size[label[i]] += 1.0
        imbalance[label[i]] += gradient[i]
    centred = np.empty(n)
    for i in range(n):
        centred[i] = gradient[i] - imbalance[label[i]] / size[label[i]]
    d = _newton_solve(support, columns, k, reg, mu, centred)
    mean = np.zeros(n)
    for i in range(n):
        mean[label[i]] += d[i]
    shift = _component_shift(
        alpha, gradient, label, size, imbalance, support, Ct, b, reg, mu, lists, columns
    )
    for i in range(n):
        d[i] += shift[label[i]] - mean[label[i]] / size[label[i]]
    if not np.dot(gradient, d) > 0.0:
        return gradient * (reg + mu)
    return d


@njit(cache=True, nogil=True)
def ascend(x, reference, a, b, Ct, k, reg, mu, lists, columns, tol, maxiter):
    state = fold(Ct, mu, lists, columns)
    g = evaluate(x, a, b, Ct, k, reg, mu, state, lists, columns)
    nit, nfev = 0, 1
    while nit < maxiter and np.abs(g).sum() > tol:
        support = pack(Ct, state, lists, columns)
        d = _direction(x, g, support, b, Ct, k, reg, mu, lists, columns)
        slope = np.dot(g, d)
        lo, slope_lo, hi, slope_hi = 0.0, slope, np.inf, 0.0
        step, trial = 1.0, x
        for _ in range(BACKTRACKS):
            trial = x + step * d
            g = evaluate(trial, a, b, Ct, k, reg, mu, state, lists, columns)
            nfev += 1
            now = np.dot(g, d)
            if _is_far_enough(now, slope, step):
                break
            lo, slope_lo, hi, slope_hi, step = _narrow(lo, slope_lo, hi, slope_hi, step, now)
        x = trial
        nit += 1
    unfold(Ct, state, lists, columns)
    reference[:] = x
    return x, g, pack_support(lists, columns), nit, nfev
