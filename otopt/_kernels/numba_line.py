"""Multi-marginal transport on a line in numba: one pass over CDFs, or one over a merged path."""

import numpy as np
from numba import njit

from .monge_costs import HUBER, PAIRWISE_L1, RANGE

__all__ = ["lovasz_grid", "lovasz_pooled", "range_grid", "sweep"]

ABSENT = np.empty(0)  # where None would be compiled as a case of its own
LARGEST = np.int64(0x7FFFFFFFFFFFFFFF)


@njit(cache=True)
def _range_scan(A, gaps, dual, rtol):
    """Cost max - min for one problem; NaN where A breaks a rule, which the caller then names.

    CDFs are non-negative, and such floats have the order of their bits: maxima over integers are
    what LLVM turns into vector code without licence to reorder floating-point sums.
    """
    n, d = A.shape
    if A.size == 0:
        return np.nan
    cdf, slope = np.zeros(d), np.zeros(d)
    cdf_bits, bits = cdf.view(np.int64), A.view(np.int64)
    value, sign = 0.0, np.int64(0)
    top, low = 0, 0
    for j in range(n - 1):
        row, row_bits, out = A[j], bits[j], dual[j]
        for k in range(d):
            cdf[k] += row[k]
        for k in range(d):
            out[k] = slope[k]
        most, least = np.int64(0), LARGEST
        for k in range(d):
            c = cdf_bits[k]
            most = max(most, c)
            least = min(least, c)
        for k in range(d):
            sign |= row_bits[k]
        if cdf_bits[top] != most:
            top = 0
            while cdf_bits[top] != most and top < d - 1:
                top += 1
        if cdf_bits[low] != least:
            low = 0
            while cdf_bits[low] != least and low < d - 1:
                low += 1
        gap = 1.0 if gaps is None else gaps[j]
        value += gap * (cdf[top] - cdf[low])
        slope[top] -= gap
        slope[low] += gap
    last, last_bits, mass = A[n - 1], bits[n - 1], cdf[0] + A[n - 1, 0]
    equal = 0.0 < mass < np.inf
    for k in range(d):
        dual[n - 1, k] = slope[k]
        sign |= last_bits[k]
        equal &= abs(cdf[k] + last[k] - mass) <= rtol * mass
    return value if equal and sign >= 0 else np.nan


@njit(cache=True)
def range_grid(A, gaps, dual):
    return _range_scan(A, gaps, dual, 1e-11)


@njit(cache=True)
def _cut(kind, below, total):
    """g(S) of a set of marginals of weight `below`, neither empty nor all of them."""
    if kind == RANGE:
        return 1.0
    if kind == PAIRWISE_L1:
        return below * (total - below)
    return max(0.0, min(below, total - below))


@njit(cache=True)
def _settle(F, order):
    """Insertion sort: from one gap to the next the order of the CDFs hardly changes."""
    for a in range(1, order.shape[0]):
        k = order[a]
        b = a - 1
        while b >= 0 and F[order[b]] > F[k]:
            order[b + 1] = order[b]
            b -= 1
        order[b + 1] = k


@njit(cache=True)
def _sorted_gap(kind, F, w, total, order, slope, gap):
    """h(F) by Edmonds' greedy algorithm on the sorted CDFs; `slope` moves by -gap dh/dF."""
    _settle(F, order)
    d = F.shape[0]
    before, below, h = 0.0, 0.0, 0.0
    for r in range(d):
        k = order[r]
        below += w[k]
        after = _cut(kind, below, total) if r < d - 1 else 0.0
        h += (before - after) * F[k]
        slope[k] -= gap * (before - after)
        before = after
    return h


@njit(cache=True)
def _sorted_grid(kind, A, gaps, w, dual):
    n, d = A.shape
    cdf, slope, order = np.zeros(d), np.zeros(d), np.arange(d)
    total, value = w.sum(), 0.0
    for j in range(n - 1):
        for k in range(d):
            cdf[k] += A[j, k]
            dual[j, k] = slope[k]
        gap = 1.0 if gaps is None else gaps[j]
        value += gap * _sorted_gap(kind, cdf, w, total, order, slope, gap)
    dual[n - 1] = slope
    return value


