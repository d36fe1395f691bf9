"""Towards one common distribution: barycentres on a line, and descent (Mehta et al. 2023)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otopt._backend import as_numpy
from otopt._core.status import Status
from otopt._core.validation import (
    as_array,
    as_choice,
    as_flag,
    as_floats,
    as_positive_int,
    as_real,
    check_callback,
)
from otopt._kernels.monge_path import north_west
from otopt._oracles.monge import MongeCost
from otopt.errors import ConvergenceWarning

from ._multimarginal_input import read_marginals
from ._multimarginal_solve import solve

__all__ = ["LineMeasure", "MMOTMinimizeResult", "mmot_minimize"]

NAME = "mmot_minimize"
METHODS = ("barycenter", "descent")


@dataclass(frozen=True, eq=False)
class LineMeasure:
    """A discrete measure on the line.

    Attributes
    ----------
    places : ndarray, shape (T,)
        Ascending.
    mass : ndarray, shape (T,)
        Positive.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> measure = otopt.LineMeasure(np.array([0.0, 1.0]), np.array([0.25, 0.75]))
    >>> float(measure.mean), round(float(measure.std), 4)
    (0.75, 0.433)
    """

    places: NDArray
    mass: NDArray

    @property
    def mean(self) -> float:
        """Mean of the places."""
        return float(self.mass @ self.places / self.mass.sum())

    @property
    def std(self) -> float:
        """Standard deviation of the places."""
        return float(np.sqrt(self.mass @ (self.places - self.mean) ** 2 / self.mass.sum()))

    def histogram(self, support):
        """Mass on the points of a grid.

        Parameters
        ----------
        support : array_like, shape (n,)
            Ascending grid that spans the places.

        Returns
        -------
        ndarray, shape (n,)
            Every atom is split between the two points around it so that its mean stays; this adds
            at most a quarter of a squared grid step to the variance.

        Raises
        ------
        ValueError, TypeError
            For a support that is no ascending vector of numbers.
        """
        grid = as_floats("LineMeasure.histogram", "support", support)
        if grid.ndim != 1 or len(grid) == 0 or not (np.diff(grid) >= 0).all():
            message = (
                "LineMeasure.histogram: `support` must be an ascending vector of finite places; "
                f"got shape {grid.shape}" + (", not ascending." if grid.ndim == 1 else ".")
            )
            raise ValueError(message)
        if len(grid) == 1:
            return np.array([self.mass.sum()])
        left = np.clip(np.searchsorted(grid, self.places, side="right") - 1, 0, len(grid) - 2)
        width = grid[left + 1] - grid[left]
        share = np.divide(self.places - grid[left], width, out=np.zeros(len(left)), where=width > 0)
        share = np.clip(share, 0.0, 1.0)
        histogram = np.bincount(left, self.mass * (1 - share), len(grid))
        return histogram + np.bincount(left + 1, self.mass * share, len(grid))


@dataclass(frozen=True, eq=False, repr=False)
class MMOTMinimizeResult:
    """Where the marginals meet.

    Attributes
    ----------
    A : ndarray, shape (n, d)
        The marginals at the end, on the support that was given.
    barycenter : LineMeasure
        The barycentre of the marginals at the start, in closed form and not bound to the grid.
    value : float
        Multi-marginal cost of `A`.
    initial_value : float
        Multi-marginal cost of the marginals at the start.
    nit : int
        Steps of the descent.
    status : Status
        `OPTIMAL`, `ITERATION_LIMIT` or `STOPPED`.
    message : str
        The same in words.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> A = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    >>> otopt.mmot_minimize(A, cost="variance").A.T  # both at the mean of their places
    array([[0., 1., 0.],
           [0., 1., 0.]])
    """

    A: NDArray
    barycenter: LineMeasure
    value: float
    initial_value: float
    nit: int
    status: Status
    message: str

    @property
    def success(self) -> bool:
        """Whether the value has come down to `tol` times the initial one."""
        return self.status is Status.OPTIMAL

    def __repr__(self) -> str:
        return (
            f"MMOTMinimizeResult\n  status: {self.status.name} ({self.message})\n"
            f"   value: {self.value:.6g} (from {self.initial_value:.6g}, {self.nit} steps)"
        )


def mmot_minimize(
    A,
    *,
    cost="range",
    support=None,
    weights=None,
    delta=1.0,
    normalize=False,
    method="barycenter",
    maxiter=1000,
    tol=1e-3,
    callback=None,
):
    r"""Move d histograms to a common distribution, where their multi-marginal cost is zero.

    .. math:: \min_{a_1,\dots,a_d} \phi(a_1,\dots,a_d) \quad\text{from the given histograms}

    Parameters
    ----------
    A : array_like, shape (n, d)
        One histogram a column, as in `mmot_1d`.
    cost : str
        As in `mmot_1d`; callables are accepted by ``method="descent"`` only where their barycentre
        is not needed, hence not here.
    support : array_like, shape (n,), optional
        Places of the bins, ascending; 0, 1, 2, ... by default.
    weights : array_like, shape (d,), optional
        As in `mmot_1d`.
    delta : float
        As in `mmot_1d`.
    normalize : bool
        As in `mmot_1d`.
    method : {"barycenter", "descent"}
        "barycenter": where geodesics lead, in closed form and without iterations. "descent": the
        paper's descent on masses [1]_ along the dual, with Polyak's step, since the least value is
        known to be zero, and exact projections on the simplex. It moves mass from bin to bin where
        it stands, so it ends near a mixture, not at the barycentre.
    maxiter : int
        Steps of the descent.
    tol : float
        The descent ends when the value is at most `tol` times the initial one.
    callback : callable, optional
        ``callback(intermediate_result)`` after every step, with `A`, `value`, `nit`. Raise
        `StopIteration` to stop.

    Returns
    -------
    MMOTMinimizeResult
        The marginals at the end, the barycentre, and how it went.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        The descent did not reach `tol` within `maxiter` steps.

    Notes
    -----
    The barycentre has the quantile function that takes, of the d quantiles, their weighted mean
    ("variance", "pairwise_l2": the 2-Wasserstein barycentre), weighted median ("median",
    "pairwise_l1": a 1-Wasserstein barycentre), midrange ("range": least largest distance, level by
    level) or Huber's location ("huber"). O(n d (d + log n)).

    References
    ----------
    .. [1] R. Mehta, J. Kline, V. S. Lokhande, G. Fung, V. Singh, "Efficient Discrete
       Multi-Marginal Optimal Transport Regularization", ICLR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> x = np.arange(100.0)
    >>> A = np.exp(-((x[:, None] - [20, 60]) ** 2) / (2 * np.array([5, 8]) ** 2))
    >>> result = otopt.mmot_minimize(A, cost="variance", normalize=True)
    >>> print(f"{result.barycenter.mean:.2f} {result.barycenter.std:.2f}")
    40.00 6.50
    """
    as_choice(NAME, "method", method, METHODS)
    if isinstance(A, (list, tuple)) or as_array(NAME, "A", as_numpy(A)).ndim != 2:
        got = type(A).__name__ if isinstance(A, (list, tuple)) else f"shape {np.shape(A)}"
        message = f"{NAME}: `A` must be an array of shape (n, d); got {got}."
        raise ValueError(message)
    normalize = as_flag(NAME, "normalize", normalize)
    check_callback(NAME, callback)
    maxiter = as_positive_int(NAME, "maxiter", maxiter)
    tol = as_real(NAME, "tol", tol, low=0.0)
    marginals = read_marginals(A, support, normalize, NAME)
    if marginals.orders[0] is not None:
        message = f"{NAME}: `support` must be ascending; sort it together with the rows of `A`."
        raise ValueError(message)
    rule = MongeCost.resolve(NAME, cost, marginals.d, weights, delta)
    if rule.function is not None:
        message = f"{NAME}: `cost` must be a named one; no barycentre is known for a callable."
        raise ValueError(message)
    barycenter = _barycenter(marginals, rule)
    initial, _ = _value(marginals, rule)
    if method == "barycenter":
        common = barycenter.histogram(marginals.supports[0])
        end = np.repeat(common[:, None], marginals.d, axis=1)
        return MMOTMinimizeResult(end, barycenter, 0.0, initial, 0, Status.OPTIMAL, "closed form")
    end, value, nit, status = _descend(marginals, rule, initial, maxiter, tol, callback)
    message = {
        Status.OPTIMAL: f"value at most {tol:g} of the initial one",
        Status.ITERATION_LIMIT: f"no such value in {maxiter} steps; raise maxiter or tol",
        Status.STOPPED: "stopped by the callback",
    }[status]
    if status is Status.ITERATION_LIMIT:
        warnings.warn(f"{NAME}: {message}", ConvergenceWarning, stacklevel=2)
    return MMOTMinimizeResult(end, barycenter, value, initial, nit, status, message)


def _barycenter(marginals, rule):
    (_, cdf, mass) = next(marginals.problems())
    step, level = north_west(marginals.start, cdf, mass)
    jumps = step[:, None] == np.arange(marginals.d)
    where = np.concatenate([np.zeros((1, marginals.d), int), np.cumsum(jumps, axis=0)])
    share = np.diff(level)
    where, share = where[share > 0], share[share > 0]
    return LineMeasure(rule.location(marginals.supports[0][where]), share)


def _value(marginals, rule, A=None):
    if A is not None:
        marginals = _with_masses(marginals, A)
    value, dual = solve(marginals, rule)
    return float(np.ravel(value)[0]), dual.reshape(marginals.stacked.shape[1:])


def _with_masses(marginals, A):
    import dataclasses

    return dataclasses.replace(marginals, stacked=np.ascontiguousarray(A)[None])


def _descend(marginals, rule, value, maxiter, tol, callback):
    """Projected steps of length value / ||gradient||^2 (Polyak: the least value is 0)."""
    from types import SimpleNamespace

    A, mass = marginals.stacked[0].copy(), float(marginals.mass[0])
    goal, best = tol * value, (value, A)
    for nit in range(maxiter + 1):
        value, dual = _value(marginals, rule, A)
        if value < best[0]:
            best = value, A
        if value <= goal:
            return A, value, nit, Status.OPTIMAL
        if nit == maxiter:
            break
        dual = dual - dual.mean(axis=0)
        A = _project(A - dual * (value / (dual**2).sum()), mass)
        if callback is not None:
            try:
                callback(SimpleNamespace(A=A, value=value, nit=nit + 1))
            except StopIteration:
                value, _ = _value(marginals, rule, A)
                return A, value, nit + 1, Status.STOPPED
    return best[1], best[0], maxiter, Status.ITERATION_LIMIT


def _project(A, mass):
    """Nearest columns that are non-negative and of that sum."""
    n = len(A)
    descending = -np.sort(-A, axis=0)
    levels = (np.cumsum(descending, axis=0) - mass) / np.arange(1, n + 1)[:, None]
    A = np.maximum(A - levels.max(axis=0), 0.0)
    return A * (mass / A.sum(axis=0))
