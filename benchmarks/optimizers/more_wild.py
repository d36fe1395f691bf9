"""The 53 problems of Moré and Wild: 22 nonlinear least-squares functions and their starts.

J. J. Moré, S. M. Wild, "Benchmarking derivative-free optimization algorithms", SIAM Journal on
Optimization 20, 2009, doi 10.1137/080724083. Functions 1 to 18 are from J. J. Moré, B. S. Garbow,
K. E. Hillstrom, "Testing unconstrained optimization software", ACM TOMS 7, 1981,
doi 10.1145/355934.355936 (their data is copied from the tables there), the others from CUTEr. Every
function takes x (n,) and the number of residuals m, and returns the residuals (m,).
"""

import numpy as np

__all__ = ["NON_NEGATIVE", "RESIDUALS", "ROWS", "start"]

BARD = np.array(
    [.14, .18, .22, .25, .29, .32, .35, .39, .37, .58, .73, .96, 1.34, 2.10, 4.39]
)  # fmt: skip
KOWALIK_U = np.array([4, 2, 1, .5, .25, .167, .125, .1, .0833, .0714, .0625])  # fmt: skip
KOWALIK_Y = np.array(
    [.1957, .1947, .1735, .16, .0844, .0627, .0456, .0342, .0323, .0235, .0246]
)  # fmt: skip
MEYER = np.array(
    [34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744, 8261, 7030, 6005, 5147, 4427, 3820,
     3307, 2872.0]
)  # fmt: skip
OSBORNE_1 = np.array(
    [.844, .908, .932, .936, .925, .908, .881, .850, .818, .784, .751, .718, .685, .658, .628, .603,
     .580, .558, .538, .522, .506, .490, .478, .467, .457, .448, .438, .431, .424, .420, .414, .411,
     .406]
)  # fmt: skip
OSBORNE_2 = np.array(
    [1.366, 1.191, 1.112, 1.013, .991, .885, .831, .847, .786, .725, .746, .679, .608, .655, .616,
     .606, .602, .626, .651, .724, .649, .649, .694, .644, .624, .661, .612, .558, .533, .495, .500,
     .423, .395, .375, .372, .391, .396, .405, .428, .429, .523, .562, .607, .653, .672, .708, .633,
     .668, .645, .632, .591, .559, .597, .625, .739, .710, .729, .720, .636, .581, .428, .292, .162,
     .098, .054]
)  # fmt: skip


def _linear(x, m):
    residuals = np.full(m, -2 * x.sum() / m - 1)
    residuals[: len(x)] += x
    return residuals


def _linear_rank_1(x, m):
    return np.arange(1, m + 1) * (np.arange(1, len(x) + 1) @ x) - 1


def _linear_rank_1_with_zeros(x, m):
    total = np.arange(2, len(x)) @ x[1:-1]
    return np.append(np.arange(m - 1) * total, 0.0) - 1


def _rosenbrock(x, m):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def _helical_valley(x, m):
    if x[0] == 0:
        turn = 0.25 if x[1] else 0.0
    else:
        turn = np.arctan(x[1] / x[0]) / (2 * np.pi) + (0.5 if x[0] < 0 else 0.0)
    return np.array([10 * (x[2] - 10 * turn), 10 * (np.hypot(x[0], x[1]) - 1), x[2]])


def _powell_singular(x, m):
    return np.array(
        [
            x[0] + 10 * x[1],
            np.sqrt(5) * (x[2] - x[3]),
            (x[1] - 2 * x[2]) ** 2,
            np.sqrt(10) * (x[0] - x[3]) ** 2,
        ]
    )


def _freudenstein_roth(x, m):
    a, b = x
    return np.array([-13 + a + ((5 - b) * b - 2) * b, -29 + a + ((1 + b) * b - 14) * b])


def _bard(x, m):
    u = np.arange(1, 16)
    v = 16 - u
    return BARD - (x[0] + u / (v * x[1] + np.minimum(u, v) * x[2]))


def _kowalik_osborne(x, m):
    u = KOWALIK_U
    return KOWALIK_Y - x[0] * (u * (u + x[1])) / (u * (u + x[2]) + x[3])


def _meyer(x, m):
    return x[0] * np.exp(x[1] / (5 * np.arange(1, 17) + 45 + x[2])) - MEYER


def _watson(x, m):
    j = np.arange(len(x))
    t = np.arange(1, 30)[:, None] / 29
    slope = (j[1:] * t ** (j[1:] - 1)) @ x[1:]
    return np.append(slope - (t**j @ x) ** 2 - 1, [x[0], x[1] - x[0] ** 2 - 1])


def _box(x, m):
    i = np.arange(1, m + 1)
    t = i / 10
    return np.exp(-t * x[0]) - np.exp(-t * x[1]) + (np.exp(-i) - np.exp(-t)) * x[2]


def _jennrich_sampson(x, m):
    i = np.arange(1, m + 1)
    return 2 + 2 * i - np.exp(i * x[0]) - np.exp(i * x[1])


def _brown_dennis(x, m):
    t = np.arange(1, m + 1) / 5
    return (x[0] + t * x[1] - np.exp(t)) ** 2 + (x[2] + np.sin(t) * x[3] - np.cos(t)) ** 2


def _chebyquad(x, m):
    before, now = np.ones(len(x)), 2 * x - 1
    double = 2 * now
    residuals = np.empty(m)
    for i in range(m):
        residuals[i] = now.mean()
        before, now = now, double * now - before
    even = np.arange(2, m + 1, 2)
    residuals[even - 1] += 1 / (even**2 - 1)
    return residuals