@njit(cache=True)
def lovasz_grid(kind, A, gaps, w):
    dual = np.empty(A.shape)
    value = np.empty(A.shape[0])
    for b in range(A.shape[0]):
        if kind == RANGE:
            value[b] = _range_scan(A[b], gaps, dual[b], np.inf)
        else:
            value[b] = _sorted_grid(kind, A[b], gaps, w, dual[b])
    return value, dual


@njit(cache=True)
def _range_step(F, k, most, least):
    """Maximum and minimum after F[k] has grown; O(1) unless the minimum moved."""
    if F[k] > F[most]:
        most = k
    if k == least:
        for t in range(F.shape[0]):
            if F[t] < F[least]:
                least = t
    return most, least


@njit(cache=True)
def _pooled_range(x, order, group, mass, unit, grad, dual):
    N, d = x.shape[0], unit.shape[0]
    weighted, priced = len(mass) > 0, len(dual) > 0
    F, slope = np.zeros(d), np.zeros(d)
    most = least = 0
    value = before = 0.0
    ties = False
    i = order[0]
    for r in range(N):
        k = group[i]
        F[k] += mass[i] if weighted else unit[k]
        most, least = _range_step(F, k, most, least)
        h = F[most] - F[least]
        if priced:
            dual[i] = slope[k]
        if r == N - 1:
            grad[i] = before
            break
        grad[i] = before - h
        before = h
        following = order[r + 1]
        gap = x[following] - x[i]
        value += gap * h
        ties |= gap == 0.0
        if priced:
            slope[most] -= gap
            slope[least] += gap
        i = following
    return value, ties


@njit(cache=True)
def _pooled_sorted(kind, x, order, group, mass, unit, w, grad, dual):
    N, d = x.shape[0], unit.shape[0]
    weighted, priced = len(mass) > 0, len(dual) > 0
    F, slope, ranks = np.zeros(d), np.zeros(d), np.arange(d)
    total = w.sum()
    value = before = 0.0
    ties = False
    for r in range(N):
        i = order[r]
        k = group[i]
        F[k] += mass[i] if weighted else unit[k]
        if priced:
            dual[i] = slope[k]
        if r == N - 1:
            grad[i] = before
            break
        gap = x[order[r + 1]] - x[i]
        h = _sorted_gap(kind, F, w, total, ranks, slope, gap)
        grad[i] = before - h
        before = h
        value += gap * h
        ties |= gap == 0.0
    return value, ties


@njit(cache=True)
def _resolve_ties(kind, x, order, group, mass, unit, w, grad):
    """Mean of two neighbouring linear pieces, marginals at a place in ascending, descending order.

    Each telescopes to what the place has as a whole, so the gradient still sums to zero.
    """
    N, d = x.shape[0], unit.shape[0]
    weighted = len(mass) > 0
    F, moved, added, share = np.zeros(d), np.zeros(d), np.zeros(d), np.zeros(d)
    ranks, ignored, total = np.arange(d), np.zeros(d), w.sum()
    start = 0
    while start < N:
        stop = start + 1
        while stop < N and x[order[stop]] == x[order[start]]:
            stop += 1
        added[:] = 0.0
        for r in range(start, stop):
            i = order[r]
            added[group[i]] += mass[i] if weighted else unit[group[i]]
        if stop > start + 1:
            share[:] = 0.0
            for direction in range(2):
                moved[:] = F
                h = _sorted_gap(kind, moved, w, total, ranks, ignored, 0.0)
                for step in range(d):
                    k = step if direction == 0 else d - 1 - step
                    if added[k] > 0.0:
                        moved[k] += added[k]
                        after = _sorted_gap(kind, moved, w, total, ranks, ignored, 0.0)
                        share[k] += 0.5 * (h - after)
                        h = after
            for r in range(start, stop):
                i = order[r]
                k = group[i]
                own = mass[i] if weighted else unit[k]
                grad[i] = share[k] * (own / added[k]) if added[k] > 0.0 else 0.0
        for k in range(d):
            F[k] += added[k]
        start = stop


@njit(cache=True)
def _pooled(kind, x, order, group, mass, unit, w, grad, dual):
    if kind == RANGE:
        value, ties = _pooled_range(x, order, group, mass, unit, grad, dual)
    else:
        value, ties = _pooled_sorted(kind, x, order, group, mass, unit, w, grad, dual)
    if ties:
        _resolve_ties(kind, x, order, group, mass, unit, w, grad)
    return value


