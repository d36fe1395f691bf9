"""Scale a positive matrix to its marginals: Sinkhorn steps, then Newton with conjugate gradients.

Both are steps on the same concave dual. A Sinkhorn step is the diagonally preconditioned one; where
a few of them show that many would follow, Newton steps take over: their conjugate gradients need
the square root of the number, on the same matrix.
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["conjugate_gradient", "newton_direction", "scale_matrix"]

SINKHORN_STEPS = 3  # at least, before the rate is read off
WORTH = 6  # Sinkhorn steps left that are worth a Newton step
TRUST = 8.0  # largest change of a potential, over reg, in a Newton step
REACH = 15.0  # from the evaluated point, where the stored kernel may be cut off
CG_LIMIT = 300
FLAT, FLAT_SINGLE = 1e-15, 1e-6  # relative curvature that is rounding error


def conjugate_gradient(product, diagonal, g, rtol, maxiter, *, radius=np.inf, flat=1e-15):
    """Solve ``S d = g`` to rtol in the norm of the inverse diagonal.

    Stops where an entry of d reaches the radius (Steihaug 1983, doi:10.1137/0720042), and where
    the curvature along a direction, relative to the diagonal, is below `flat`.

    Returns
    -------
    d : ndarray
    is_flat : bool
        Whether it stopped at a flat direction.
    """
    d = np.zeros_like(g)
    residual = g.copy()
    z = residual / diagonal
    direction = z.copy()
    size = first = float(residual @ z)
    for iteration in range(maxiter):
        image = product(direction)
        bend = float(direction @ image)
        if bend <= flat * float(direction @ (diagonal * direction)):
            return (d if iteration else _to_boundary(z, radius)), True
        length = size / bend
        d += length * direction
        largest = np.abs(d).max()
        if largest > radius:
            return (d if iteration else _to_boundary(d, radius)), False
        residual -= length * image
        z = residual / diagonal
        now = float(residual @ z)
        if now <= rtol * rtol * first:
            break
        direction = z + (now / size) * direction
        size = now
    return d, False


def _to_boundary(d, radius):
    return d * (radius / np.abs(d).max()) if np.isfinite(radius) else d


def newton_direction(dual, scaling, rtol, budget, radius=TRUST):
    """The Newton direction on the dual at a scaling."""
    diagonal, product = dual.curvature(scaling)
    limit = max(min(CG_LIMIT, budget), 1)
    flat = FLAT if dual.precise else FLAT_SINGLE
    direction, is_flat = conjugate_gradient(
        product, diagonal, scaling.gradient, rtol, limit, radius=radius, flat=flat
    )
    if is_flat:
        dual.precise = True  # from the next scaling on
    return dual.centred(direction)


def scale_matrix(dual, tol, *, budget, limit=60):
    """Steps on the stored kernel until the L1 norm of the gradient is at most tol.

    Parameters
    ----------
    dual : EntropicDual
        After an evaluation.
    tol : float
        Not below what single precision gives.
    budget : callable
        Passes that may still be made.
    limit : int
        Steps.

    Returns
    -------
    step : ndarray, shape (p,)
        From the evaluated point.
    error : float
        L1 norm of the gradient there.
    """
    here = dual.here()
    step = np.zeros_like(here.gradient)
    error, errors = np.abs(here.gradient).sum(), []
    for _ in range(limit):
        if error <= tol or budget() <= 0:
            break
        errors.append(error)
        if len(errors) <= SINKHORN_STEPS or _steps_left(errors, tol) <= WORTH:
            new = dual.centred(step + _sinkhorn_direction(dual, here))
            here = dual.scale(new)
        else:
            rtol = max(min(0.3, math.sqrt(error)), 0.3 * tol / error)
            direction = newton_direction(dual, here, rtol, budget())
            new, here, moved = _search(dual, here, step, direction, error)
            if not moved:
                break
        step = new
        error = np.abs(here.gradient).sum()
        if np.abs(step).max() > REACH:
            break
    return step, error


def _steps_left(errors, tol):
    rate = errors[-1] / errors[-2]
    return math.log(tol / errors[-1]) / math.log(rate) if rate < 1 else math.inf


def _sinkhorn_direction(dual, here):
    # The sums that belong to the gradient: where it is more precise than those of the stored
    # kernel, a small mass would drown in the difference and might turn negative.
    wanted = dual.wanted(dual.phi + np.log(here.u / dual.weight))
    with np.errstate(divide="ignore"):
        ratio = np.log(wanted / (wanted - here.gradient))
    # A penalty holds the step back; sums that vanish are left to an evaluation of the cost.
    ratio *= wanted / (wanted + dual.slope(wanted))
    return np.clip(ratio, -REACH, REACH)


def _search(dual, here, step, direction, error):
    """Halve a Newton step until the error falls or the dual rises in proportion."""
    slope = float(here.gradient @ direction)
    length = min(1.0, TRUST / max(np.abs(direction).max(), 1e-300))
    while length > 1e-3:
        new = step + length * direction
        there = dual.scale(new)
        fell = np.abs(there.gradient).sum() < (1 - 0.3 * length) * error
        if fell or there.merit > here.merit + 1e-4 * length * slope:
            return new, there, True
        length *= 0.5
    return step, here, False
