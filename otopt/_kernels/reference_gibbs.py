"""Passes over a cost or a stored Gibbs kernel, as formulas."""

import numpy as np

__all__ = ["gibbs_batch", "gibbs_pass", "scale_pass", "scale_pass_points"]


def _costs(C, points):
    if points is None:
        return np.asarray(C, float)
    X, Yt, metric = points
    squared = ((X[:, :, None] - Yt) ** 2).sum(axis=1)
    return squared if metric == 1 else np.sqrt(squared)


def gibbs_pass(phi, C, points, reg, mass, weight, power, E, measure, workers=1):
    C = _costs(C, points)
    z = phi - C / reg
    top = z.max(axis=1)
    e = np.exp(z - top[:, None])
    psi = -power * (top + np.log(e @ weight))
    plan = mass[:, None] * np.exp(psi + top)[:, None] * e * weight
    if E is not None:
        E[:] = np.where(e > 1e-25, e, 0.0)
    linear = float((plan * C).sum()) if measure else 0.0
    return psi, top, plan.sum(axis=0), linear


def scale_pass(u, E, coef, exponent, workers=1):
    E = E.astype(float)
    s = E @ u
    return s, (coef * s**exponent) @ E


def scale_pass_points(u, phi, top, points, reg, coef, exponent, workers=1):
    E = np.exp(phi - _costs(None, points) / reg - top[:, None])
    return scale_pass(u, E, coef, exponent)


def gibbs_batch(C, reg, mass, weight, tol, maxiter, schedule, workers=1):
    """Plain Sinkhorn in the log domain; the schedule is not used."""
    count, q, p = C.shape
    phi, psi, sums = np.zeros((count, p)), np.empty((count, q)), np.empty((count, p))
    linear, error = np.empty(count), np.empty(count)
    passes = np.zeros(count, np.int64)
    for k in range(count):
        x, y = mass[k] > 0, weight[k] > 0
        K = C[k].astype(float) / reg[k]
        while True:
            psi[k] = -_log_sum(phi[k, y] - K[:, y] + np.log(weight[k, y]))
            exponent = phi[k] + psi[k, :, None] - K
            plan = mass[k, :, None] * weight[k] * np.exp(np.where(y, exponent, -np.inf))
            sums[k], linear[k] = plan.sum(axis=0), (plan * C[k]).sum()
            error[k] = np.abs(sums[k] - weight[k]).sum()
            passes[k] += 1
            if error[k] <= tol or passes[k] >= maxiter:
                break
            phi[k] = -_log_sum((psi[k, x, None] - K[x] + np.log(mass[k, x, None])).T)
        phi[k, ~y] = -_log_sum((psi[k, x, None] - K[x] + np.log(mass[k, x, None])).T)[~y]
    return phi, psi, linear, sums, (error > tol).astype(int), error, passes


def _log_sum(z):
    top = z.max(axis=1)
    return top + np.log(np.exp(z - top[:, None]).sum(axis=1))
