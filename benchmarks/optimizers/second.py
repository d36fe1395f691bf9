"""A second set: what Moré, Garbow and Hillstrom have besides, and functions of Toint and Powell.

Used to check an order of solvers that was found on the first set. The constants of pattern search
were chosen by the first set and its variants, but this one was measured between versions: it is no
untouched test.

Least-squares functions are from ACM TOMS 7, 1981, doi 10.1145/355934.355936, where the numbers in
the comments are theirs; the others are among the functions of M. J. D. Powell, "The NEWUOA software
for unconstrained optimization without derivatives", 2006, doi 10.1007/0-387-30065-1_16, and of
CUTEr. ``SECOND`` maps names to (function of x, start as a function of n, sizes).
"""

import numpy as np

__all__ = ["SECOND"]


def squares(residuals):
    """The function that adds up the squares of the residuals."""
    return lambda x: float((residuals(x) ** 2).sum())


def _neighbours(x):
    return np.append(0.0, x[:-1]), np.append(x[1:], 0.0)


def _steps(n):
    return np.arange(1, n + 1) / (n + 1)


def _powell_badly_scaled(x):  # 3
    return np.array([1e4 * x[0] * x[1] - 1, np.exp(-x).sum() - 1.0001])


def _brown_badly_scaled(x):  # 4
    return np.array([x[0] - 1e6, x[1] - 2e-6, x[0] * x[1] - 2])


def _beale(x):  # 5
    return np.array([1.5, 2.25, 2.625]) - x[0] * (1 - x[1] ** np.arange(1, 4))


def _gaussian(x):  # 9
    half = [0.0009, 0.0044, 0.0175, 0.0540, 0.1295, 0.2420, 0.3521]
    t = (8 - np.arange(1, 16)) / 2
    return x[0] * np.exp(-x[1] * (t - x[2]) ** 2 / 2) - np.array([*half, 0.3989, *half[::-1]])


def _gulf(x):  # 11
    t = np.arange(1, 11) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    return np.exp(-(np.abs(y - x[1]) ** x[2]) / x[0]) - t


def _wood(x):  # 14
    return np.array(
        [
            10 * (x[1] - x[0] ** 2),
            1 - x[0],
            np.sqrt(90) * (x[3] - x[2] ** 2),
            1 - x[2],
            np.sqrt(10) * (x[1] + x[3] - 2),
            (x[1] - x[3]) / np.sqrt(10),
        ]
    )


def _biggs(x):  # 18
    t = np.arange(1, 14) / 10
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x[2] * np.exp(-t * x[0]) - x[3] * np.exp(-t * x[1]) + x[5] * np.exp(-t * x[4]) - y


def _rosenbrock(x):  # 21
    return np.append(10 * (x[1::2] - x[::2] ** 2), 1 - x[::2])


def _powell_singular(x):  # 22
    a, b, c, d = x.reshape(-1, 4).T
    return np.concatenate(
        [a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2]
    )


def _penalty_1(x):  # 23
    return np.append(np.sqrt(1e-5) * (x - 1), x @ x - 0.25)


def _penalty_2(x):  # 24
    n = len(x)
    e, own = np.exp(x / 10), np.exp(np.arange(1, n + 1) / 10)
    rises = np.append(e[1:] + e[:-1] - own[1:] - own[:-1], e[1:] - np.exp(-0.1))
    return np.concatenate([[x[0] - 0.2], np.sqrt(1e-5) * rises, [np.arange(n, 0, -1) @ x**2 - 1]])


def _variably_dimensioned(x):  # 25
    total = np.arange(1, len(x) + 1) @ (x - 1)
    return np.append(x - 1, [total, total**2])


def _trigonometric(x):  # 26
    i = np.arange(1, len(x) + 1)
    return len(x) - np.cos(x).sum() + i * (1 - np.cos(x)) - np.sin(x)


def _boundary_value(x):  # 28
    before, after = _neighbours(x)
    t = _steps(len(x))
    return 2 * x - before - after + (x + t + 1) ** 3 / (2 * (len(x) + 1) ** 2)


def _integral_equation(x):  # 29
    t = _steps(len(x))
    cubes = (x + t + 1) ** 3
    left = np.cumsum(t * cubes)
    right = ((1 - t) * cubes).sum() - np.cumsum((1 - t) * cubes)
    return x + ((1 - t) * left + t * right) / (2 * (len(x) + 1))


def _broyden_tridiagonal(x):  # 30
    before, after = _neighbours(x)
    return (3 - 2 * x) * x - before - 2 * after + 1


