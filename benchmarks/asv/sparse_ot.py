"""Time and peak memory of `otopt.sparse_ot` on Gaussian clouds."""

import numpy as np

import otopt


class SparseOT:
    params = ([(200, 200), (400, 100), (500, 500)], [2, 8], ["uniform", "random"])
    param_names = ("shape", "k", "weights")
    timeout = 120

    def setup(self, shape, k, weights):
        n, m = shape
        if k * m < n + m - 1:
            raise NotImplementedError("no k-sparse plan for generic weights")  # asv: skip this cell
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 1.0
        self.C = ((x[:, None] - y[None]) ** 2).sum(axis=2)
        self.C /= self.C.max()
        self.a, self.b = np.full(n, 1 / n), np.full(m, 1 / m)
        if weights == "random":
            self.a, self.b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
        otopt.sparse_ot([0.5, 0.5], [0.5, 0.5], np.eye(2), k=2)  # compile outside the clock

    def time_solve(self, shape, k, weights):
        otopt.sparse_ot(self.a, self.b, self.C, k, reg=1.0)

    def peakmem_solve(self, shape, k, weights):
        otopt.sparse_ot(self.a, self.b, self.C, k, reg=1.0)

    def track_gap(self, shape, k, weights):
        return otopt.sparse_ot(self.a, self.b, self.C, k, reg=1.0).gap
