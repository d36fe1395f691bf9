"""Whole solves of small entropic problems, one after the other: no call leaves the compiled code.

The method of `otopt.ot._annealing` with both marginals met, in double precision on a stored kernel
that fits the cache. Columns without mass have potential -inf, rows without mass get no plan.
"""

import math

import numpy as np
from numba import njit

from ._numba_gibbs import _gibbs_rows, _scale_rows
from ._numba_threads import in_threads

CONVERGED, LIMIT, PRECISION = 0, 1, 2

DIRECT = 1e-4
SINGLE = 1e-5
REACH = 15.0
TRUST = 8.0
STARVED = 1e-6
SINKHORN_STEPS = 3
WORTH = 6
SHARP = 1e-3
FLAT = 1e-15
STALLS = 3
CG_LIMIT = 300


@njit(cache=True)
def _evaluate(phi, C, reg, mass, weight, E, psi, top, linear, sums, passes):
    """Potentials and sums at phi; the L1 error of the sums."""
    none = np.empty((0, 0))
    for i in range(len(sums)):
        sums[i] = 0.0
    _gibbs_rows(
        0, len(mass), phi, C, none, none, 0, 1.0 / reg, mass, weight, 1.0, E, psi, top, linear, sums
    )
    passes[0] += 1
    error = 0.0
    for i in range(len(sums)):
        sums[i] *= weight[i]
        error += abs(weight[i] - sums[i])
    return error


@njit(cache=True)
def _scale(step, E, mass, weight, u, s, sums, passes):
    """Sums after a step on the stored kernel; their L1 error and the dual, up to a constant."""
    passes[0] += 1
    for i in range(len(u)):
        u[i] = weight[i] * math.exp(step[i])
    for i in range(len(sums)):
        sums[i] = 0.0
    _scale_rows(0, len(mass), u, E, mass, -1.0, s, sums)
    error = merit = 0.0
    for i in range(len(u)):
        sums[i] *= u[i]
        error += abs(weight[i] - sums[i])
        merit += weight[i] * step[i]
    for j in range(len(mass)):
        if mass[j] > 0.0:
            merit -= mass[j] * math.log(s[j])
    return error, merit


@njit(cache=True)
def _newton(E, mass, gradient, sums, u, s, rtol, radius, d, passes, maxiter):
    """Newton direction by conjugate gradients on the Schur complement, cut at the radius, to d."""
    p, q = len(u), len(mass)
    residual, z, direction, image, weighted = (
        np.empty(p),
        np.zeros(p),
        np.empty(p),
        np.empty(p),
        np.empty(p),
    )
    coef, t = np.empty(q), np.empty(q)
    for j in range(q):
        coef[j] = mass[j] / (s[j] * s[j])
    size = 0.0
    for i in range(p):
        residual[i] = gradient[i]
        if sums[i] > 0.0:
            z[i] = residual[i] / sums[i]
            size += residual[i] * z[i]
        direction[i] = z[i]
        d[i] = 0.0
    first = size
    for iteration in range(CG_LIMIT):
        passes[0] += 1
        for i in range(p):
            image[i] = 0.0
            weighted[i] = u[i] * direction[i]
        _scale_rows(0, q, weighted, E, coef, 1.0, t, image)
        bend = scale = largest = 0.0
        for i in range(p):
            image[i] = sums[i] * direction[i] - u[i] * image[i]
            bend += direction[i] * image[i]
            scale += sums[i] * direction[i] ** 2
        if bend <= FLAT * scale:
            if iteration == 0:
                for i in range(p):
                    d[i] = z[i]
                    largest = max(largest, abs(z[i]))
                for i in range(p):
                    d[i] *= radius / largest
            return
        length = size / bend
        now = 0.0
        for i in range(p):
            d[i] += length * direction[i]
            residual[i] -= length * image[i]
            largest = max(largest, abs(d[i]))
            if sums[i] > 0.0:
                z[i] = residual[i] / sums[i]
                now += residual[i] * z[i]
        if largest > radius:
            if iteration == 0:
                for i in range(p):
                    d[i] *= radius / largest
            return
        if now <= rtol * rtol * first or passes[0] >= maxiter:
            return
        for i in range(p):
            direction[i] = z[i] + (now / size) * direction[i]
        size = now


@njit(cache=True)
def _improve(E, mass, weight, tol, step, u, s, sums, passes, maxiter):
    """Sinkhorn and Newton steps on the stored kernel; `step` is where they end, with its error."""
    for i in range(len(step)):
        step[i] = 0.0
    new, gradient, d = np.empty(len(step)), np.empty(len(step)), np.empty(len(step))
    error, merit = _scale(step, E, mass, weight, u, s, sums, passes)
    before = math.inf
    for k in range(60):
        if error <= tol or passes[0] >= maxiter:
            break
        left = math.inf
        if error < before < math.inf:
            left = math.log(tol / error) / math.log(error / before)
        if k < SINKHORN_STEPS or left <= WORTH:
            for i in range(len(step)):
                if sums[i] > 0.0:
                    step[i] += min(max(math.log(weight[i] / sums[i]), -REACH), REACH)
            _centre(step, weight)
            before = error
            error, merit = _scale(step, E, mass, weight, u, s, sums, passes)
        else:
            for i in range(len(d)):
                gradient[i] = weight[i] - sums[i]
            rtol = max(min(0.3, math.sqrt(error)), 0.3 * tol / error)
            _newton(E, mass, gradient, sums, u, s, rtol, TRUST, d, passes, maxiter)
            _centre(d, weight)
            slope = largest = 0.0
            for i in range(len(d)):
                slope += gradient[i] * d[i]
                largest = max(largest, abs(d[i]))
            length = min(1.0, TRUST / max(largest, 1e-300))
            moved = False
            before, there = error, merit
            while length > 1e-3 and not moved:
                for i in range(len(d)):
                    new[i] = step[i] + length * d[i]
                error, there = _scale(new, E, mass, weight, u, s, sums, passes)
                fell = error < (1 - 0.3 * length) * before
                moved = fell or there > merit + 1e-4 * length * slope
                length *= 0.5
            if not moved:
                return before
            for i in range(len(d)):
                step[i] = new[i]
            merit = there
        reach = 0.0
        for i in range(len(step)):
            reach = max(reach, abs(step[i]))
        if reach > REACH:
            break
    return error


