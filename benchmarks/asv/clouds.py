"""Costs and masses that the timings share."""

import numpy as np


def gaussian(n, m):
    """Masses a, b and the cost between two clouds in the plane."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + 1.0
    C = ((x[:, None] - y[None]) ** 2).sum(axis=2)
    return rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), C / C.max()
