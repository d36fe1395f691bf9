"""The multi-marginal cost that sampling alone produces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._backend import as_numpy
from otopt._core.validation import as_array, as_floats, as_positive_int, as_rng
from otopt._oracles.monge import MongeCost

from ._groups import read_membership
from ._multimarginal_samples import solve_samples

__all__ = ["NullLevel", "mmot_null_level"]

NAME = "mmot_null_level"


class NullLevel(NamedTuple):
    """Cost between groups that are samples of one distribution.

    Attributes
    ----------
    mean : float
        Mean over draws: what a fair model shows.
    upper : float
        95 % quantile over draws: what a fair model rarely exceeds.
    draws : ndarray
        All of them.

    Examples
    --------
    >>> import otopt
    >>> level = otopt.mmot_null_level([10, 10], rng=0)
    >>> 0 < level.mean < level.upper, len(level.draws)
    (True, 200)
    """

    mean: float
    upper: float
    draws: NDArray


def mmot_null_level(
    counts, *, scores=None, cost="range", weights=None, delta=1.0, n_draws=200, rng=None
):
    r"""Multi-marginal cost that groups of these sizes show without any difference between them.

    Empirical distributions of small groups differ by chance; a penalty on their differences is
    paid for with accuracy. Compare a measured cost with this level before acting on it.

    Parameters
    ----------
    counts : array_like of int, shape (d,)
        Numbers of samples in the groups, >= 1.
    scores : array_like, shape (N,), optional
        Scores to draw from, with replacement; uniform numbers in [0, 1] by default.
    cost : str
        As in `mmot_1d`.
    weights : array_like, shape (d,), optional
        As in `mmot_1d`.
    delta : float
        As in `mmot_1d`.
    n_draws : int
        Number of simulated groupings.
    rng : int or numpy.random.Generator, optional
        As in `numpy.random.default_rng`.

    Returns
    -------
    NullLevel
        Mean, 95 % quantile and all draws.

    Raises
    ------
    ValueError, TypeError
        For counts that are not positive integers, and scores that are empty or not finite.

    Examples
    --------
    >>> import otopt
    >>> level = otopt.mmot_null_level([300, 160, 27, 25, 12, 10, 5, 4], rng=0)
    >>> print(f"{level.mean:.2f}")
    0.34
    """
    sizes = as_array(NAME, "counts", as_numpy(counts))
    if sizes.ndim != 1 or len(sizes) == 0 or sizes.dtype.kind not in "iu" or sizes.min() < 1:
        message = f"{NAME}: `counts` must be a vector of integers >= 1; got {counts!r}."
        raise ValueError(message)
    sizes = sizes.astype(np.int64)
    n_draws = as_positive_int(NAME, "n_draws", n_draws)
    rng = as_rng(NAME, rng)
    pool = None if scores is None else as_floats(NAME, "scores", as_numpy(scores)).ravel()
    if pool is not None and (len(pool) == 0 or not np.isfinite(pool).all()):
        message = f"{NAME}: `scores` must be finite numbers, at least one; got {scores!r}."
        raise ValueError(message)
    rule = MongeCost.resolve(NAME, cost, len(sizes), weights, delta)
    if rule.function is not None:
        message = f"{NAME}: `cost` must be a named one; got a callable."
        raise ValueError(message)
    total = int(sizes.sum())
    members = read_membership(NAME, np.repeat(np.arange(len(sizes)), sizes), total, None)
    draws = np.empty(n_draws)
    for t in range(n_draws):
        x = rng.random(total) if pool is None else rng.choice(pool, total)
        draws[t], _ = solve_samples(x, members, rule)
    return NullLevel(float(draws.mean()), float(np.quantile(draws, 0.95)), draws)
