"""Time that pattern search spends beside the function, and how often it calls it."""

import numpy as np

import otopt


def rosenbrock(x):
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


class PatternSearch:
    params = ([2, 8],)
    param_names = ("n",)

    def setup(self, n):
        otopt.pattern_search(rosenbrock, np.zeros(n), maxfev=20)

    def time_solve(self, n):
        otopt.pattern_search(rosenbrock, np.zeros(n), maxfev=100 * (n + 1))

    def track_value(self, n):
        return otopt.pattern_search(rosenbrock, np.zeros(n), maxfev=100 * (n + 1)).fun
