"""Maximise a concave C^{1,1} function by regularised semismooth Newton steps."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from otopt._kernels.line_search import is_far_enough, narrow

__all__ = ["ConcaveOracle", "NewtonResult", "semismooth_newton"]


class ConcaveOracle(Protocol):
    """What the solver needs to know of the function."""

    def evaluate(self, x: NDArray) -> tuple[float, NDArray]:
        """Value and gradient."""
        ...

    def direction(self, x: NDArray, gradient: NDArray) -> NDArray:
        """An ascent direction: the inverse of a generalised Hessian applied to the gradient.

        Always called with the x of the last `evaluate`.
        """
        ...


class NewtonResult(NamedTuple):
    """Where the ascent ended."""

    x: NDArray
    value: float
    gradient: NDArray
    nit: int


def semismooth_newton(oracle, x, *, tol, maxiter, on_iteration=None, max_backtracks=14):
    """Ascend until the L1 norm of the gradient is at most `tol`, or for `maxiter` steps.

    The line search brackets a zero of the directional derivative, which decreases along any ray
    of a concave function: no Armijo constant, and values are never compared (they lose half the
    digits near the optimum).
    """
    value, g = oracle.evaluate(x)
    nit = 0
    while nit < maxiter and np.abs(g).sum() > tol:
        d = oracle.direction(x, g)
        slope = float(g @ d)
        lo, slope_lo, hi, slope_hi = 0.0, slope, np.inf, 0.0
        step, trial = 1.0, x
        for _ in range(max_backtracks):
            trial = x + step * d
            value, g = oracle.evaluate(trial)
            now = float(g @ d)
            if is_far_enough(now, slope, step):
                break
            lo, slope_lo, hi, slope_hi, step = narrow(lo, slope_lo, hi, slope_hi, step, now)
        x = trial
        nit += 1
        if on_iteration is not None:
            on_iteration(x, value, g)
    return NewtonResult(x, value, g, nit)