def _brown_almost_linear(x, m):
    residuals = x + x.sum() - (len(x) + 1)
    residuals[-1] = x.prod() - 1
    return residuals


def _osborne_1(x, m):
    t = 10 * np.arange(33)
    return OSBORNE_1 - (x[0] + x[1] * np.exp(-t * x[3]) + x[2] * np.exp(-t * x[4]))


def _osborne_2(x, m):
    t = np.arange(65)[:, None] / 10
    peaks = np.exp(-x[5:8] * (t - x[8:11]) ** 2) @ x[1:4]
    return OSBORNE_2 - x[0] * np.exp(-t[:, 0] * x[4]) - peaks


def _bdqrtic(x, m):
    s, k = x**2, len(x) - 4
    quartic = s[:k] + 2 * s[1 : k + 1] + 3 * s[2 : k + 2] + 4 * s[3 : k + 3] + 5 * s[-1]
    return np.append(3 - 4 * x[:k], quartic)


def _cube(x, m):
    return np.append(x[0] - 1, 10 * (x[1:] - x[:-1] ** 3))


def _mancino_sum(root):
    return (root * (np.sin(np.log(root)) ** 5 + np.cos(np.log(root)) ** 5)).sum(axis=1)


def _mancino(x, m):
    i = np.arange(1, len(x) + 1)
    root = np.sqrt(x[:, None] ** 2 + i[:, None] / i)
    return 1400 * x + (i - 50) ** 3 + _mancino_sum(root)


def _heart(x, m):
    # The sums are the real and imaginary parts of sum_k (a_k + i b_k) (c_k + i d_k)^p.
    z, w = x[:2] + 1j * x[2:4], x[4:6] + 1j * x[6:8]
    moments = [(z * w**p).sum() for p in range(4)]
    observed = [-0.69 - 0.044j, -1.57 - 1.31j, -2.65 + 2j, -12.6 + 9.48j]
    difference = np.array(moments) - observed
    return np.stack([difference.real, difference.imag], axis=1).ravel()


RESIDUALS = (
    _linear, _linear_rank_1, _linear_rank_1_with_zeros, _rosenbrock, _helical_valley,
    _powell_singular, _freudenstein_roth, _bard, _kowalik_osborne, _meyer, _watson, _box,
    _jennrich_sampson, _brown_dennis, _chebyquad, _brown_almost_linear, _osborne_1, _osborne_2,
    _bdqrtic, _cube, _mancino, _heart,
)  # fmt: skip
# Whose nonsmooth variant is evaluated at max(x, 0).
NON_NEGATIVE = {8, 9, 13, 16, 17, 18}

STARTS = {
    4: [-1.2, 1], 5: [-1, 0, 0], 6: [3, -1, 0, 1], 7: [0.5, -2], 8: [1, 1, 1],
    9: [0.25, 0.39, 0.415, 0.39], 10: [0.02, 4000, 250], 12: [0, 10, 20], 13: [0.3, 0.4],
    14: [25, 5, -5, -1], 17: [0.5, 1.5, 1, 0.01, 0.02],
    18: [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5],
    22: [-0.3, -0.39, 0.3, -0.344, -1.2, 2.69, 1.59, -1.5],
}  # fmt: skip


def start(number, n):
    """The standard start of a function of n variables."""
    i = np.arange(1, n + 1)
    if number in (1, 2, 3, 19):
        return np.ones(n)
    if number in (11, 16, 20):
        return np.full(n, 0.5)
    if number == 15:
        return i / (n + 1)
    if number == 21:
        return -8.710996e-4 * ((i - 50) ** 3 + _mancino_sum(np.sqrt(i[:, None] / i)))
    return np.array(STARTS[number], float)


# (function, n, m, scales of the start)
ROWS = [
    (number, n, m, scale)
    for number, n, m, scales in (
        (1, 9, 45, (1, 10)), (2, 7, 35, (1, 10)), (3, 7, 35, (1, 10)), (4, 2, 2, (1, 10)),
        (5, 3, 3, (1, 10)), (6, 4, 4, (1, 10)), (7, 2, 2, (1, 10)), (8, 3, 15, (1, 10)),
        (9, 4, 11, (1,)), (10, 3, 16, (1,)), (11, 6, 31, (1, 10)), (11, 9, 31, (1, 10)),
        (11, 12, 31, (1, 10)), (12, 3, 10, (1,)), (13, 2, 10, (1,)), (14, 4, 20, (1, 10)),
        (15, 6, 6, (1,)), (15, 7, 7, (1,)), (15, 8, 8, (1,)), (15, 9, 9, (1,)), (15, 10, 10, (1,)),
        (15, 11, 11, (1,)), (16, 10, 10, (1,)), (17, 5, 33, (1,)), (18, 11, 65, (1, 10)),
        (19, 8, 8, (1,)), (19, 10, 12, (1,)), (19, 11, 14, (1,)), (19, 12, 16, (1,)),
        (20, 5, 5, (1,)), (20, 6, 6, (1,)), (20, 8, 8, (1,)), (21, 5, 5, (1, 10)), (21, 8, 8, (1,)),
        (21, 10, 10, (1,)), (21, 12, 12, (1, 10)), (22, 8, 8, (1, 10)),
    )
    for scale in scales
]  # fmt: skip
