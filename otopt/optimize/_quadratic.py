"""Quadratic models of an objective from scattered values, and their minimisers in a region."""

import numpy as np

__all__ = ["least_change", "region_axes", "region_step"]

STRETCH = 10**1.5  # most that an axis of the region is longer than another
SINGULAR = 1e-6  # relative residual of a linear system that was not solved


def least_change(S, r):
    """Gradient and Hessian of a quadratic that vanishes at 0 and is r (k,) at the rows of S (k, n).

    Where points are few, the interpolating one with the Hessian of least Frobenius norm: added to
    an old model whose residuals are r, it changes that least (M. J. D. Powell, "Least Frobenius
    norm updating of quadratic models that satisfy interpolation conditions", Mathematical
    Programming 100, 2004, doi 10.1007/s10107-003-0490-7). Least squares where they determine it.
    """
    k, n = S.shape
    if k >= n * (n + 3) // 2:
        return _regression(S, r)
    system, right = np.zeros((k + n, k + n)), np.zeros(k + n)
    system[:k, :k] = 0.5 * (S @ S.T) ** 2
    system[:k, k:], system[k:, :k] = S, S.T
    right[:k] = r
    solution = right
    try:
        solution = np.linalg.solve(system, right)
        missed = np.abs(system @ solution - right).max()
    except np.linalg.LinAlgError:
        missed = np.inf
    if not missed <= SINGULAR * np.abs(r).max():
        solution = np.linalg.lstsq(system, right, rcond=1e-13)[0]
    return solution[k:], (S.T * solution[:k]) @ S


def _regression(S, r):
    n = S.shape[1]
    i, j = np.triu_indices(n)
    products = S[:, i] * S[:, j] * np.where(i == j, 0.5, 1.0)
    solution = np.linalg.lstsq(np.hstack([S, products]), r, rcond=1e-12)[0]
    H = np.zeros((n, n))
    H[i, j] = H[j, i] = solution[n:]
    return solution[:n], H


def region_axes(H):
    """Matrix that maps the unit ball to a region shorter where H is steep, and its inverse.

    Half way between a ball and the ellipsoid in which all curvatures are equal, which would make
    the search as free of scale as Newton's method and trust curvature too far along bent valleys.
    """
    curvatures, V = np.linalg.eigh(H)
    curvatures = np.abs(curvatures)
    largest = curvatures.max()
    if not largest > 0:
        return np.eye(len(H)), np.eye(len(H))
    lengths = np.maximum(curvatures / largest, 1 / STRETCH**4) ** -0.25
    lengths /= lengths.max()
    return V * lengths @ V.T, V / lengths @ V.T


def _ball_step(g, H, radius):
    """Minimiser of g's + s'Hs / 2 in a ball, by eigenvalues and bisection.

    J. J. Moré, D. C. Sorensen, "Computing a trust region step", SIAM Journal on Scientific and
    Statistical Computing 4, 1983, doi 10.1137/0904038, with their hard case.
    """
    eigenvalues, V = np.linalg.eigh(H)
    slope = V.T @ g
    size, least = np.linalg.norm(slope), eigenvalues[0]
    if size == 0 and least >= 0:
        return np.zeros_like(g)
    if least > 0:
        s = -slope / eigenvalues
        if s @ s <= radius**2:
            return V @ s
    low = max(0.0, -least)
    lowest = eigenvalues - least <= 1e-12 * max(abs(least), abs(eigenvalues[-1]), 1e-300)
    if np.linalg.norm(slope[lowest]) <= 1e-12 * size or size == 0:
        s = np.where(lowest, 0.0, -slope / np.where(lowest, 1.0, eigenvalues + low))
        if s @ s <= radius**2:
            if least < 0:
                s[0] = np.sqrt(radius**2 - s @ s)
            return V @ s
    high = low + size / radius + abs(least) * 1e-12
    while high - low > 1e-12 * high:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        s = slope / (eigenvalues + middle)
        low, high = (middle, high) if s @ s > radius**2 else (low, middle)
    return -V @ (slope / (eigenvalues + high))


@np.errstate(all="ignore")
def region_step(g, H, radius, domain, x):
    """A step from x of at most that length which stays in the domain and makes the model small.

    Exact without constraints. Otherwise a few exact steps, each in the null space of the
    constraints that stopped the ones before.
    """
    s = np.zeros_like(g)
    active = domain.blocking(x, s, -g, [])
    for _ in range(len(g) + 1):
        left = np.sqrt(max(radius**2 - s @ s, 0.0))
        Z = domain.null_space(active)
        if left <= 1e-3 * radius or Z.shape[1] == 0:
            break
        slope = Z.T @ (g + H @ s)
        direction = Z @ _ball_step(slope, Z.T @ H @ Z, left)
        share, stopped_by = domain.step_length(x + s, direction)
        s = s + share * direction
        if stopped_by is None:
            break
        active = [*active, stopped_by]
    return s