def lovasz_pooled(kind, x, group, mass, unit, w, want_dual=False):
    grad = np.empty(len(x))
    dual = np.empty(len(x)) if want_dual else ABSENT
    mass = ABSENT if mass is None else mass
    group = np.require(group, requirements=("C", "W"))  # numba would compile anew for other kinds
    # NumPy's sort has vector instructions; numba's has not.
    value = _pooled(kind, x, np.argsort(x), group, mass, unit, w, grad, dual)
    return value, grad, dual if want_dual else None


@njit(cache=True)
def _sweep_variance(x, start, cdf, order, group, w, mass, dual, grad):
    """C = S2 - S1^2 / W with S1 = sum w x, S2 = sum w x^2: O(1) a tuple."""
    d = len(start) - 1
    W, S1, S2 = w.sum(), 0.0, 0.0
    at, began = start[:d].copy(), np.zeros(d)
    entered = np.zeros(d)  # integral of S1 up to where the current bin of a marginal began
    for k in range(d):
        S1 += w[k] * x[start[k]]
        S2 += w[k] * x[start[k]] ** 2
    cost = max(S2 - S1 * S1 / W, 0.0)
    dual[start[:d]] = cost / d
    u = value = integral = 0.0
    for e in order:
        k = group[e]
        i = at[k]
        level = min(max(cdf[i], u), mass)
        value += (level - u) * cost
        integral += (level - u) * S1
        u = level
        grad[i] = 2.0 * w[k] * (x[i] * (u - began[k]) - (integral - entered[k]) / W)
        began[k] = u
        entered[k] = integral
        step = w[k] * (x[i + 1] - x[i])
        rise = step * (x[i + 1] + x[i]) - step * (2.0 * S1 + step) / W
        S1 += step
        cost += rise
        dual[i + 1] = dual[i] + rise
        at[k] = i + 1
    value += (mass - u) * cost
    integral += (mass - u) * S1
    for k in range(d):
        i = at[k]
        grad[i] = 2.0 * w[k] * (x[i] * (mass - began[k]) - (integral - entered[k]) / W)
    return value


@njit(cache=True)
def _clip(t, delta):
    return min(max(t, -delta), delta)


@njit(cache=True)
def _huber(t, delta):
    m = _clip(t, delta)
    return m * (t - 0.5 * m)


@njit(cache=True)
def _sweep_huber(x, start, cdf, order, group, w, delta, mass, dual, grad):
    d = len(start) - 1
    at = start[:d].copy()
    slope = np.zeros(d)  # dc/dx_k
    cost = 0.0
    for k in range(d):
        for l in range(d):
            t = x[at[k]] - x[at[l]]
            cost += 0.5 * w[k] * w[l] * _huber(t, delta)
            slope[k] += w[k] * w[l] * _clip(t, delta)
    dual[start[:d]] = cost / d
    grad[:] = 0.0
    u = value = 0.0
    for e in order:
        k = group[e]
        i = at[k]
        level = min(max(cdf[i], u), mass)
        if level > u:
            value += (level - u) * cost
            for l in range(d):
                grad[at[l]] += (level - u) * slope[l]
            u = level
        rise = 0.0
        for l in range(d):
            if l != k:
                old, new = x[i] - x[at[l]], x[i + 1] - x[at[l]]
                rise += w[l] * (_huber(new, delta) - _huber(old, delta))
                change = w[k] * w[l] * (_clip(new, delta) - _clip(old, delta))
                slope[k] += change
                slope[l] -= change
        cost += w[k] * rise
        dual[i + 1] = dual[i] + w[k] * rise
        at[k] = i + 1
    value += (mass - u) * cost
    for l in range(d):
        grad[at[l]] += (mass - u) * slope[l]
    return value


def sweep(kind, x, start, cdf, w, delta, mass):
    inner = np.ones(len(x), bool)
    inner[start[1:] - 1] = False
    group = np.repeat(np.arange(len(start) - 1), np.diff(start))
    inner = np.flatnonzero(inner)
    order = inner[np.argsort(cdf[inner])]
    dual, grad = np.empty(len(x)), np.empty(len(x))
    middle = 0.5 * (x.min() + x.max())  # squares are added up: the origin must be near
    args = x - middle, start, cdf, order, group, w
    if kind == HUBER:
        value = _sweep_huber(*args, delta, mass, dual, grad)
    else:
        value = _sweep_variance(*args, mass, dual, grad)
    return value, dual, grad
