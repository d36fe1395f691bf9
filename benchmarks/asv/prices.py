"""Time of the prices that balance choices, and of rounding within capacities."""

import numpy as np

import otopt


class Routing:
    params = ([(4096, 64), (16384, 256)], [1, 8])
    param_names = ("shape", "k")

    def setup(self, shape, k):
        n, m = shape
        self.scores = np.random.default_rng(0).normal(size=shape) + np.linspace(0, 1, m)
        self.capacity = n * k // m
        self.prices = otopt.solve_prices(self.scores, k)
        otopt.assign(self.scores, self.prices, k, self.capacity, policy="repair")

    def time_prices(self, shape, k):
        otopt.solve_prices(self.scores, k)

    def time_assign(self, shape, k):
        otopt.assign(self.scores, self.prices, k, self.capacity, policy="repair")
