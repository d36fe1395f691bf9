r"""The modified Bessel function without its singular factor: ``h_nu(k) = log I_nu(k) - nu log k``.

h is smooth at k = 0. For large orders it is Debye's uniform expansion (DLMF 10.41.3) with the
logarithms of k cancelled on paper,

    h_nu(k) ~ nu (s - log(1 + s) - log nu) - log(2 pi nu s) / 2 + log sum_j U_j(1 / s) / nu^j,
    s = sqrt(1 + (k / nu)^2),

and small orders come down from large ones by ``I_{nu-1} = I_{nu+1} + (2 nu / k) I_nu``, in the
direction in which that is stable.
"""

import math
from fractions import Fraction

import torch

__all__ = ["log_bessel", "ratio_over_argument"]

TERMS = 6
LEAST_ORDER = 24  # from here on six terms are exact to 1e-10


def _expansion(count):
    """Coefficients of U_1 to U_count by powers of t (DLMF 10.41.9), exact, then rounded.

    U_{j+1} = t^2 (1 - t^2) U_j' / 2 + int_0^t (1 - 5 s^2) U_j(s) ds / 8.
    """
    U, all_of_them = {0: Fraction(1)}, []
    for _ in range(count):
        following = {}
        for power, c in U.items():
            for step, factor in (
                (1, Fraction(power, 2) + Fraction(1, 8 * (power + 1))),
                (3, -Fraction(power, 2) - Fraction(5, 8 * (power + 3))),
            ):
                following[power + step] = following.get(power + step, 0) + c * factor
        U = following
        all_of_them.append([float(U[power]) for power in sorted(U)])
    return all_of_them


EXPANSION = _expansion(TERMS)


def _debye(order, kappa):
    s = torch.sqrt(1 + (kappa / order).square())
    t = 1 / s
    correction = torch.zeros_like(s)
    for coefficients in reversed(EXPANSION):  # U_j = t^j times a polynomial in t^2
        polynomial = torch.zeros_like(s)
        for c in reversed(coefficients):
            polynomial = polynomial * t.square() + c
        correction = (correction + polynomial) * t / order
    return (
        order * (s - torch.log1p(s) - math.log(order))
        - 0.5 * torch.log(2 * math.pi * order * s)
        + torch.log1p(correction)
    )


def _descend(order, kappa):
    """Value of h at a large order; ratios ``I_{mu+1}(k) / (k I_mu(k))`` from there to `order`."""
    top = order + max(0, math.ceil(LEAST_ORDER - order))
    value = _debye(top, kappa)
    ratios = [torch.exp(_debye(top + 1, kappa) - value)]
    while top - len(ratios) >= order:
        upper = top - len(ratios) + 1
        ratios.append(1 / (2 * upper + kappa.square() * ratios[-1]))
    return value, ratios


def log_bessel(order, kappa):
    """Value of h, by autograd differentiable in `kappa` (float64, >= 0)."""
    if order >= LEAST_ORDER:
        return _debye(order, kappa)
    value, ratios = _descend(order, kappa)
    return value - torch.stack(ratios[1:]).log().sum(dim=0)


def ratio_over_argument(order, kappa):
    """``I_{order+1}(k) / (k I_order(k))``, smooth at 0."""
    return _descend(order, kappa)[1][-1]
