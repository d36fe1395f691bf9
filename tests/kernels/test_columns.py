"""Every kernel file against the reference: the problems of single columns."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otopt._kernels import reference
from otopt._kernels.layout import CandidateLists, ColumnSolutions
from tests.kernels.cases import FILES, Prox, column_problems, load, random_columns, sparse_lists

EPS = 1e-13  # rounding of sums, relative to the largest term


@pytest.fixture(params=FILES, scope="module")
def kernels(request):
    return load(request.param)


def size_of(problem):
    """Largest x that a column can see: rounding errors of masses are this over the curvature."""
    spread = np.abs(problem.alpha).max() + np.abs(problem.Ct).max()
    return spread + problem.b.max() * (problem.reg + problem.mu)


# -- the exact semi-dual ------------------------------------------------------------------------


@given(problem=column_problems(regs=(0.0, 0.1, 1.0, 10.0)))
def test_top_k_conjugate(kernels, problem):
    alpha, Ct, b, k, reg, *_ = problem
    value, beta, rows, mass = kernels.top_k_conjugate(alpha, Ct, b, k, reg, 1)
    expected = reference.top_k_conjugate(alpha, Ct, b, k, reg, 1)
    size = size_of(problem)
    np.testing.assert_allclose(value, expected[0], rtol=0, atol=EPS * size * b.max())
    np.testing.assert_allclose(beta, expected[1], rtol=0, atol=EPS * size)
    tol = EPS * (size / reg + b.max()) if reg > 0 else 0.0
    np.testing.assert_allclose(np.sort(mass), np.sort(expected[3]), rtol=0, atol=tol)
    assert rows.shape == mass.shape == (len(b), k.max())
    for j in range(len(b)):
        used = rows[j] >= 0
        assert not used[np.count_nonzero(used) :].any()
        assert (mass[j][used] > 0).all()
        assert (mass[j][~used] == 0).all()
        assert len(set(rows[j][used])) == np.count_nonzero(used)
        x = alpha[rows[j][used]] - Ct[j, rows[j][used]]
        np.testing.assert_allclose(x + beta[j], mass[j][used] * reg, rtol=0, atol=EPS * size)


@given(problem=column_problems())
def test_simplex_potentials(kernels, problem):
    args = problem.alpha, problem.Ct, problem.b, problem.reg
    potential = kernels.simplex_potentials(*args)
    size = size_of(problem)
    np.testing.assert_allclose(
        potential, reference.simplex_potentials(*args), rtol=0, atol=EPS * size
    )
    filled = np.maximum(problem.alpha + potential[:, None] - problem.Ct, 0).sum(axis=1)
    tol = EPS * size * problem.Ct.shape[1]
    np.testing.assert_allclose(filled, problem.b * problem.reg, rtol=0, atol=tol)


@given(problem=column_problems(), share=st.floats(0, 1))
def test_cheapest_entries(kernels, problem, share):
    alpha, Ct, b = problem[:3]
    m, n = Ct.shape
    count = 1 + int(share * (n - 1))
    rows = kernels.cheapest_in_columns(alpha, Ct, count)
    judged = reference.cheapest_in_columns(alpha, Ct, count)
    cost = np.take_along_axis(Ct - alpha, rows, axis=1)
    np.testing.assert_array_equal(
        np.sort(cost), np.sort(np.take_along_axis(Ct - alpha, judged, axis=1))
    )
    assert all(len(set(row)) == count for row in rows)

    count = 1 + int(share * (m - 1))
    reduced = Ct.T - alpha[:, None] - b
    columns, judged = (f.cheapest_in_rows(alpha, b, Ct, count) for f in (kernels, reference))
    np.testing.assert_array_equal(
        np.take_along_axis(reduced, columns, axis=1), np.take_along_axis(reduced, judged, axis=1)
    )
    assert all(len(set(row)) == count for row in columns)


# -- the proximal column ------------------------------------------------------------------------


def compare(one, two, value_one, value_two, size=None):
    """Two answers to the same columns on lists of their own, wherever entries are equal."""
    problem = one.problem
    b, k, mu = problem.b, problem.k, problem.mu
    size = size_of(problem) if size is None else size
    tol = EPS * (size / mu + b.max())
    value_tol = 10 * b.max() * (EPS * size + tol * (problem.reg + mu))
    np.testing.assert_allclose(value_one, value_two, rtol=0, atol=value_tol)
    mass = one.dense(one.columns.mass)
    np.testing.assert_allclose(mass, two.dense(two.columns.mass), rtol=0, atol=tol)
    for prox in (one, two):
        filled = prox.dense(prox.columns.mass).sum(axis=1)
        np.testing.assert_allclose(filled, b, rtol=0, atol=tol * (10 + len(prox.alpha)))
        kind = prox.dense(prox.columns.kind)
        np.testing.assert_array_equal((kind == 1).sum(axis=1), prox.columns.heads)
        np.testing.assert_array_equal((kind == 2).sum(axis=1), prox.columns.ties)
        assert (prox.columns.heads <= k - (prox.columns.ties > 0)).all()
        assert (prox.dense(prox.columns.mass)[kind == 0] == 0).all()


@given(problem=column_problems(), capacity=st.integers(1, 40), drift=st.floats(0, 1))
def test_prox_columns_along_a_path(kernels, problem, capacity, drift):
    """Potentials and centres change from call to call, as in a solve; lists follow."""
    rng = problem.rng
    ours = Prox(kernels, problem, capacity=capacity)
    judge = Prox(reference, problem, capacity=capacity)
    alpha = problem.alpha
    for step in range(5):
        compare(ours, judge, ours.evaluate(alpha), judge.evaluate(alpha))
        if step == 2:
            ours.recentre()
            judge.recentre()
        alpha = alpha + drift * rng.normal(scale=0.3, size=len(alpha))


@given(problem=column_problems(costs=("random", "float32")), capacity=st.integers(1, 40))
def test_heads_ties_and_thresholds_where_no_entries_are_equal(kernels, problem, capacity):
    ours = Prox(kernels, problem, capacity=capacity)
    judge = Prox(reference, problem, capacity=capacity)
    compare(ours, judge, ours.evaluate(problem.alpha), judge.evaluate(problem.alpha))
    for name in ("heads", "ties"):
        np.testing.assert_array_equal(getattr(ours.columns, name), getattr(judge.columns, name))
    np.testing.assert_array_equal(ours.dense(ours.columns.kind), judge.dense(judge.columns.kind))
    np.testing.assert_allclose(
        ours.columns.threshold, judge.columns.threshold, rtol=0, atol=10 * EPS * size_of(problem)
    )


@given(problem=column_problems())
def test_lists_as_a_sparse_cost(kernels, problem):
    lists = sparse_lists(problem)
    no_cost = problem._replace(Ct=np.empty((0, 0), problem.Ct.dtype))
    ours, judge = (
        Prox(file, no_cost, lists=CandidateLists(*(array.copy() for array in lists)))
        for file in (kernels, reference)
    )
    for alpha in (problem.alpha, problem.alpha + 0.3):
        value, judged = ours.evaluate(alpha), judge.evaluate(alpha)
        compare(ours, judge, value, judged, size=size_of(problem))
    np.testing.assert_array_equal(ours.lists.rows, lists.rows)
    np.testing.assert_array_equal(ours.lists.cost, lists.cost)


@given(problem=column_problems(regs=(0.0,), mus=(0.1, 1.0)))
def test_linear_programmes_have_no_cardinality(kernels, problem):
    problem = problem._replace(k=np.full(len(problem.b), len(problem.alpha)))
    ours, judge = (Prox(file, problem, capacity=8) for file in (kernels, reference))
    compare(ours, judge, ours.evaluate(problem.alpha), judge.evaluate(problem.alpha))
    assert not ours.columns.ties.any()


@pytest.mark.parametrize("mu", [1e-6, 1e-9])
@pytest.mark.parametrize("k", [1, 3, 20])
def test_small_proximal_curvature(kernels, mu, k):
    for seed in range(20):
        problem = random_columns(seed, 60, 4, k, mu=mu)
        ours, judge = (Prox(file, problem, capacity=30) for file in (kernels, reference))
        value, judged = ours.evaluate(problem.alpha), judge.evaluate(problem.alpha)
        np.testing.assert_allclose(value, judged, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(ours.columns.threshold, judge.columns.threshold, atol=1e-12)
        np.testing.assert_allclose(
            ours.dense(ours.columns.mass), judge.dense(judge.columns.mass), atol=1e-14 / mu + 1e-12
        )


@pytest.mark.parametrize("name", [*FILES, "reference"])
def test_lists_that_are_too_short_are_reported(name):
    # Equal entries and much mass: all 30 rows carry some, whatever the list holds.
    problem = random_columns(0, 30, 3, 5, cost="constant")._replace(b=np.full(3, 50.0))
    short = CandidateLists.empty(3, 29), ColumnSolutions.empty(3, 29)
    long = CandidateLists.empty(3, 30), ColumnSolutions.empty(3, 30)
    args = problem.alpha, 0.0, problem.Ct, problem.b, problem.k, problem.reg, problem.mu
    assert load(name).prox_columns(*args, *short, 1)[1] > 29
    assert load(name).prox_columns(*args, *long, 1)[1] == 0
    np.testing.assert_array_equal(long[1].mass > 0, True)


def test_short_lists_serve_short_columns(kernels):
    """Masses that one entry holds need no room for the others."""
    problem = random_columns(1, 500, 4, 3)._replace(b=np.full(4, 1e-6))
    prox = Prox(kernels, problem, capacity=2)
    prox.evaluate(problem.alpha)
    assert prox.refusals == 0


@given(problem=column_problems(costs=("random", "ties")), capacity=st.integers(1, 40))
@settings(max_examples=25)
def test_threads_change_no_bit(kernels, problem, capacity):
    top = [
        kernels.top_k_conjugate(*problem[:5], workers)
        for workers in (1, 2)
    ]  # fmt: skip
    for one, two in zip(*top, strict=True):
        np.testing.assert_array_equal(one, two)
    serial, threaded = (Prox(kernels, problem, capacity=capacity, workers=w) for w in (1, 2))
    for alpha in (problem.alpha, 1.2 * problem.alpha + 0.1):
        np.testing.assert_array_equal(serial.evaluate(alpha), threaded.evaluate(alpha))
        for name in CandidateLists._fields:
            one, two = getattr(serial.lists, name), getattr(threaded.lists, name)
            np.testing.assert_array_equal(one, two)
        for name in ColumnSolutions._fields:
            one, two = getattr(serial.columns, name), getattr(threaded.columns, name)
            np.testing.assert_array_equal(one, two)
