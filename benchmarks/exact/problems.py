"""The grid: families of costs that suit or hurt a network simplex; masses sum to 1."""

from dataclasses import dataclass

import numpy as np

from benchmarks.sparse_ot.problems import router

FAMILIES = ("plane", "grid", "10-D", "noise", "integers", "clusters", "router")
SIZES = (500, 1000, 2000, 4000, 8000)
WEIGHTS = ("uniform", "random")
TALL = (4096, 64)
LARGEST = {"plane": 8000}  # elsewhere 4000: a solve by POT takes half a minute at 8000


@dataclass(frozen=True)
class Cell:
    """One problem of the grid."""

    family: str
    n: int
    m: int
    weights: str

    def arrays(self, seed=0):
        """Masses and cost."""
        rng = np.random.default_rng([seed, self.n, self.m])
        if self.family == "grid":
            return self._images(rng)
        C = COSTS[self.family](self.n, self.m, rng)
        if self.weights == "uniform":
            return np.full(self.n, 1 / self.n), np.full(self.m, 1 / self.m), C
        a, b = rng.uniform(0.001, 1, self.n), rng.uniform(0.001, 1, self.m)
        return a / a.sum(), b / b.sum(), C

    def _images(self, rng):
        """Two grey images on one square grid: smooth blobs, or noise of uniform brightness."""
        side = round(self.n**0.5)
        x = np.stack(np.divmod(np.arange(side**2), side), axis=1).astype(float)
        C = np.rint(squared_distances(x, x))

        def image():
            if self.weights == "uniform":  # every pixel between 0.001 and 1
                f = rng.uniform(0.001, 1, side**2)
            else:
                f = np.zeros(side**2)
                for _ in range(6):
                    centre, width = rng.random(2) * side, rng.uniform(0.05, 0.2) * side
                    d = ((x - centre) ** 2).sum(axis=1)
                    f += rng.random() * np.exp(-d / (2 * width**2))
                f += 1e-3 * f.max() * rng.random(side**2)
            return f / f.sum()

        return image(), image(), C


def squared_distances(x, y):
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0.0)


def plane(n, m, rng):
    """Two overlapping squares, squared distance."""
    return squared_distances(rng.random((n, 2)), rng.random((m, 2)) * 0.8 + 0.3)


def ten_dimensions(n, m, rng):
    """Two Gaussian clouds in ten dimensions, squared distance."""
    return squared_distances(rng.normal(size=(n, 10)), rng.normal(size=(m, 10)) + 0.5)


def noise(n, m, rng):
    """Independent uniform costs: nothing to coarsen."""
    return rng.random((n, m))


def integers(n, m, rng):
    """Independent integers below 100: ties everywhere."""
    return rng.integers(0, 100, (n, m)).astype(float)


def clusters(n, m, rng):
    """Ten clusters of points in the plane on either side, squared distance."""
    x, y = rng.random((2, 10, 2)) * 10
    sources = x[rng.integers(10, size=n)] + 0.3 * rng.normal(size=(n, 2))
    targets = y[rng.integers(10, size=m)] + 0.3 * rng.normal(size=(m, 2))
    return squared_distances(sources, targets)


COSTS = {
    "plane": plane,
    "10-D": ten_dimensions,
    "noise": noise,
    "integers": integers,
    "clusters": clusters,
    "router": router,
}


def _size(family, n):
    return round(n**0.5) ** 2 if family == "grid" else n


def grid(quick=False):
    """All cells, or a few of every kind."""
    sizes = (500,) if quick else SIZES
    cells = [
        Cell(family, _size(family, n), _size(family, n), weights)
        for n in sizes
        for family in FAMILIES
        for weights in WEIGHTS
        if n <= LARGEST.get(family, 4000)
    ]
    tall = [Cell(f, *TALL, w) for f in FAMILIES if f != "grid" for w in WEIGHTS]
    return cells + (tall[:2] if quick else tall)


def assignments(quick=False):
    """Square problems with unit masses."""
    return [
        Cell(family, n, n, "uniform")
        for n in ((500,) if quick else (1000, 2000))
        for family in ("plane", "10-D", "noise", "integers")
    ]
