"""Proximal-point loop around semismooth Newton."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .semismooth_newton import semismooth_newton

__all__ = ["ProximalSchedule", "ProximalTrace", "proximal_point"]


BELOW_FLOOR = 1e-4


class ProximalSchedule(NamedTuple):
    """How the proximal curvature mu shrinks from one outer step to the next."""

    shrink: float = 0.25
    floor: float = 0.0  # mu falls below only after steps that were easy
    easy: int = 2  # Newton steps
    patience: int = 8  # after more Newton steps than this, mu stays
    newton_limit: int = 60  # Newton steps in one outer step
    inner_rtol: float = 0.2  # an outer step reduces the residual by this, at least
    inner_cap: float = 0.3  # and below this share of `scale`


class ProximalTrace(NamedTuple):
    """Where the loop ended."""

    x: NDArray
    gradient: NDArray
    nit: int
    converged: bool


def proximal_point(oracle, x, *, tol, scale, maxiter, assess, schedule, on_iteration=None):
    """Maximise a concave nonsmooth function through smoothings that follow the iterates.

    Parameters
    ----------
    oracle : ConcaveOracle
        With an attribute `mu` and a method `recentre`.
    tol, scale : float
        Accepted L1 norm of the gradient, and the norm that counts as everything.
    maxiter : int
        Newton steps in all.
    assess : callable
        ``assess(x, gradient) -> bool``: whether the unsmoothed problem is solved.
    """
    nit = 0
    _, gradient = oracle.evaluate(x)
    while True:
        residual = np.abs(gradient).sum()
        goal = min(schedule.inner_rtol * residual, schedule.inner_cap * scale)
        step = semismooth_newton(
            oracle,
            x,
            tol=max(0.3 * tol, goal),
            maxiter=min(schedule.newton_limit, maxiter - nit),
            on_iteration=on_iteration,
        )
        x, gradient = step.x, step.gradient
        nit += max(step.nit, 1)  # an outer step that needs none counts too: the loop must end
        if assess(x, gradient):
            return ProximalTrace(x, gradient, nit, True)
        if nit >= maxiter:
            return ProximalTrace(x, gradient, nit, False)
        oracle.recentre()
        if step.nit <= schedule.easy:
            oracle.mu = max(schedule.shrink * oracle.mu, BELOW_FLOOR * schedule.floor)
        elif step.nit <= schedule.patience:
            oracle.mu = max(schedule.shrink * oracle.mu, min(schedule.floor, oracle.mu))
