"""Friendly shell of `mmot_1d`: histograms, supports and masses, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._backend import as_numpy
from otopt._core.problems import MASS_RTOL, MASS_RTOL_SINGLE
from otopt._core.validation import as_array, as_floats, check_size
from otopt._kernels.monge_path import north_west

__all__ = [
    "Marginals",
    "MultiMarginalPlan",
    "check_masses",
    "coupling",
    "pairing",
    "read_marginals",
    "read_places",
]

NAME = "mmot_1d"


class MultiMarginalPlan(NamedTuple):
    """A coupling of d marginals as a list of tuples: T = sum(n_k) - d + 1 of them.

    Attributes
    ----------
    indices : ndarray of int, shape (..., T, d)
        Bins of the marginals, in the order of the sweep; no bin ever decreases.
    mass : ndarray, shape (..., T)
        Mass of each tuple; 0 where two CDFs meet.

    Examples
    --------
    >>> import otopt
    >>> plan = otopt.mmot_1d([[0.5, 0.5], [0.25, 0.75]]).plan
    >>> plan.indices.tolist(), plan.mass  # from the first bins to the last ones
    ([[0, 0], [0, 1], [1, 1]], array([0.25, 0.25, 0.5 ]))
    """

    indices: NDArray
    mass: NDArray


@dataclass(frozen=True)
class Marginals:
    """Histograms of equal mass on ascending supports, one problem or a batch on one support.

    `places` and `masses` are flat, marginal k in ``start[k]:start[k + 1]``; a batch has masses (B,
    n, d) in `stacked` and one support for all marginals.
    """

    function: str
    supports: list[NDArray]  # ascending
    orders: list[NDArray | None]  # how they were sorted, None where they were sorted already
    masses: list[NDArray] | None  # of a list of histograms
    stacked: NDArray | None  # (B, n, d)
    shape: tuple[int, ...]  # leading dimensions of the batch
    mass: NDArray  # (B,) or ()

    @property
    def d(self):
        """Number of marginals."""
        return len(self.supports)

    @property
    def start(self):
        """Where each marginal begins in flat arrays."""
        return np.concatenate([[0], np.cumsum([len(s) for s in self.supports])])

    def problems(self):
        """Flat ``(masses, CDF, mass)`` of each problem of the batch."""
        if self.masses is not None:
            columns = [self.masses]
        else:
            assert self.stacked is not None
            columns = [list(A.T) for A in self.stacked]
        for one, mass in zip(columns, np.atleast_1d(self.mass), strict=True):
            cdf = np.concatenate([np.minimum(np.cumsum(a), mass) for a in one])
            yield np.concatenate(one), cdf, float(mass)


def read_places(function, name, support, length):
    """Return an ascending support and the permutation that sorted it, or None."""
    if support is None:
        return np.arange(float(length)), None
    x = as_floats(function, name, as_numpy(support))
    if x.shape != (length,):
        message = (
            f"{function}: `{name}` must have one place for each of the {length} bins; "
            f"got shape {x.shape}."
        )
        raise ValueError(message)
    if not np.isfinite(x).all():
        message = f"{function}: `{name}` must be finite; got {x[~np.isfinite(x)][0]}."
        raise ValueError(message)
    if (np.diff(x) >= 0).all():
        return x, None
    order = np.argsort(x, kind="stable")
    return x[order], order


def read_marginals(A, support, normalize, function=NAME):
    """Check, cast and default the data of `mmot_1d`."""
    if isinstance(A, (list, tuple)):
        return _read_list(A, support, normalize, function)
    return _read_array(A, support, normalize, function)


def _read_array(A, support, normalize, function):
    raw = as_array(function, "A", as_numpy(A))
    if raw.ndim < 2 or 0 in raw.shape:
        message = (
            f"{function}: `A` must have shape (..., n, d), one histogram a column, none empty; "
            f"got shape {raw.shape}; histograms of different lengths go into a list."
        )
        raise ValueError(message)
    check_size(function, "A", _largest(raw))
    *lead, n, d = raw.shape
    x, order = read_places(function, "support", support, n)
    stacked = np.array(raw, dtype=float, order="C").reshape(-1, n, d)
    if order is not None:
        stacked = np.ascontiguousarray(stacked[:, order])
    sums = stacked.sum(axis=1)
    _refuse_masses(function, "A", stacked, sums, _is_single(raw), normalize)
    mass = np.ones(len(sums)) if normalize else sums.mean(axis=1)
    stacked *= (mass[:, None] / sums)[:, None, :]
    stacked += 0.0  # no negative zeros: kernels read the sign bit
    return Marginals(function, [x] * d, [order] * d, None, stacked, tuple(lead), mass)


def _read_list(A, support, normalize, function):
    supports, orders, masses, single = [], [], [], False
    if len(A) == 0:
        message = f"{function}: `A` must hold at least one histogram; got an empty list."
        raise ValueError(message)
    support = [None] * len(A) if support is None else support
    if not isinstance(support, (list, tuple)) or len(support) != len(A):
        message = (
            f"{function}: `support` must be a list with one vector of places for each of the "
            f"{len(A)} histograms of the list `A`; got {type(support).__name__} of length "
            f"{len(support)}; stack the histograms as columns if they share one."
        )
        raise ValueError(message)
    for k, (a, s) in enumerate(zip(A, support, strict=True)):
        raw = as_array(function, f"A[{k}]", as_numpy(a))
        if raw.ndim != 1 or len(raw) == 0:
            message = (
                f"{function}: `A[{k}]` must be a non-empty vector; got shape {raw.shape}; "
                "leave an empty group out."
            )
            raise ValueError(message)
        check_size(function, f"A[{k}]", _largest(raw))
        x, order = read_places(function, f"support[{k}]", s, len(raw))
        masses.append(raw.astype(float) if order is None else raw.astype(float)[order])
        supports.append(x)
        orders.append(order)
        single |= _is_single(raw)
    flat = np.concatenate(masses)
    sums = np.array([m.sum() for m in masses])
    _refuse_masses(function, "A", flat, sums, single, normalize)
    mass = np.float64(1.0) if normalize else sums.mean()
    masses = [m * (mass / s) for m, s in zip(masses, sums, strict=True)]
    return Marginals(function, supports, orders, masses, None, (), np.asarray(mass))


def _largest(array):
    """The largest entry in absolute value; NaN and inf are refused elsewhere."""
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.abs(array.astype(float)).max())


def _is_single(array):
    return np.issubdtype(array.dtype, np.floating) and array.dtype.itemsize < 8


def _refuse_masses(function, name, masses, sums, single, normalize):
    """Name the rule that the masses (.., n, d) with sums (.., d) break."""
    if not np.isfinite(masses).all():
        message = f"{function}: `{name}` must be finite; got {masses[~np.isfinite(masses)][0]}."
        raise ValueError(message)
    if masses.min() < 0:
        message = (
            f"{function}: `{name}` must be non-negative; got {masses.min():g}; "
            "masses cannot be signed."
        )
        raise ValueError(message)
    if not (sums > 0).all():
        k = int(np.argwhere(sums <= 0)[0][-1])
        message = (
            f"{function}: every histogram of `{name}` must have a positive sum; got zeros only "
            f"in number {k}; leave an empty group out."
        )
        raise ValueError(message)
    spread = np.ptp(sums, axis=-1)
    if normalize or check_masses(0.0, sums.min(), spread.max(), single=single):
        return
    worst = sums.reshape(-1, sums.shape[-1])[spread.argmax()]
    message = (
        f"{function}: the histograms of `{name}` must have equal sums; got {worst.min():.9g} and "
        f"{worst.max():.9g}; divide each by its sum, or pass normalize=True."
    )
    raise ValueError(message)


def check_masses(least, smallest_sum, spread, *, single):
    """Whether masses are fine by three numbers; False also where one of them is NaN."""
    rtol = MASS_RTOL_SINGLE if single else MASS_RTOL
    return least >= 0 and 0 < smallest_sum < np.inf and spread <= rtol * smallest_sum


def pairing(marginals, dual):
    """sum_k <a_k, z_k> for the masses the problem was solved for."""
    if marginals.masses is not None:
        total = 0.0
        for a, z, order in zip(marginals.masses, dual, marginals.orders, strict=True):
            prices = as_numpy(z)
            total += float(a @ (prices if order is None else prices[order]))
        return total
    z = np.asarray(as_numpy(dual), dtype=float).reshape(marginals.stacked.shape)
    if marginals.orders[0] is not None:
        z = z[:, marginals.orders[0]]
    total = (marginals.stacked * z).sum(axis=(1, 2)).reshape(marginals.shape)
    return total if marginals.shape else float(total)


def coupling(marginals):
    """The comonotone coupling, in the bins as they were given."""
    start, plans = marginals.start, []
    for _, cdf, mass in marginals.problems():
        step, level = north_west(start, cdf, mass)
        jumps = step[:, None] == np.arange(marginals.d)
        where = np.concatenate([np.zeros((1, marginals.d), int), np.cumsum(jumps, axis=0)])
        for k, order in enumerate(marginals.orders):
            if order is not None:
                where[:, k] = order[where[:, k]]
        plans.append((where, np.diff(level)))
    indices, mass = (np.stack(parts) for parts in zip(*plans, strict=True))
    return MultiMarginalPlan(
        indices.reshape(*marginals.shape, *indices.shape[1:]),
        mass.reshape(*marginals.shape, mass.shape[1]),
    )
