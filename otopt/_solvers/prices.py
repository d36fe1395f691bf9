"""Price updates: they know a dual that answers for prices, and nothing of rows.

`dual` has ``capacity (m,)``, ``project(q)``, ``curvature(q, reg) -> load, diagonal``, ``evaluate(q,
reg) -> value, load, hessian`` and ``violation(q, load)``, as `otopt._oracles.price_dual`.
"""

from __future__ import annotations

import numpy as np

__all__ = ["diagonal_passes", "newton", "sinkhorn_prices"]

DAMPING = 0.1  # share of capacity / reg that every curvature has at least
STEP = 1.0  # longest step of a price in units of reg


def diagonal_passes(dual, q, reg, passes, tol=None):
    """Safeguarded Newton steps with the diagonal of the curvature.

    Without `tol` exactly so many passes, in which nothing is read on the host. Returns prices, the
    violation before the last step, the number of passes, and the statistics of the last one.
    """
    floor = DAMPING * dual.capacity.clip(min=1e-3 * dual.capacity.mean()) / reg
    floor = floor + 1e-30
    error, done, load, diagonal = None, 0, None, None
    for _ in range(passes):
        load, diagonal = dual.curvature(q, reg)
        error, done = dual.violation(q, load), done + 1
        if tol is not None and float(error) <= tol:
            break
        step = ((load - dual.capacity) / (diagonal + floor)).clip(min=-STEP * reg, max=STEP * reg)
        q = dual.project(q + step)
    return q, error, done, (load, diagonal)


def newton(dual, q, reg, passes, tol):
    """Levenberg-Marquardt on the full curvature (m, m), by projected steps where q >= 0 is asked.

    Returns the best prices, their violation, the number of passes, and None.
    """
    capacity = dual.capacity
    weight = np.maximum(capacity, 1e-3 * capacity.mean()) / reg
    value, load, hessian = dual.evaluate(q, reg)
    error, done, damping = dual.violation(q, load), 1, 1e-3
    best = error, q
    while best[0] > tol and done < passes and damping < 1e8:
        gradient = capacity - load
        matrix = hessian.copy()
        matrix.flat[:: len(q) + 1] += damping * weight
        if dual.equality:
            trial = q - np.linalg.solve(matrix, gradient)
        else:  # prices that stay at 0 take no part
            moving = (q > 0) | (gradient < 0)
            trial = q.copy()
            trial[moving] -= np.linalg.solve(matrix[np.ix_(moving, moving)], gradient[moving])
        trial = dual.project(trial)
        found, load_there, hessian_there = dual.evaluate(trial, reg)
        done += 1
        if found < value + 1e-9 * abs(value):
            q, value, load, hessian = trial, found, load_there, hessian_there
            damping = max(0.3 * damping, 1e-6)
            error = dual.violation(q, load)
            if error < best[0]:
                best = error, q
        else:
            damping *= 8
    return best[1], best[0], done, None


def sinkhorn_prices(dual, shift, reg, iterations):
    """Prices of the entropic problem after a few scaling iterations; a start for the others.

    Rows have mass k here but no cap on single entries, and sums are in single precision.
    """
    xp, capacity = dual.xp, dual.capacity
    shift = shift if dual.equality else 0 * shift
    E = dual.kernels.gibbs_rows(dual.S, shift, reg, dual.weight)
    mass = xp.asarray(dual.weight * dual.k, dtype=E.dtype)
    v = 0 * capacity + 1
    for _ in range(iterations):
        u = mass / (E @ xp.asarray(v, dtype=E.dtype)).clip(min=1e-30)
        reached = dual.reduce(xp.asarray(u @ E, dtype=v.dtype))
        v = xp.where(reached > 1e-20, capacity / reached.clip(min=1e-20), v)
        v = v / v.max() if dual.equality else v.clip(max=1)
        v = v.clip(min=1e-20)
    return dual.project(shift - reg * xp.log(v))
