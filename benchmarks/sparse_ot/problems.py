"""The grid: three kinds of cost, scaled to max 1; masses sum to 1."""

from dataclasses import dataclass

import numpy as np

SIZES = ((100, 100), (500, 500), (1000, 1000), (2000, 2000), (4096, 64), (64, 4096), (2000, 200))
CARDINALITIES = (1, 2, 4, 16)
# Shapes whose few targets need more sources than that before any plan can exist.
MORE_CARDINALITIES = {(4096, 64): (80, 128), (2000, 200): (32,)}
REGS = (0.1, 1.0, 10.0)
COSTS = ("gauss", "colour", "router")
WEIGHTS = ("uniform", "random")


@dataclass(frozen=True)
class Cell:
    """One problem of the grid."""

    n: int
    m: int
    cost: str
    weights: str
    k: int
    reg: float

    @property
    def room(self):
        """Slots over the nonzeros of a forest: k m / (n + m - 1)."""
        return self.k * self.m / (self.n + self.m - 1)

    @property
    def possible(self):
        """Whether counting allows a plan."""
        if self.weights == "uniform":
            return self.k * self.m >= self.n + self.m - np.gcd(self.n, self.m)
        return self.room >= 1

    def arrays(self, seed=0):
        """Masses and cost."""
        rng = np.random.default_rng([seed, self.n, self.m])
        C = COST_FUNCTIONS[self.cost](self.n, self.m, rng)
        C = np.ascontiguousarray(C / C.max())
        if self.weights == "uniform":
            return np.full(self.n, 1 / self.n), np.full(self.m, 1 / self.m), C
        a, b = rng.uniform(0.5, 1.5, self.n), rng.uniform(0.5, 1.5, self.m)
        return a / a.sum(), b / b.sum(), C


def _squared_distances(x, y):
    return np.maximum((x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * x @ y.T, 0.0)


def gauss(n, m, rng):
    """Two Gaussian clouds in the plane, squared distance."""
    x = rng.normal(size=(n, 2))
    y = rng.normal(size=(m, 2)) @ np.array([[1.0, 0.3], [0.3, 0.6]]) + 1.0
    return _squared_distances(x, y)


def colour(n, m, rng):
    """Pixels of two photographs, squared distance of colours."""
    from sklearn.datasets import load_sample_images

    first, second = (image.reshape(-1, 3) / 255.0 for image in load_sample_images().images)
    return _squared_distances(
        first[rng.choice(len(first), n, replace=False)],
        second[rng.choice(len(second), m, replace=False)],
    )


def router(n, m, rng):
    """Tokens and experts: largest minus own probability under a random linear router."""
    width = 32
    centres = rng.normal(size=(max(4, m // 2), width))
    tokens = centres[rng.integers(0, len(centres), n)] + 0.7 * rng.normal(size=(n, width))
    logits = 1.5 * tokens @ rng.normal(size=(width, m)) / np.sqrt(width)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p.max() - p


COST_FUNCTIONS = {"gauss": gauss, "colour": colour, "router": router}


def grid(quick=False):
    """All cells where counting allows a plan, or a few of every kind.

    The full product of costs and regs is run at 100 x 100 and 500 x 500. Elsewhere one solve by
    POT takes seconds: all regs on Gaussian costs, reg = 1 on the others; at 2000 x 2000, where it
    takes a minute, Gaussian costs and reg = 1 only.
    """
    cells = [
        Cell(n, m, cost, weights, k, reg)
        for n, m in SIZES
        for cost in COSTS
        for weights in WEIGHTS
        for k in (*CARDINALITIES, *MORE_CARDINALITIES.get((n, m), ()))
        for reg in REGS
    ]
    cells = [c for c in cells if c.possible and _is_run(c)]
    if quick:
        # At 4096 x 64 one solve by POT alone takes a good part of the minute.
        cells = [
            c for c in cells
            if c.n * c.m <= 300_000 and c.n < 4096 and c.cost != "colour" and c.reg == 1.0
        ]  # fmt: skip
        cells.append(Cell(4096, 64, "router", "uniform", 80, 1.0))
    return cells


def impossible():
    """A few cells that counting rules out: the status has to say so."""
    return [
        Cell(100, 100, "gauss", "random", 1, 1.0),
        Cell(4096, 64, "router", "uniform", 16, 1.0),
        Cell(2000, 200, "colour", "random", 4, 1.0),
    ]


def _is_run(cell):
    if cell.n * cell.m <= 250_000:
        return cell.n < 4096 and cell.m < 4096
    if cell.n * cell.m < 2_000_000:
        return cell.cost == "gauss" or cell.reg == 1.0
    return cell.cost == "gauss" and cell.reg == 1.0