@njit(cache=True)
def _centre(d, weight):
    total = 0.0
    count = 0
    for i in range(len(d)):
        if weight[i] > 0.0:
            total += d[i]
            count += 1
    for i in range(len(d)):
        d[i] = d[i] - total / count if weight[i] > 0.0 else 0.0


@njit(cache=True, nogil=True)
def _solve(C, reg, unit, mass, weight, tol, maxiter, schedule, phi, psi, linear, sums):
    """One problem: outcome, error, passes. Potentials over reg are left in phi and psi."""
    p, q = len(weight), len(mass)
    E, top, s = np.empty((q, p), np.float32), np.empty(q), np.empty(q)
    u, step, gradient, best = np.empty(p), np.empty(p), np.empty(p), np.empty(p)
    passes = np.zeros(1, np.int64)
    below, start, factor, level_tol = schedule
    level = max(start * unit, reg) if reg < below * unit else reg
    for i in range(p):
        phi[i] = 0.0 if weight[i] > 0.0 else -math.inf
        best[i] = phi[i]
    best_error = math.inf
    stalls = 0
    outcome = -1
    while True:
        error = _evaluate(phi, C, level, mass, weight, E, psi, top, linear, sums, passes)
        if outcome >= 0:  # this was the evaluation of the best point
            return outcome, error, passes[0]
        final = level <= reg
        goal = tol if final else (level_tol if reg > SHARP * unit else 0.01 * level_tol)
        spent = passes[0] >= maxiter
        if final:
            stalled = error > 0.5 * best_error
            if error < best_error:
                best_error = error
                for i in range(p):
                    best[i] = phi[i]
            if error <= goal:
                return CONVERGED, error, passes[0]
            if error <= DIRECT:
                stalls = stalls + 1 if stalled else 0
            if spent or stalls == STALLS:
                outcome = PRECISION if stalls == STALLS else LIMIT
                for i in range(p):
                    phi[i] = best[i]
                continue
        starved = False
        for i in range(p):
            starved = starved or sums[i] < STARVED * weight[i]
        if error > goal and starved and not spent:
            for i in range(p):
                if weight[i] > 0.0:
                    phi[i] += math.log(weight[i] / max(sums[i], 1e-300))
            continue
        if final and error <= DIRECT:
            for i in range(p):
                gradient[i] = weight[i] - sums[i]
                step[i] = 0.0
            _scale(step, E, mass, weight, u, s, sums, passes)
            rtol = max(0.2 * tol / error, 2e-4)
            _newton(E, mass, gradient, sums, u, s, rtol, 5.0, step, passes, maxiter)
            _centre(step, weight)
        elif error > goal and not spent:
            inner = SINGLE if final else 0.5 * goal
            error = _improve(E, mass, weight, inner, step, u, s, sums, passes, maxiter)
        else:
            for i in range(p):
                step[i] = 0.0
        for i in range(p):
            if weight[i] > 0.0:
                phi[i] += step[i]
        if not final and (error <= goal or spent):
            steep = factor if level > SHARP * unit else min(factor, 3.0)
            following = reg if level <= 1.5 * steep * reg else level / steep
            for i in range(p):
                if weight[i] > 0.0:
                    phi[i] *= level / following
            level = following


def _free_potentials(C, reg, mass, psi, free):
    """Potentials of columns without mass: as if they had a little."""
    used = mass > 0
    z = psi[used, None] - C[used][:, free] / reg
    top = z.max(axis=0)
    return -(top + np.log(mass[used] @ np.exp(z - top)))


def _for_numba(C):
    """The same costs; numba would compile anew for read-only arrays, such as one cost for all."""
    if C.strides[0] == 0:
        one = np.require(C[0], requirements=("C", "W"))
        return np.lib.stride_tricks.as_strided(one, C.shape, (0, *one.strides))
    return np.require(C, requirements=("C", "W"))


def gibbs_batch(C, reg, mass, weight, tol, maxiter, schedule, workers=1):
    count, q, p = C.shape
    C = _for_numba(C)
    mass, weight = (np.require(x, requirements=("C", "W")) for x in (mass, weight))
    phi, sums = np.empty((2, count, p))
    psi, linear, error = np.empty((count, q)), np.empty(count), np.empty(count)
    outcome, passes = np.empty((2, count), np.int64)
    units = np.ptp(C, axis=(1, 2))

    def solve(first, last, parts):
        costs = np.empty(q)
        for k in range(first * count // parts, last * count // parts):
            outcome[k], error[k], passes[k] = _solve(
                C[k], reg[k], units[k], mass[k], weight[k], tol, maxiter, schedule, phi[k], psi[k],
                costs, sums[k],
            )  # fmt: skip
            linear[k] = costs.sum()
            free = weight[k] == 0.0
            if free.any():
                phi[k, free] = _free_potentials(C[k], reg[k], mass[k], psi[k], free)

    # Problems take different times: more parts than threads.
    in_threads(workers, solve, min(count, 8 * workers))
    return phi, psi, linear, sums, outcome, error, passes
