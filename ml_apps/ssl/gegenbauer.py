"""Gegenbauer polynomials of the sphere, normalised to 1 at 1: zonal harmonics by inner products.

    (l + q - 3) P_l(t) = (2 l + q - 4) t P_{l-1}(t) - (l - 1) P_{l-2}(t),   P_0 = 1, P_1 = t

on the sphere of R^q. They are orthogonal under the uniform distribution, with
``E P_l(u . v)^2 = 1 / N(q, l)``.
"""

import math

__all__ = ["coefficients", "dimension", "evaluate"]


def coefficients(weights, q):
    """Power-basis coefficients of ``sum_l w_l P_l``.

    Parameters
    ----------
    weights : sequence of float
        w_1, w_2, ...; there is no w_0.
    q : int
        Dimension of the space, >= 2.

    Returns
    -------
    list of float
        Constant first.

    Examples
    --------
    >>> from ml_apps.ssl.gegenbauer import coefficients
    >>> coefficients([0, 1], q=3)  # (3 t^2 - 1) / 2, Legendre's
    [-0.5, 0.0, 1.5]
    """
    if q < 2:
        raise ValueError(f"gegenbauer: q must be an integer >= 2; got {q!r}")
    total = [0.0] * (len(weights) + 1)
    before, now = [1.0], [0.0, 1.0]
    for order, weight in enumerate(weights, start=1):
        for power, c in enumerate(now):
            total[power] += weight * c
        rise, fall = (2 * order + q - 2), order
        following = [0.0] + [rise * c / (order + q - 2) for c in now]
        for power, c in enumerate(before):
            following[power] -= fall * c / (order + q - 2)
        before, now = now, following
    return total


def evaluate(t, weights, q):
    """``sum_l w_l P_l(t)``, by Horner's rule: one polynomial, whatever the number of orders.

    Parameters
    ----------
    t : Tensor or ndarray
        Inner products of unit vectors.
    weights : sequence of float
        w_1, w_2, ...
    q : int
        Dimension of the space, >= 2.

    Returns
    -------
    Tensor or ndarray
        Of the shape of `t`.
    """
    *lower, top = coefficients(weights, q)
    value = top * t if lower else top
    for place, c in enumerate(reversed(lower)):
        value = value + c if place == len(lower) - 1 else (value + c) * t
    return value


def dimension(q, order):
    """N(q, l): the dimension of the harmonic polynomials of this order on the sphere of R^q.

    Parameters
    ----------
    q, order : int

    Returns
    -------
    int

    Examples
    --------
    >>> from ml_apps.ssl.gegenbauer import dimension
    >>> [dimension(3, order) for order in (1, 2, 3)]
    [3, 5, 7]
    """
    if order == 0:
        return 1
    whole = math.comb(order + q - 1, q - 1)
    return whole - (math.comb(order + q - 3, q - 1) if order >= 2 else 0)
