r"""What a marginal may be: given exactly, penalised, or bounded.

A side of the problem pays F(r) for its masses r (rows sums or column sums of the plan). Its dual
term at a potential p is ``min_r F(r) + p r``; the mass that attains it answers the potential.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .validation import as_real

__all__ = [
    "Exact",
    "KLPenalty",
    "L2Penalty",
    "MassBounds",
    "Penalty",
    "as_penalties",
    "check_balance",
]

STEEPEST = 60.0  # exponent up to which a mass follows its potential


class Penalty:
    """A convex cost of the masses of one side, entry by entry; `nominal` is a or b."""

    @property
    def limits(self):
        """Least and largest mass allowed, as shares of the nominal one."""
        return 0.0, np.inf

    def answer(self, potential, nominal, mu, centre):
        """Masses that attain the dual term, and how fast they fall with the potential.

        Where the term has kinks it is smoothed by ``mu/2 (r - centre)^2``.
        """
        raise NotImplementedError

    def value(self, mass, nominal):
        """F(mass), for masses that are allowed."""
        raise NotImplementedError

    def dual(self, potential, nominal):
        """The dual term of every entry."""
        raise NotImplementedError

    def slope(self, potential, mass, nominal):
        """Derivative of the optimal value by `nominal`."""
        raise NotImplementedError


@dataclass(frozen=True)
class Exact(Penalty):
    """Masses equal the nominal ones."""

    @property
    def limits(self):
        return 1.0, 1.0

    def answer(self, potential, nominal, mu, centre):
        return nominal, np.zeros(len(nominal))

    def value(self, mass, nominal):
        return 0.0

    def dual(self, potential, nominal):
        return nominal * potential

    def slope(self, potential, mass, nominal):
        return potential


@dataclass(frozen=True)
class KLPenalty(Penalty):
    r"""Masses r in place of a cost :math:`\rho \sum_i r_i \log(r_i / a_i) - r_i + a_i`.

    Parameters
    ----------
    rho : float
        > 0, in units of the cost.

    Raises
    ------
    ValueError, TypeError
        `rho` is not a positive number.

    Examples
    --------
    >>> import otopt
    >>> C = [[0.0, 9.0], [9.0, 0.0]]
    >>> penalty = otopt.KLPenalty(1.0), None
    >>> otopt.sparse_ot([1.0, 1.0], [1.0, 2.0], C, 1, reg=0.0, marginal_penalty=penalty).success
    True
    """

    rho: float

    def __post_init__(self):
        as_real("KLPenalty", "rho", self.rho, low=0.0, strict=True, sized=True)

    def answer(self, potential, nominal, mu, centre):
        mass = nominal * np.exp(np.minimum(-potential / self.rho, STEEPEST))
        return mass, mass / self.rho

    def value(self, mass, nominal):
        ratio = np.where(mass > 0, mass / nominal, 1.0)
        return float(self.rho * (mass * np.log(ratio) - mass + nominal).sum())

    def dual(self, potential, nominal):
        with np.errstate(over="ignore"):
            return -self.rho * nominal * np.expm1(-potential / self.rho)

    def slope(self, potential, mass, nominal):
        return self.rho * (1.0 - mass / nominal)


@dataclass(frozen=True)
class L2Penalty(Penalty):
    r"""Masses r in place of a cost :math:`\tfrac{\rho}{2} \sum_i (r_i - a_i)^2`.

    Parameters
    ----------
    rho : float
        > 0, in units of cost per mass, as `reg` is.

    Raises
    ------
    ValueError, TypeError
        `rho` is not a positive number.

    Examples
    --------
    >>> import otopt
    >>> penalty = otopt.L2Penalty(1.0), None
    >>> C = [[0.0, 9.0], [9.0, 0.0]]
    >>> otopt.sparse_ot([1.0, 1.0], [1.0, 2.0], C, 1, reg=0.0, marginal_penalty=penalty).success
    True
    """

    rho: float

    def __post_init__(self):
        as_real("L2Penalty", "rho", self.rho, low=0.0, strict=True, sized=True)

    def answer(self, potential, nominal, mu, centre):
        mass = np.maximum(nominal - potential / self.rho, 0.0)
        return mass, (mass > 0) / self.rho

    def value(self, mass, nominal):
        return float(0.5 * self.rho * ((mass - nominal) ** 2).sum())

    def dual(self, potential, nominal):
        mass, _ = self.answer(potential, nominal, 0.0, None)
        return 0.5 * self.rho * (mass - nominal) ** 2 + potential * mass

    def slope(self, potential, mass, nominal):
        return self.rho * (nominal - mass)


@dataclass(frozen=True)
class MassBounds(Penalty):
    r"""Masses r anywhere in ``low * a <= r <= high * a``: partial transport.

    Parameters
    ----------
    low, high : float
        Shares of the nominal masses, ``0 <= low <= high`` and finite; by default none has to move.

    Raises
    ------
    ValueError, TypeError
        `low` or `high` breaks that rule.

    Examples
    --------
    >>> import otopt
    >>> a, b, C = [1.0, 1.0], [1.0], [[0.0], [9.0]]
    >>> result = otopt.sparse_ot(a, b, C, 1, reg=0.0, marginal_penalty=(otopt.MassBounds(), None))
    >>> result.to_plan("dense").round(6)
    array([[1.],
           [0.]])
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self):
        low = as_real("MassBounds", "low", self.low, low=0.0)
        high = as_real("MassBounds", "high", self.high, low=0.0, strict=True)
        if low > high:
            message = (
                f"MassBounds: `low` must not exceed `high`; got {low:g} and {high:g}; "
                "exchange them."
            )
            raise ValueError(message)

    @property
    def limits(self):
        return self.low, self.high

    def answer(self, potential, nominal, mu, centre):
        free = centre - potential / mu
        mass = np.clip(free, self.low * nominal, self.high * nominal)
        return mass, (mass == free) / mu

    def value(self, mass, nominal):
        return 0.0

    def dual(self, potential, nominal):
        return nominal * self.slope(potential, None, nominal)

    def slope(self, potential, mass, nominal):
        return np.where(potential > 0, self.low, self.high) * potential


