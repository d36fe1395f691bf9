"""What the compiled solves of small problems do their own way, against the reference kernels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csc_array

from otopt._kernels import _numba_folded as folded
from otopt._kernels import _numba_short as short
from otopt._kernels import _numba_whole as whole
from otopt._kernels import numba_small, reference
from otopt._kernels._numba_cholesky import cholesky_solve
from otopt._kernels.layout import CandidateLists, ColumnSolutions
from otopt._oracles.proximal_dual import ProximalDual
from tests.kernels.cases import Prox, column_problems, random_columns, sparse_lists
from tests.kernels.test_columns import EPS, size_of


class Folded(Prox):
    """A caller of the folded columns instead, within an ascent from `begin` to `end`."""

    def begin(self):
        p = self.problem
        self.state = folded.fold(p.Ct, p.mu, self.lists, self.columns)

    def evaluate(self, alpha):
        p, (m, n) = self.problem, self.shape
        self.alpha = alpha
        gradient = folded.evaluate(
            alpha, np.ones(n), p.b, p.Ct, p.k, p.reg, p.mu, self.state, self.lists, self.columns
        )
        start, rows, _, mass, self.kind = folded.pack(p.Ct, self.state, self.lists, self.columns)
        self.plan = np.zeros((m, n))
        self.plan[np.repeat(np.arange(m), np.diff(start)), rows] = mass
        np.testing.assert_allclose(
            gradient, 1.0 - self.plan.sum(axis=0), rtol=0, atol=1e-13 * (1 + p.b.sum())
        )

    def end(self):
        folded.unfold(self.problem.Ct, self.state, self.lists, self.columns)
        np.testing.assert_array_equal(self.dense(self.columns.mass), self.plan)
        kinds = self.dense(self.columns.kind)
        np.testing.assert_array_equal((kinds == 1).sum(axis=1), self.columns.heads)
        np.testing.assert_array_equal((kinds == 2).sum(axis=1), self.columns.ties)


@given(
    problem=column_problems(),
    is_sparse=st.booleans(),
    drift=st.sampled_from([0.0, 1e-4, 1e-2, 1.0]),
)
def test_columns_along_an_ascent(problem, is_sparse, drift):
    """Small drifts let a column keep its support, which it then has to prove."""
    follow(problem, is_sparse, drift, stages=2)


@pytest.mark.parametrize("seed", range(5))
def test_ties_along_an_ascent(seed):
    """Where smoothing counts as much as cost, most columns have ties, and change them."""
    problem = random_columns(seed, 14, 60, 2, reg=1.0, mu=1.0)
    problem = problem._replace(b=1.0 + 2.0 * problem.rng.random(60))
    ties = follow(problem, is_sparse=False, drift=0.03, stages=6)
    assert ties > 0.3 * 60


def follow(problem, is_sparse, drift, stages):
    """Potentials drift within and between ascents; how many columns have ties, at the end."""
    (m, n), lists = problem.Ct.shape, sparse_lists(problem) if is_sparse else None
    tol = EPS * (size_of(problem) / problem.mu + problem.b.max())
    given_costs = problem._replace(Ct=np.empty((0, 0)) if is_sparse else problem.Ct)
    copy = CandidateLists(*(x.copy() for x in lists)) if is_sparse else None
    judge = Prox(reference, given_costs, capacity=n, lists=lists)
    ours = Folded(None, given_costs, capacity=n, lists=copy)
    ours.shape = m, n
    alpha = problem.alpha
    for _ in range(stages):
        ours.begin()
        for _ in range(4):
            ours.evaluate(alpha)
            judge.evaluate(alpha)
            expected = judge.dense(judge.columns.mass)
            np.testing.assert_allclose(ours.plan, expected, rtol=0, atol=tol)
            alpha = alpha + drift * problem.rng.normal(scale=0.3, size=n)
        ours.end()
        ours.recentre()
        judge.recentre()
    return np.count_nonzero(ours.columns.ties)


@given(problem=column_problems(regs=(0.0, 0.1, 1.0)))
def test_conjugates_and_potentials(problem):
    p = problem
    expected = reference.top_k_conjugate(p.alpha, p.Ct, p.b, p.k, p.reg)
    found = numba_small.top_k_conjugate(p.alpha, p.Ct, p.b, p.k, p.reg)
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(np.sort(found[3]), np.sort(expected[3]), rtol=1e-7, atol=1e-12)
    assert (found[2][found[3] > 0] >= 0).all()
    if p.reg > 0:
        Ct = np.asarray(p.Ct, float)
        np.testing.assert_allclose(
            short.potentials(p.alpha, Ct, p.b, p.reg),
            reference.simplex_potentials(p.alpha, Ct, p.b, p.reg), rtol=1e-10, atol=1e-12,
        )  # fmt: skip


@pytest.mark.parametrize("reg", [0.0, 1.0])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 20])
@pytest.mark.parametrize("n", [1, 3, 4, 7, 40])
def test_conjugates_of_columns_that_are_nearly_flat(n, k, reg):
    """More entries within reach of the maximum than a vector holds, and many that tie."""
    rng = np.random.default_rng(n + k)
    m = 30
    Ct = np.where(rng.random((m, n)) < 0.3, 0.0, 0.05 * rng.random((m, n)))
    alpha, b, counts = np.zeros(n), rng.random(m) + 0.01, np.full(m, min(k, n))
    found = numba_small.top_k_conjugate(alpha, Ct, b, counts, reg)
    expected = reference.top_k_conjugate(alpha, Ct, b, counts, reg)
    for ours, theirs in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found[3].sum(axis=1), b, rtol=1e-13)
    if reg > 0:
        np.testing.assert_allclose(
            short.potentials(alpha, Ct, b, reg),
            reference.simplex_potentials(alpha, Ct, b, reg), rtol=1e-12, atol=1e-14,
        )  # fmt: skip


@pytest.mark.parametrize("n", [*range(1, 20), 31, 32, 33, 64, 70, 149])
def test_elimination(n):
    rng = np.random.default_rng(n)
    A = rng.normal(size=(n, n + 3)) * (rng.random((n, n + 3)) < 0.4)
    H, g = A @ A.T + np.eye(n), rng.normal(size=n)
    d, solved = cholesky_solve(H.copy(), g)
    assert solved
    np.testing.assert_allclose(H @ d, g, atol=1e-10)
    upper = np.triu(H) + np.tril(rng.normal(size=(n, n)), -1)  # only the upper triangle is read
    np.testing.assert_array_equal(cholesky_solve(upper, g)[0], d)


@pytest.mark.parametrize("at", [0, 3, 4, 9, 20])
def test_elimination_notices_a_pivot_that_is_not_positive(at):
    H = np.eye(21) + 0.01
    H[at, at] = -1.0
    assert not cholesky_solve(H, np.ones(21))[1]


def test_lists_that_do_not_match_their_solutions_start_anew():
    p = random_columns(3, 12, 4, 2)
    lists, columns = CandidateLists.empty(4, 12), ColumnSolutions.empty(4, 12)
    columns.heads[:] = 5
    folded.fold(p.Ct, p.mu, lists, columns)
    assert not columns.heads.any()


@pytest.mark.parametrize("seed", range(5))
def test_plans_are_measured_and_written_by_columns(seed):
    rng = np.random.default_rng(seed)
    n, m, width = 9, 6, 4
    rows = np.array([rng.permutation(n)[:width] for _ in range(m)], np.int32)
    mass = rng.random((m, width)) * (rng.random((m, width)) < 0.6)
    dense = np.zeros((n, m))
    dense[rows, np.arange(m)[:, None]] = mass
    a, b, Ct = rng.random(n), rng.random(m), rng.normal(size=(m, n))

    start, found, carried = whole._carried(rows, mass)
    judge = csc_array(dense)
    np.testing.assert_array_equal(start, judge.indptr)
    np.testing.assert_array_equal(found, judge.indices)
    np.testing.assert_array_equal(carried, judge.data)

    linear, square, error = whole._measured(start, found, carried, a, b, Ct)
    off = np.abs(dense.sum(axis=1) - a).sum() + np.abs(dense.sum(axis=0) - b).sum()
    expected = (dense * Ct.T).sum(), (dense**2).sum(), off
    np.testing.assert_allclose((linear, square, error), expected, rtol=1e-13)

    row_of, column_of = 2 * np.arange(n), m - np.arange(m)  # of larger arrays, in another order
    for wide in (0, width + 1):
        slots, masses = whole._slots(start, found, carried, row_of, column_of, m + 1, wide)
        assert slots.shape == masses.shape == (m + 1, wide or np.diff(start).max())
        full = np.zeros((2 * n, m + 1))
        column, slot = np.nonzero(masses)
        full[slots[column, slot], column] = masses[column, slot]
        np.testing.assert_array_equal(full[np.ix_(row_of, column_of)], dense)
        assert ((slots < 0) == (masses == 0)).all()


@given(problem=column_problems(regs=(0.0, 0.1, 1.0)))
def test_the_certificate_is_that_of_the_oracle(problem):
    p = problem
    Ct = np.asarray(p.Ct, float)
    a = np.full(Ct.shape[1], p.b.sum() / Ct.shape[1])
    bound, beta, conjugate = whole._certified(p.alpha, a, p.b, Ct, p.k, p.reg)
    judge = ProximalDual(reference, a, p.b, Ct, p.k, p.reg, mu=1.0).certificate(p.alpha, p.k)
    size = np.abs(p.alpha).max() * a.sum() + np.abs(judge.conjugate).sum() + 1.0
    assert bound == pytest.approx(judge.bound, rel=0, abs=1e-13 * size)
    np.testing.assert_allclose(beta, judge.beta, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(conjugate, judge.conjugate, rtol=1e-10, atol=1e-12)
    # Rounded down: never above the exact sum of the terms.
    exact = math.fsum([*(a * p.alpha), *(-x for x in conjugate)])
    assert bound <= exact
