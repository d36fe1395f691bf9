"""A small problem in one call: relaxed, rounded, measured and certified."""

import numpy as np
from numba import njit

from ._numba_newton import pack_support
from ._numba_pool import empty_lists
from ._numba_relax import exact_bound, relax_small, relaxed_value
from ._numba_round import round_small
from .layout import BOUND_ERROR


@njit(cache=True)
def _certified(alpha, a, b, Ct, k, reg):
    """`ProximalDual.certificate`: the bound, beta (m,) and conjugates (m,) of the columns."""
    m, most = b.shape[0], k.max()
    value, beta = np.empty(m), np.empty(m)
    rows, mass = np.empty((m, most), np.int32), np.empty((m, most))
    bound = exact_bound(alpha, a, b, Ct, k, reg, value, beta, rows, mass)
    magnitude = np.abs(alpha).max() * a.sum() + np.abs(value).sum()
    return bound - BOUND_ERROR * magnitude, beta, value


@njit(cache=True)
def _sorted_columns(start, rows, mass):
    """The entries of every column by increasing row, in place."""
    for j in range(start.shape[0] - 1):
        for q in range(start[j] + 1, start[j + 1]):
            row, t = rows[q], mass[q]
            r = q - 1
            while r >= start[j] and rows[r] > row:
                rows[r + 1], mass[r + 1] = rows[r], mass[r]
                r -= 1
            rows[r + 1], mass[r + 1] = row, t


@njit(cache=True)
def _carried(rows, mass):
    """The entries with mass, as columns: start (m + 1,), rows, mass."""
    m, width = rows.shape
    start = np.zeros(m + 1, np.int64)
    for j in range(m):
        start[j + 1] = start[j] + np.count_nonzero(mass[j] > 0.0)
    carried, t = np.empty(start[m], np.int64), np.empty(start[m])
    z = 0
    for j in range(m):
        for q in range(width):
            if mass[j, q] > 0.0:
                carried[z], t[z] = rows[j, q], mass[j, q]
                z += 1
    _sorted_columns(start, carried, t)
    return start, carried, t


@njit(cache=True)
def _measured(start, rows, mass, a, b, Ct):
    """<T, C>, ||T||^2 and the L1 marginal error."""
    linear = square = error = 0.0
    row_need = a.copy()
    for j in range(b.shape[0]):
        need = b[j]
        for q in range(start[j], start[j + 1]):
            linear += Ct[j, rows[q]] * mass[q]
            square += mass[q] * mass[q]
            need -= mass[q]
            row_need[rows[q]] -= mass[q]
        error += abs(need)
    return linear, square, error + np.abs(row_need).sum()


@njit(cache=True)
def _slots(start, rows, mass, row_of, column_of, m, width):
    """Rows and masses (m, width), unused slots last (-1); width 0: as wide as needed."""
    most = width
    if width == 0:
        for j in range(start.shape[0] - 1):
            most = max(most, start[j + 1] - start[j])
    slots, carried = np.full((m, most), -1), np.zeros((m, most))
    for j in range(start.shape[0] - 1):
        for q in range(start[j + 1] - start[j]):
            slots[column_of[j], q] = row_of[rows[start[j] + q]]
            carried[column_of[j], q] = mass[start[j] + q]
    return slots, carried


@njit(cache=True, nogil=True)
def solve_small(
    a, b, C, Ct, k, reg, unit, mass, tol, maxiter, relaxing, rounding, effort, luck, places
):  # fmt: skip
    """See `otopt._kernels`; one call, so that threads do not wait for the interpreter between."""
    n, m = a.shape[0], b.shape[0]
    lists, columns = empty_lists(m, n, np.inf)
    _, alpha, gradient, _, reference, mu, gap, nit, nfev, converged = relax_small(
        a, b, C, Ct, k, reg, unit, mass, tol, maxiter, lists, columns, relaxing
    )
    bound, beta, conjugate = _certified(alpha, a, b, Ct, k, reg)
    multiple, least = effort
    budget = multiple * max(nit, least)
    pool_rows, _, pool_mass, rounded_alpha, value, steps = round_small(
        a, b, Ct, k, reg, unit, mass, (reference, mu, lists, columns),
        (bound, alpha, beta, conjugate), rounding, budget, luck,
    )  # fmt: skip
    found = value < np.inf
    if found:
        other, other_beta, _ = _certified(rounded_alpha, a, b, Ct, k, reg)
        if other > bound:
            bound, alpha, beta = other, rounded_alpha, other_beta
    # Where the plan was sparse already, rounding settled its masses.
    support = pack_support(lists, columns)
    start, rows, _, t, _ = support
    relaxed = relaxed_value(support, columns, k if reg > 0.0 else np.full(m, n), reg)
    _sorted_columns(start, rows, t)
    plan = _carried(pool_rows, pool_mass)
    return (
        (found, converged, nit, nit + steps, nfev, gap), (bound, alpha, beta),
        (start, rows, t), relaxed, np.abs(gradient).sum(), _slots(*plan, *places),
        _measured(*plan, a, b, Ct),
    )  # fmt: skip