def as_penalties(function, marginal_penalty):
    """Return the penalties of rows and columns, or None where both are exact."""
    pair = marginal_penalty if isinstance(marginal_penalty, tuple) else (marginal_penalty,) * 2
    if len(pair) != 2:
        message = (
            f"{function}: `marginal_penalty` must be one penalty or a pair, of the sources and of "
            f"the targets; got {len(pair)} of them."
        )
        raise ValueError(message)
    sides = tuple(_as_penalty(function, x) for x in pair)
    return None if all(isinstance(side, Exact) for side in sides) else sides


def check_balance(function, a, b, penalties):
    """Refuse masses that no plan can have, whatever its support."""
    low, high = zip(*(side.limits for side in penalties), strict=True)
    given, taken = float(a.sum()), float(b.sum())
    slack = 1 + 5e-10
    if low[0] * given > high[1] * taken * slack or low[1] * taken > high[0] * given * slack:
        message = (
            f"{function}: `marginal_penalty` must let the masses of both sides be equal; got "
            f"{low[0] * given:g} to {high[0] * given:g} of the sources and {low[1] * taken:g} to "
            f"{high[1] * taken:g} of the targets; widen the bounds or rescale `a` or `b`."
        )
        raise ValueError(message)


def _as_penalty(function, x):
    if x is None:
        return Exact()
    if isinstance(x, Penalty):
        return x
    if isinstance(x, bool) or not isinstance(x, (int, float, np.number)):
        message = (
            f"{function}: `marginal_penalty` must be a KLPenalty, L2Penalty, MassBounds, a number "
            f"(that of a KLPenalty) or None; got {x!r}."
        )
        raise TypeError(message)
    if x == np.inf:
        return Exact()
    return KLPenalty(as_real(function, "marginal_penalty", x, low=0.0, strict=True, sized=True))  # pyright: ignore[reportArgumentType]
