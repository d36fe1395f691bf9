"""Sets of problems. To add your own, append to `SETS`::

from benchmarks.optimizers.problems import SETS, Problem
SETS["mine"] = lambda: [Problem("bowl", lambda x: x @ x, np.ones(4))]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import ortho_group

from .more_wild import NON_NEGATIVE, RESIDUALS, ROWS, start
from .second import SECOND

__all__ = ["SETS", "Problem", "problems"]

NOISE = 1e-3
SHIFT = 0.2  # of a start's entries, or of 1 where they are smaller


@dataclass(frozen=True)
class Problem:
    """Minimise `fun` from `x0`, within `bounds` (n, 2) where there are any.

    A run is judged by `truth`, the function without its noise, which is `fun` by default.
    """

    name: str
    fun: Callable
    x0: np.ndarray
    bounds: np.ndarray | None = None
    truth: Callable | None = None

    @property
    def n(self):
        """Number of variables."""
        return len(self.x0)


def _more_wild(make):
    """The 53 problems, whose functions `make` builds from number, m and residuals."""
    return [
        make(
            f"{number:02d} n={n}{' far' if scale > 1 else ''}", number, m, scale * start(number, n)
        )
        for number, n, m, scale in ROWS
    ]


def _sum_of_squares(number, m):
    return lambda x: float((RESIDUALS[number - 1](x, m) ** 2).sum())


def _smooth(name, number, m, x0):
    return Problem(name, _sum_of_squares(number, m), x0)


def _nonsmooth(name, number, m, x0):
    residuals = RESIDUALS[number - 1]
    if number in NON_NEGATIVE:
        return Problem(name, lambda x: float(np.abs(residuals(np.maximum(x, 0), m)).sum()), x0)
    return Problem(name, lambda x: float(np.abs(residuals(x, m)).sum()), x0)


def _noisy(name, number, m, x0):
    """Deterministic noise of Moré and Wild, section 4: fast oscillations of relative size 1e-3."""
    smooth = _sum_of_squares(number, m)

    def fun(x):
        phase = 100 * np.abs(x).sum(), 100 * np.abs(x).max(), np.sqrt((x**2).sum())
        wave = 0.9 * np.sin(phase[0]) * np.cos(phase[1]) + 0.1 * np.cos(phase[2])
        return (1 + NOISE * wave * (4 * wave**2 - 3)) * smooth(x)

    return Problem(name, fun, x0)


def _stochastic(name, number, m, x0):
    """Every residual carries its own relative noise, a new one at each evaluation."""
    rng, residuals = np.random.default_rng(number), RESIDUALS[number - 1]

    def fun(x):
        r = residuals(x, m)
        return float(((r * (1 + NOISE * rng.uniform(-1, 1, m))) ** 2).sum())

    return Problem(name, fun, x0, truth=_sum_of_squares(number, m))


def _bounded(name, number, m, x0):
    """A box about the start, near on one side in turn, so that bounds are active."""
    unit = np.maximum(1.0, np.abs(x0))
    near_above = np.arange(len(x0)) % 2 == 0
    lower = x0 - unit * np.where(near_above, 10.0, 0.25)
    upper = x0 + unit * np.where(near_above, 0.25, 10.0)
    return Problem(name, _sum_of_squares(number, m), x0, np.stack([lower, upper], axis=1))


def _moved():
    """The smooth problems from starts nearby, then all of them turned about their own starts.

    Solvers whose constants were chosen by the smooth set gain nothing here from what they know.
    """
    nearby, turned = [], []
    for index, p in enumerate(_more_wild(_smooth)):
        rng = np.random.default_rng(index)
        shift = SHIFT * np.maximum(1, np.abs(p.x0)) * rng.standard_normal(p.n)
        nearby.append(Problem(f"{p.name} start", p.fun, p.x0 + shift))
        turn = ortho_group.rvs(p.n, random_state=rng)
        turned.append(Problem(f"{p.name} turned", _turned(p, turn), p.x0))
    return nearby + turned


def _turned(p, turn):
    return lambda x: p.fun(p.x0 + turn @ (x - p.x0))


def _second():
    return [
        Problem(f"{name} n={n}", fun, start(n))
        for name, (fun, start, sizes) in SECOND.items()
        for n in sizes
    ]


SETS = {
    "smooth": lambda: _more_wild(_smooth),
    "nonsmooth": lambda: _more_wild(_nonsmooth),
    "noisy": lambda: _more_wild(_noisy),
    "stochastic": lambda: _more_wild(_stochastic),
    "bounded": lambda: _more_wild(_bounded),
    "second": _second,
    "moved": _moved,
}


def problems(name, quick=False):
    """The problems of a set, every sixth where `quick`; generators of noise start anew."""
    return SETS[name]()[:: 6 if quick else 1]
