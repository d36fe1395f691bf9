"""Random problems for kernels, and the loop that every caller of `prox_columns` runs."""

import importlib
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from otopt._kernels.layout import CandidateLists, ColumnSolutions

FILES = ("numba_cpu",)  # every kernel file but the reference, which judges them


def load(name):
    return importlib.import_module(f"otopt._kernels.{name}")


class Columns(NamedTuple):
    """Independent column problems."""

    alpha: NDArray
    Ct: NDArray
    b: NDArray
    k: NDArray
    reg: float
    mu: float
    rng: np.random.Generator


COSTS = ("random", "ties", "constant", "float32")


def random_columns(seed, n, m, k, *, cost="random", reg=1.0, mu=0.1):
    rng = np.random.default_rng(seed)
    if cost == "ties":
        Ct, alpha = rng.integers(0, 3, (m, n)).astype(float), rng.integers(-1, 2, n).astype(float)
    elif cost == "constant":
        Ct, alpha = np.full((m, n), rng.normal()), np.zeros(n)
    else:
        Ct, alpha = rng.random((m, n)), rng.normal(scale=0.3, size=n)
    Ct = Ct.astype(np.float32) if cost == "float32" else Ct
    # Masses that spread a column over one entry, some, or all of them.
    b = 10.0 ** rng.uniform(-3, 1, m) * rng.choice([0.01, 1.0]) / (reg + mu)
    return Columns(alpha, Ct, b, np.full(m, k), reg, mu, rng)


@st.composite
def column_problems(draw, costs=COSTS, regs=(0.1, 1.0, 10.0), mus=(1e-3, 0.1, 1.0)):
    """Column problems of all shapes; a few are longer than the blocks that kernels scan in."""
    n = draw(st.one_of(st.integers(1, 12), st.integers(1, 700)))
    m = draw(st.integers(1, 6))
    each = st.lists(st.integers(1, n), min_size=m, max_size=m)
    k = draw(st.one_of(st.just(1), st.just(n), st.integers(1, n), each))
    return random_columns(
        draw(st.integers(0, 2**32 - 1)), n, m, k, cost=draw(st.sampled_from(costs)),
        reg=draw(st.sampled_from(regs)), mu=draw(st.sampled_from(mus)),
    )  # fmt: skip


class Prox:
    """The state of one caller of `prox_columns`: lists that grow on request."""

    def __init__(self, kernels, problem, *, capacity=None, lists=None, workers=1):
        self.kernels, self.problem, self.workers = kernels, problem, workers
        n, m = len(problem.alpha), len(problem.b)
        if lists is None:
            lists = CandidateLists.empty(m, min(n, capacity))
            lists.margin[:] = 0.2 * (problem.reg + problem.mu) * problem.b
        self.lists = lists
        self.columns = ColumnSolutions.empty(m, lists.rows.shape[1])
        self.alpha = np.zeros(n)
        self.refusals = 0

    def evaluate(self, alpha):
        p = self.problem
        rise = float((alpha - self.alpha).max())
        self.alpha = alpha
        while True:
            value, need = self.kernels.prox_columns(
                alpha, rise, p.Ct, p.b, p.k, p.reg, p.mu, self.lists, self.columns, self.workers
            )
            if need == 0:
                return value
            width = self.lists.rows.shape[1]
            assert need > width
            assert width < len(alpha), "n entries always suffice"
            self.refusals += 1
            self.lists = self.lists.enlarged(min(len(alpha), width + 3))
            self.columns = ColumnSolutions.empty(len(p.b), self.lists.rows.shape[1])
            rise = 0.0

    def recentre(self):
        self.lists.centre[:] = np.where(self.in_use, self.columns.mass, 0.0)

    @property
    def in_use(self):
        return np.arange(self.lists.rows.shape[1]) < self.lists.count[:, None]

    def dense(self, values):
        """Values at list slots as an array (m, n)."""
        column, slot = np.nonzero(self.in_use)
        full = np.zeros((len(self.lists.rows), len(self.alpha)))
        full[column, self.lists.rows[column, slot]] = values[column, slot]
        return full


def sparse_lists(problem, density=0.5):
    """The cost of a problem as lists that are complete: every entry not listed is forbidden."""
    rng = problem.rng
    m, n = problem.Ct.shape
    listed = rng.random((m, n)) < density
    listed[np.arange(m), rng.integers(0, n, m)] = True
    lists = CandidateLists.empty(m, listed.sum(axis=1).max())
    lists.count[:] = listed.sum(axis=1)
    lists.bound[:] = -np.inf
    for j in range(m):
        rows = rng.permutation(np.flatnonzero(listed[j]))
        lists.rows[j, : len(rows)] = rows
        lists.cost[j, : len(rows)] = problem.Ct[j, rows]
        lists.centre[j, : len(rows)] = problem.b[j] * rng.random(len(rows)) / len(rows)
    return lists
