"""The relaxation of a small problem, whole: its start, proximal points, Newton ascents.

The same steps as `otopt.ot._relaxation` around `otopt._solvers.proximal_point`, whose comments
hold the reasons.
"""

import numpy as np
from numba import njit

from ._numba_ascent import ascend, first_gradient
from ._numba_linear_start import linear_start
from ._numba_short import conjugates, potentials
from .layout import NO_GAP
from .numba_cpu import cheapest_in_columns


@njit(cache=True)
def _alternate(a, b, C, Ct, curvature, alternations):
    n = a.shape[0]
    alpha = np.empty(n)
    for i in range(n):
        alpha[i] = C[i].min()
    for _ in range(alternations):
        beta = potentials(alpha, Ct, b, curvature)
        alpha = potentials(beta, C, a, curvature)
    return alpha - alpha.mean()


@njit(cache=True)
def _centre(lists, plan, Ct):
    """Make a plan the proximal centre of the lists, which are empty."""
    rows, columns, mass = plan
    for q in range(rows.shape[0]):
        i, j = rows[q], columns[q]
        slot = lists.count[j]
        lists.rows[j, slot], lists.cost[j, slot], lists.centre[j, slot] = i, Ct[j, i], mass[q]
        lists.count[j] += 1


@njit(cache=True)
def _spreading_curvature(alpha, b, Ct, entries, sample):
    rows = cheapest_in_columns(alpha, Ct[sample], entries)
    reach = np.empty(sample.shape[0])
    x = np.empty(entries)
    for s in range(sample.shape[0]):
        for q in range(entries):
            x[q] = alpha[rows[s, q]] - Ct[sample[s], rows[s, q]]
        reach[s] = (x - x.min()).sum() / b[sample[s]]
    return np.median(reach)


@njit(cache=True)
def relaxed_value(support, columns, k, reg):
    start, _, cost, mass, kind = support
    linear = 0.0
    square = 0.0
    for j in range(start.shape[0] - 1):
        tied = 0.0
        for q in range(start[j], start[j + 1]):
            linear += cost[q] * mass[q]
            if kind[q] == 1:
                square += mass[q] * mass[q]
            else:
                tied += mass[q]
        square += tied * tied / max(k[j] - columns.heads[j], 1)
    return linear + 0.5 * reg * square


@njit(cache=True)
def exact_bound(alpha, a, b, Ct, k, reg, value, beta, rows, mass):
    """The exact semi-dual: to compare iterates by, not the certificate that is returned."""
    conjugates(alpha, Ct, b, k, reg, value, beta, rows, mass)
    total = 0.0
    lost = 0.0
    for sign, terms in ((1.0, a * alpha), (-1.0, value)):
        for term in terms:  # compensated, as `math.fsum` would
            x = sign * term
            new = total + x
            lost += (total - new) + x if abs(total) >= abs(x) else (x - new) + total
            total = new
    return total + lost


@njit(cache=True, nogil=True)
def relax_small(a, b, C, Ct, k, reg, unit, mass, tol, maxiter, lists, columns, settings):
    """Where the relaxation ended; `lists` and `columns` (empty before) hold the plan.

    Returns alpha, best alpha, gradient, support, reference, mu, gap, nit, nfev, converged.
    """
    (starts_linear, window, shrink, newton_limit, alternations, spread, sampled, relative, easy,
     patience, inner_rtol, inner_cap, below_floor) = settings  # fmt: skip
    n, m = a.shape[0], b.shape[0]
    typical = b.mean()
    mu = max(window * unit / typical - reg, relative * reg)
    if starts_linear:
        alpha, plan = linear_start(a, b, C)
        if reg == 0.0 or k.max() == 1:
            _centre(lists, plan, Ct)
    else:
        alpha = _alternate(a, b, C, Ct, reg + mu, alternations)
    entries = min(n, spread + 2 * n // m)
    sample = np.linspace(0, m - 1, min(m, sampled)).astype(np.int64)
    wide = _spreading_curvature(alpha, b, Ct, entries, sample)
    mu = max(min(max(wide, 0.01 * mu), mu) - reg, relative * reg)
    capacity = k if reg > 0.0 else np.full(m, n)
    floor = 1e-6 * unit / typical

    most = k.max()
    scratch = np.empty(m), np.empty(m), np.empty((m, most), np.int32), np.empty((m, most))
    reference = np.zeros(n)
    gradient = first_gradient(alpha, a, b, Ct, capacity, reg, mu, lists, columns)
    best, best_alpha = -np.inf, alpha
    goal_gap = tol if most > 1 else max(0.01 * tol, min(tol, 1e-9))
    nit, nfev = 0, 1
    gap = np.inf
    while True:
        residual = np.abs(gradient).sum()
        goal = max(0.3 * tol * mass, min(inner_rtol * residual, inner_cap * mass))
        alpha, gradient, support, steps, evaluations = ascend(
            alpha, reference, a, b, Ct, capacity, reg, mu, lists, columns,
            goal, min(newton_limit, maxiter - nit),
        )  # fmt: skip
        nit += max(steps, 1)
        nfev += evaluations
        bound = exact_bound(alpha, a, b, Ct, k, reg, *scratch)
        if bound > best:
            best, best_alpha = bound, alpha
        value = relaxed_value(support, columns, capacity, reg) + np.dot(alpha, gradient)
        gap = (value - best) / max(abs(value), 1e-9 * unit * mass)
        size = max(unit * mass, np.dot(np.abs(alpha), a))
        is_tight = gap <= goal_gap or value - best <= NO_GAP * size
        converged = np.abs(gradient).sum() <= tol * mass and is_tight
        if converged or nit >= maxiter:
            lists.margin[:] = 0.2 * (reg + mu) * b
            break
        for j in range(m):
            for q in range(lists.count[j]):
                lists.centre[j, q] = columns.mass[j, q]
            lists.centre[j, lists.count[j] :] = 0.0
        if steps <= easy:
            mu = max(shrink * mu, below_floor * floor)
        elif steps <= patience:
            mu = max(shrink * mu, min(floor, mu))
    return alpha, best_alpha, gradient, support, reference, mu, gap, nit, nfev, converged