def _broyden_banded(x):  # 31
    i = np.arange(len(x))
    gap = i - i[:, None]
    near = (gap >= -5) & (gap <= 1) & (gap != 0)
    return x * (2 + 5 * x**2) + 1 - near @ (x * (1 + x))


def _arwhead(x):
    return float(((x[:-1] ** 2 + x[-1] ** 2) ** 2 - 4 * x[:-1] + 3).sum())


def _chained_rosenbrock(x):
    return float((4 * (x[:-1] - x[1:] ** 2) ** 2 + (1 - x[1:]) ** 2).sum())


def _engval1(x):
    return float(((x[:-1] ** 2 + x[1:] ** 2) ** 2 - 4 * x[:-1] + 3).sum())


def _nondquar(x):
    ends = (x[0] - x[1]) ** 2 + (x[-2] + x[-1]) ** 2
    return float(ends + ((x[:-2] + x[1:-1] + x[-1]) ** 4).sum())


def _liarwhd(x):
    return float((4 * (x**2 - x[0]) ** 2 + (x - 1) ** 2).sum())


def _power(x):
    return float(((np.arange(1, len(x) + 1) * x) ** 2).sum())


def _tridia(x):
    weights = np.arange(2, len(x) + 1)
    return float((x[0] - 1) ** 2 + (weights * (2 * x[1:] - x[:-1]) ** 2).sum())


def _dqrtic(x):
    return float(((x - np.arange(1, len(x) + 1)) ** 4).sum())


def _sinquad(x):
    middle = np.sin(x[1:-1] - x[-1]) - x[0] ** 2 + x[1:-1] ** 2
    return float((x[0] - 1) ** 4 + (middle**2).sum() + (x[-1] ** 2 - x[0] ** 2) ** 2)


def _fixed(*values):
    return lambda n: np.array(values, float)


def _all(value):
    return lambda n: np.full(n, float(value))


def _bump(n):
    return _steps(n) * (_steps(n) - 1)


SECOND = {
    "Powell badly scaled": (squares(_powell_badly_scaled), _fixed(0, 1), (2,)),
    "Brown badly scaled": (squares(_brown_badly_scaled), _all(1), (2,)),
    "Beale": (squares(_beale), _all(1), (2,)),
    "Gaussian": (squares(_gaussian), _fixed(0.4, 1, 0), (3,)),
    "Gulf": (squares(_gulf), _fixed(5, 2.5, 0.15), (3,)),
    "Wood": (squares(_wood), _fixed(-3, -1, -3, -1), (4,)),
    "Biggs": (squares(_biggs), _fixed(1, 2, 1, 1, 1, 1), (6,)),
    "Rosenbrock": (squares(_rosenbrock), lambda n: np.tile([-1.2, 1], n // 2), (6, 10)),
    "Powell singular": (
        squares(_powell_singular), lambda n: np.tile([3.0, -1, 0, 1], n // 4), (8, 12)
    ),
    "penalty I": (squares(_penalty_1), lambda n: np.arange(1.0, n + 1), (4, 10)),
    "penalty II": (squares(_penalty_2), _all(0.5), (4, 10)),
    "variably dimensioned": (
        squares(_variably_dimensioned), lambda n: 1 - np.arange(1, n + 1) / n, (6, 10)
    ),
    "trigonometric": (squares(_trigonometric), lambda n: np.full(n, 1 / n), (5, 10)),
    "boundary value": (squares(_boundary_value), _bump, (8, 12)),
    "integral equation": (squares(_integral_equation), _bump, (8, 12)),
    "Broyden tridiagonal": (squares(_broyden_tridiagonal), _all(-1), (7, 12)),
    "Broyden banded": (squares(_broyden_banded), _all(-1), (7, 12)),
    "ARWHEAD": (_arwhead, _all(1), (6, 12)),
    "chained Rosenbrock": (_chained_rosenbrock, _all(-1), (6, 12)),
    "ENGVAL1": (_engval1, _all(2), (6, 12)),
    "NONDQUAR": (_nondquar, lambda n: np.resize([1.0, -1.0], n), (8,)),
    "LIARWHD": (_liarwhd, _all(4), (6, 10)),
    "POWER": (_power, _all(1), (8,)),
    "TRIDIA": (_tridia, _all(1), (10,)),
    "DQRTIC": (_dqrtic, _all(2), (8,)),
    "SINQUAD": (_sinquad, _all(0.1), (5, 8)),
}  # fmt: skip
