"""Passes over a cost or over a stored Gibbs kernel: every entry is read once.

Sums run over lanes that stay in vector registers, without reordering by the compiler. Rows are cut
into a number of parts that depends on the shape only: threads take parts, and the sums of the parts
are added in order, so results do not depend on the number of threads.
"""

import math

import numpy as np
from numba import njit

from ._numba_exp import exp32, exp64, fma
from ._numba_threads import in_threads

LANES = 32
LANES_32 = 64
PARTS = 8
NEGLIGIBLE = 1e-25  # of the largest entry of its row: stored as zero, denormals are slow


@njit(cache=True)
def _part(w, parts, q):
    """First and last row of a part; all but the last hold a multiple of four rows."""
    size = ((q + parts - 1) // parts + 3) // 4 * 4
    return min(w * size, q), min((w + 1) * size, q)


@njit(cache=True)
def point_cost(x, Yt, metric, c):
    """Row of the cost of x (d,) to the columns of Yt (d, p): 1 squared distance, 2 distance."""
    c[:] = 0.0
    for k in range(x.shape[0]):
        xk = x[k]
        y = Yt[k]
        for i in range(c.shape[0]):
            t = xk - y[i]
            c[i] = fma(t, t, c[i])
    if metric == 2:
        for i in range(c.shape[0]):
            c[i] = math.sqrt(c[i])


@njit(cache=True)
def _largest(z):
    p = z.shape[0]
    whole = p // 8 * 8
    m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = -np.inf
    for i in range(0, whole, 8):
        m0 = z[i] if z[i] > m0 else m0
        m1 = z[i + 1] if z[i + 1] > m1 else m1
        m2 = z[i + 2] if z[i + 2] > m2 else m2
        m3 = z[i + 3] if z[i + 3] > m3 else m3
        m4 = z[i + 4] if z[i + 4] > m4 else m4
        m5 = z[i + 5] if z[i + 5] > m5 else m5
        m6 = z[i + 6] if z[i + 6] > m6 else m6
        m7 = z[i + 7] if z[i + 7] > m7 else m7
    largest = max(m0, m1, m2, m3, m4, m5, m6, m7)
    for i in range(whole, p):
        largest = max(largest, z[i])
    return largest


@njit(cache=True)
def _exponentials(phi, c, inverse, z):
    """``z = exp(phi - c * inverse - largest)``; the largest exponent."""
    for i in range(z.shape[0]):
        z[i] = fma(-inverse, c[i], phi[i])
    largest = _largest(z)
    for i in range(z.shape[0]):
        z[i] = exp64(z[i] - largest)
    return largest


@njit(cache=True)
def _dot(x, y, scratch):
    """``x @ y``: four quarters are folded into one, and that into lanes."""
    p = x.shape[0]
    h = p // 4
    for i in range(h):
        t = fma(x[i + h], y[i + h], x[i] * y[i])
        t = fma(x[i + 2 * h], y[i + 2 * h], t)
        scratch[i] = fma(x[i + 3 * h], y[i + 3 * h], t)
    total = 0.0
    while h >= 2 * LANES:
        half = h // 2
        for i in range(half):
            scratch[i] += scratch[i + half]
        if h % 2:
            total += scratch[h - 1]
        h = half
    for i in range(h):
        total += scratch[i]
    for i in range(p // 4 * 4, p):
        total += x[i] * y[i]
    return total


@njit(cache=True)
def _store(z, row):
    for i in range(z.shape[0]):
        row[i] = z[i] if z[i] > NEGLIGIBLE else 0.0


@njit(cache=True)
def _add_multiple(v, z, total):
    for i in range(z.shape[0]):
        total[i] = fma(v, z[i], total[i])


@njit(cache=True)
def _gibbs_rows(lo, hi, phi, C, X, Yt, metric, inverse, mass, weight, power, E, psi, top, linear,
                total):  # fmt: skip
    p = phi.shape[0]
    z = np.empty(p)
    scratch = np.empty(p)
    c = np.empty(p if metric > 0 else 0)
    measure = linear.shape[0] > 0
    for j in range(lo, hi):
        if metric > 0:
            point_cost(X[j], Yt, metric, c)
            largest = _exponentials(phi, c, inverse, z)
        else:
            largest = _exponentials(phi, C[j], inverse, z)
        s = _dot(z, weight, scratch)
        psi[j] = -power * (largest + math.log(s))
        v = mass[j] / s if power == 1.0 else mass[j] * math.exp(psi[j] + largest)
        top[j] = largest
        if E.shape[0] > 0:
            _store(z, E[j])
        _add_multiple(v, z, total)
        if measure:
            for i in range(p):
                z[i] *= weight[i]
            linear[j] = v * (_dot(z, c, scratch) if metric > 0 else _dot(z, C[j], scratch))


@njit(cache=True, nogil=True)
def _gibbs_parts(first, last, parts, phi, C, X, Yt, metric, inverse, mass, weight, power, E, psi,
                 top, linear, totals):  # fmt: skip
    for w in range(first, last):
        lo, hi = _part(w, parts, mass.shape[0])
        _gibbs_rows(lo, hi, phi, C, X, Yt, metric, inverse, mass, weight, power, E, psi, top,
                    linear, totals[w])  # fmt: skip


def _count_parts(q):
    return min(PARTS, -(-q // 32))


NO_POINTS = np.empty((0, 0)), np.empty((0, 0)), 0


def gibbs_pass(phi, C, points, reg, mass, weight, power, E, measure, workers=1):
    q, p = len(mass), len(phi)
    parts = _count_parts(q)
    psi, top, totals = np.empty(q), np.empty(q), np.zeros((parts, p))
    linear = np.empty(q if measure else 0)
    X, Yt, metric = NO_POINTS if points is None else points
    C = X if C is None else C
    E = np.empty((0, p), np.float32) if E is None else E
    args = (parts, phi, C, X, Yt, metric, 1.0 / reg, mass, weight, power, E, psi, top, linear,
            totals)  # fmt: skip
    in_threads(workers, _gibbs_parts, *args)
    return psi, top, weight * totals.sum(axis=0), float(linear.sum())


@njit(cache=True)
def _four_dots(e0, e1, e2, e3, u, lanes, s):
    p = u.shape[0]
    whole = p // LANES_32 * LANES_32
    lanes[:] = 0.0
    a0, a1, a2, a3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for i0 in range(0, whole, LANES_32):
        for l in range(LANES_32):
            x = u[i0 + l]
            a0[l] = fma(e0[i0 + l], x, a0[l])
            a1[l] = fma(e1[i0 + l], x, a1[l])
            a2[l] = fma(e2[i0 + l], x, a2[l])
            a3[l] = fma(e3[i0 + l], x, a3[l])
    s[:] = 0.0
    for l in range(LANES_32):
        for r in range(4):
            s[r] += lanes[r, l]
    for i in range(whole, p):
        s[0] += e0[i] * u[i]
        s[1] += e1[i] * u[i]
        s[2] += e2[i] * u[i]
        s[3] += e3[i] * u[i]


@njit(cache=True)
def _four_axpys(v0, v1, v2, v3, e0, e1, e2, e3, total):
    """``total += v0 e0 + v1 e1 + v2 e2 + v3 e3`` in the type of total."""
    zero = total[0] * 0
    v0, v1, v2, v3 = fma(v0, 1.0, zero), fma(v1, 1.0, zero), fma(v2, 1.0, zero), fma(v3, 1.0, zero)
    for i in range(total.shape[0]):
        t = fma(v0, e0[i], total[i])
        t = fma(v1, e1[i], t)
        t = fma(v2, e2[i], t)
        total[i] = fma(v3, e3[i], t)


@njit(cache=True, error_model="numpy")  # potentials out of range: infinite, not an error
def _coefficient(coef, s, exponent):
    if exponent == -1.0:
        return coef / s
    if exponent == 1.0:
        return coef * s
    return coef * s**exponent


@njit(cache=True)
def _scale_rows(lo, hi, u, E, coef, exponent, s, total):
    lanes = np.empty((4, LANES_32), total.dtype)
    last = lo + (hi - lo) // 4 * 4
    for j in range(lo, last, 4):
        _four_dots(E[j], E[j + 1], E[j + 2], E[j + 3], u, lanes, s[j : j + 4])
        _four_axpys(
            _coefficient(coef[j], s[j], exponent),
            _coefficient(coef[j + 1], s[j + 1], exponent),
            _coefficient(coef[j + 2], s[j + 2], exponent),
            _coefficient(coef[j + 3], s[j + 3], exponent),
            E[j], E[j + 1], E[j + 2], E[j + 3], total,
        )  # fmt: skip
    for j in range(last, hi):
        s[j] = 0.0
        for i in range(u.shape[0]):
            s[j] += E[j, i] * u[i]
        v = _coefficient(coef[j], s[j], exponent)
        for i in range(u.shape[0]):
            total[i] += v * E[j, i]


@njit(cache=True, nogil=True)
def _scale_parts(first, last, parts, u, E, coef, exponent, s, totals):
    for w in range(first, last):
        lo, hi = _part(w, parts, s.shape[0])
        _scale_rows(lo, hi, u, E, coef, exponent, s, totals[w])


def scale_pass(u, E, coef, exponent, workers=1):
    q, p = E.shape
    parts = _count_parts(q)
    s, totals = np.empty(q), np.zeros((parts, p), u.dtype)
    args = parts, u, E, coef, exponent, s, totals
    in_threads(workers, _scale_parts, *args)
    return s, totals.sum(axis=0, dtype=np.float64)


@njit(cache=True)
def _points_rows(lo, hi, u, phi, top, X, Yt, metric, inverse, coef, exponent, s, total):
    p = phi.shape[0]
    c = np.empty(p)
    rows = np.empty((4, p), np.float32)
    lanes = np.empty((4, LANES_32), total.dtype)
    for j0 in range(lo, hi, 4):
        count = min(4, hi - j0)
        for r in range(4):
            if r >= count:
                rows[r] = 0.0
                continue
            point_cost(X[j0 + r], Yt, metric, c)
            row = rows[r]
            shift = top[j0 + r]
            for i in range(p):
                row[i] = exp32(np.float32(fma(-inverse, c[i], phi[i]) - shift))
        four = np.ones(4)
        _four_dots(rows[0], rows[1], rows[2], rows[3], u, lanes, four)
        v = np.zeros(4)
        for r in range(count):
            s[j0 + r] = four[r]
            v[r] = _coefficient(coef[j0 + r], four[r], exponent)
        _four_axpys(v[0], v[1], v[2], v[3], rows[0], rows[1], rows[2], rows[3], total)


@njit(cache=True, nogil=True)
def _points_parts(
    first, last, parts, u, phi, top, X, Yt, metric, inverse, coef, exponent, s, totals
):
    for w in range(first, last):
        lo, hi = _part(w, parts, s.shape[0])
        _points_rows(lo, hi, u, phi, top, X, Yt, metric, inverse, coef, exponent, s, totals[w])


def scale_pass_points(u, phi, top, points, reg, coef, exponent, workers=1):
    X, Yt, metric = points
    q, p = len(X), len(phi)
    parts = _count_parts(q)
    s, totals = np.empty(q), np.zeros((parts, p), u.dtype)
    args = (parts, u, phi, top, X, Yt, metric, 1.0 / reg, coef, exponent, s,
            totals)  # fmt: skip
    in_threads(workers, _points_parts, *args)
    return s, totals.sum(axis=0, dtype=np.float64)
