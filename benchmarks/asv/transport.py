"""Time of exact and entropic transport, assignment, matching, and transport on a line.

Every setup calls once: kernels are compiled outside the clock.
"""

import numpy as np

import otopt

from .clouds import gaussian


class Exact:
    params = ([(500, 500), (4096, 64)],)
    param_names = ("shape",)
    timeout = 120

    def setup(self, shape):
        self.problem = gaussian(*shape)
        otopt.emd(*self.problem)

    def time_solve(self, shape):
        otopt.emd(*self.problem)

    def peakmem_solve(self, shape):
        otopt.emd(*self.problem)

    def track_nit(self, shape):
        return otopt.emd(*self.problem).nit


class Assignment:
    params = ([200, 1000],)
    param_names = ("n",)

    def setup(self, n):
        self.C = gaussian(n, n)[2]
        otopt.assignment(self.C)

    def time_solve(self, n):
        otopt.assignment(self.C)


class Entropic:
    params = ([0.1, 0.01],)
    param_names = ("reg",)
    timeout = 120

    def setup(self, reg):
        self.problem = gaussian(500, 500)
        otopt.sinkhorn(*self.problem, reg=reg)

    def time_solve(self, reg):
        otopt.sinkhorn(*self.problem, reg=reg)

    def track_nit(self, reg):
        return otopt.sinkhorn(*self.problem, reg=reg).nit


class Batch:
    params = ([1, -1],)
    param_names = ("workers",)
    timeout = 120

    def setup(self, workers):
        a, b, C = gaussian(64, 64)
        self.problem = a, b, np.stack([C * scale for scale in np.linspace(0.5, 1.5, 32)])
        otopt.sparse_ot_batch(*self.problem, k=4, reg=1.0, workers=workers)

    def time_solve(self, workers):
        otopt.sparse_ot_batch(*self.problem, k=4, reg=1.0, workers=workers)


class Matching:
    def setup(self):
        self.S = np.random.default_rng(0).normal(size=(256, 4096))
        otopt.bmatch(self.S, row=4)

    def time_solve(self):
        otopt.bmatch(self.S, row=4)


class Line:
    params = ([(100, 10), (10_000, 10)],)
    param_names = ("shape",)

    def setup(self, shape):
        n, d = shape
        self.A = np.random.default_rng(0).dirichlet(np.ones(n), size=d).T
        otopt.mmot_1d(self.A)

    def time_solve(self, shape):
        otopt.mmot_1d(self.A)
