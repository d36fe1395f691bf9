"""The grid: two Gaussian clouds in the plane, squared distance over its maximum, random masses."""

from dataclasses import dataclass

import numpy as np

SIZES = ((1000, 1000), (4000, 4000), (4096, 64))
QUICK_SIZES = ((300, 300), (1024, 32))
REGS = (0.1, 0.01, 0.001)
TINY_REGS = (1e-4, 1e-5)


@dataclass(frozen=True)
class Cell:
    """One problem of the grid; reg over the largest cost."""

    n: int
    m: int
    reg: float

    def points(self, seed=0):
        rng = np.random.default_rng([seed, self.n, self.m])
        x = rng.normal(size=(self.n, 2))
        y = rng.normal(size=(self.m, 2)) @ np.array([[1.0, 0.3], [0.3, 0.6]]) + 1.0
        a, b = rng.uniform(0.5, 1.5, self.n), rng.uniform(0.5, 1.5, self.m)
        return a / a.sum(), b / b.sum(), x, y

    def arrays(self, seed=0):
        a, b, x, y = self.points(seed)
        C = np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0.0)
        return a, b, np.ascontiguousarray(C / C.max())


def grid(quick=False):
    return [Cell(n, m, reg) for n, m in (QUICK_SIZES if quick else SIZES) for reg in REGS]


def tiny(quick=False):
    n = 200 if quick else 1000
    return [Cell(n, n, reg) for reg in TINY_REGS]


def batch(count=256, n=64, reg=0.01, seed=0):
    """Clouds with uniform masses; every cost over its maximum."""
    rng = np.random.default_rng([seed, count, n])
    x = rng.normal(size=(count, n, 2))
    y = rng.normal(size=(count, n, 2)) + 0.5
    C = ((x[:, :, None] - y[:, None]) ** 2).sum(axis=-1)
    C /= C.max(axis=(1, 2), keepdims=True)
    masses = np.full((count, n), 1 / n)
    return masses, masses.copy(), C, reg
