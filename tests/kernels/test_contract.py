"""The fast kernels against the reference, function by function."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csc_array

from otopt._kernels import numba_cpu as fast
from otopt._kernels import reference as slow
from otopt._kernels.layout import CandidateLists, ColumnSolutions


@st.composite
def columns(draw):
    n, m = draw(st.integers(1, 12)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ties = draw(st.booleans())
    Ct = rng.integers(0, 4, (m, n)).astype(float) if ties else rng.random((m, n))
    if draw(st.booleans()):
        Ct = Ct.astype(np.float32)
    alpha = rng.integers(0, 3, n).astype(float) if ties else rng.normal(size=n)
    reg = draw(st.sampled_from([0.01, 1.0, 30.0]))
    mu = draw(st.sampled_from([1e-3, 0.5, 20.0]))
    k = rng.integers(1, n + 1, m) if draw(st.booleans()) else np.full(m, draw(st.integers(1, n)))
    return alpha, Ct, rng.uniform(0.01, 1, m), k, reg, mu, rng


def test_both_offer_the_same_functions():
    assert sorted(fast.__all__) == sorted(slow.__all__)


@given(columns(), st.booleans())
def test_top_k_conjugate(problem, linear):
    alpha, Ct, b, k, reg, _, _ = problem
    reg = 0.0 if linear else reg
    value, beta, rows, mass = fast.top_k_conjugate(alpha, Ct, b, k, reg)
    expected = slow.top_k_conjugate(alpha, Ct, b, k, reg)
    np.testing.assert_allclose(value, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(beta, expected[1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mass.sum(axis=1), b, rtol=1e-10)
    assert ((rows >= 0) == (mass > 0)).all()
    np.testing.assert_allclose(-np.sort(-mass), -np.sort(-expected[3]), atol=1e-10)


@given(columns())
def test_simplex_potentials(problem):
    alpha, Ct, b, _, reg, _, _ = problem
    found = fast.simplex_potentials(alpha, Ct, b, reg)
    np.testing.assert_allclose(found, slow.simplex_potentials(alpha, Ct, b, reg), atol=1e-12)


@given(columns(), st.integers(1, 12))
def test_cheapest_entries(problem, count):
    alpha, Ct, b, _, _, _, _ = problem
    beta = b - 0.5
    m, n = Ct.shape
    price = Ct - alpha
    found = fast.cheapest_in_columns(alpha, Ct, min(count, n))
    best = np.sort(price, axis=1)[:, : min(count, n)]
    np.testing.assert_array_equal(np.sort(np.take_along_axis(price, found, 1)), best)
    found = fast.cheapest_in_rows(alpha, beta, Ct, min(count, m))
    price = (Ct - alpha - beta[:, None]).T
    best = np.sort(price, axis=1)[:, : min(count, m)]
    np.testing.assert_allclose(np.sort(np.take_along_axis(price, found, 1)), best, atol=1e-12)


def solve(kernels, problem, capacity, lists=None):
    alpha, Ct, b, k, reg, mu, _ = problem
    m, n = Ct.shape
    lists = CandidateLists.empty(m, capacity) if lists is None else lists
    while True:
        solved = ColumnSolutions.empty(m, lists.rows.shape[1])
        value, need = kernels.prox_columns(alpha, 0.0, Ct, b, k, reg, mu, lists, solved)
        if need == 0:
            return value, lists, solved
        assert need > lists.rows.shape[1]
        lists = lists.enlarged(min(need, n))


def dense(problem, lists, solved):
    m, n = problem[1].shape
    T = np.zeros((m, n))
    start, rows, cost, mass, _ = fast.pack_support(lists, solved)
    column = np.repeat(np.arange(m), np.diff(start))
    T[column, rows] = mass
    np.testing.assert_array_equal(cost, problem[1][column, rows])
    return T


@given(columns(), st.integers(1, 12))
@settings(max_examples=100)
def test_prox_columns(problem, capacity):
    n = problem[1].shape[1]
    value, *state = solve(fast, problem, min(capacity, n))
    expected, *expected_state = solve(slow, problem, n)
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9)
    T, expected_T = dense(problem, *state), dense(problem, *expected_state)
    np.testing.assert_allclose(T.sum(axis=1), problem[2], rtol=1e-9)
    np.testing.assert_allclose(T, expected_T, atol=1e-7)


@given(columns())
def test_prox_columns_with_a_centre_on_a_sparse_cost(problem):
    alpha, Ct, b, k, reg, mu, rng = problem
    m, n = Ct.shape
    size = int(rng.integers(1, n + 1))
    lists = CandidateLists.empty(m, size)
    for j in range(m):
        lists.rows[j] = rng.permutation(n)[:size]
        lists.cost[j] = Ct[j, lists.rows[j]]
    lists.count[:], lists.bound[:] = size, -np.inf
    lists.centre[:] = rng.random((m, size)) * (rng.random((m, size)) < 0.5)
    none = np.empty((0, 0))
    sparse = alpha, none, b, k, reg, mu, rng
    found = []
    for kernels in (fast, slow):
        solved = ColumnSolutions.empty(m, size)
        found.append(kernels.prox_columns(alpha, 0.0, none, b, k, reg, mu, lists, solved)[0])
        found.append(np.where(solved.kind > 0, solved.mass, 0.0))
    assert sparse[1].size == 0
    np.testing.assert_allclose(found[0], found[2], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found[1], found[3], atol=1e-7)


@given(columns())
def test_lists_stay_valid_when_alpha_moves(problem):
    alpha, Ct, b, k, reg, mu, rng = problem
    _, lists, solved = solve(fast, problem, Ct.shape[1])
    for _ in range(3):
        moved = alpha + 0.1 * rng.normal(size=len(alpha))
        rise = float((moved - alpha).max())
        value, need = fast.prox_columns(moved, rise, Ct, b, k, reg, mu, lists, solved)
        assert need == 0
        fresh, _, _ = solve(slow, (moved, *problem[1:]), Ct.shape[1])
        np.testing.assert_allclose(value, fresh, rtol=1e-9, atol=1e-9)
        alpha = moved


@given(columns())
def test_curvature(problem):
    _, Ct, _, k, reg, mu, rng = problem
    n = Ct.shape[1]
    _, lists, solved = solve(fast, problem, n)
    start, rows, _, _, kind = fast.pack_support(lists, solved)
    args = solved.heads, solved.ties, k, reg, mu
    found, expected = fast.curvature_coefficients(*args), slow.curvature_coefficients(*args)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max())
    A, M, shift = 1 / (reg + mu), 1 / mu, 0.1
    system = start, rows, kind, expected, A, M, shift
    H = slow.assemble_dense(*system, n)
    np.testing.assert_allclose(fast.assemble_dense(*system, n), H, rtol=1e-9, atol=1e-9)
    indptr, indices, values = fast.assemble_sparse(*system, n)
    sparse = csc_array((values, indices, indptr), shape=(n, n)).toarray()
    np.testing.assert_allclose(sparse, H, rtol=1e-9, atol=1e-9)
    g = rng.normal(size=n)
    d, _ = fast.conjugate_gradient(*system, g, 1e-12, 500)
    np.testing.assert_allclose(H @ d, g, atol=1e-6)
    label = fast.connected_rows(start, rows, n)
    np.testing.assert_array_equal(label, slow.connected_rows(start, rows, n))
    column_label = label[rows[start[:-1]]]
    level = fast.row_entry_level(Ct, solved.threshold, label, column_label)
    expected_level = slow.row_entry_level(Ct, solved.threshold, label, column_label)
    np.testing.assert_allclose(level, expected_level, rtol=1e-6)


@st.composite
def plans(draw):
    n, m = draw(st.integers(1, 8)), draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    T = rng.random((n, m)) * (rng.random((n, m)) < draw(st.sampled_from([0.3, 0.7, 1.0])))
    rows, columns = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
    k = rng.integers(1, 1 + draw(st.integers(1, 4)), m)
    return rows, columns, T.ravel(), rng.random(n * m), n, m, k, rng


def marginals(rows, columns, mass, n, m):
    return np.bincount(rows, mass, minlength=n), np.bincount(columns, mass, minlength=m)


@pytest.mark.parametrize("kernels", [fast, slow], ids=["fast", "slow"])
@given(problem=plans())
def test_cancelling_cycles_leaves_a_forest_with_the_same_marginals(kernels, problem):
    rows, columns, mass, price, n, m, k, _ = problem
    before = marginals(rows, columns, mass, n, m)
    support = mass > 0
    kernels.cancel_cycles(rows, columns, mass, price, n, m, k)
    for now, then in zip(marginals(rows, columns, mass, n, m), before, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-12)
    assert (mass >= 0).all()
    assert not (mass[~support] > 0).any()
    left = mass > 0
    incidence = np.zeros((n + m, left.sum()))
    incidence[rows[left], np.arange(left.sum())] = 1
    incidence[n + columns[left], np.arange(left.sum())] = 1
    assert np.linalg.matrix_rank(incidence) == left.sum()


@pytest.mark.parametrize("kernels", [fast, slow], ids=["fast", "slow"])
@given(problem=plans())
def test_pivoting_keeps_the_marginals_and_its_promise(kernels, problem):
    rows, columns, mass, price, n, m, k, rng = problem
    before = marginals(rows, columns, mass, n, m)
    done = kernels.pivot_to_capacity(rows, columns, mass, price, n, m, k, rng.random(97), 40)
    for now, then in zip(marginals(rows, columns, mass, n, m), before, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-12)
    assert done == (np.bincount(columns[mass > 0], minlength=m) <= k).all()


@pytest.mark.parametrize("kernels", [fast, slow], ids=["fast", "slow"])
@given(problem=plans())
def test_settling_restores_the_marginals(kernels, problem):
    rows, columns, mass, _, n, m, _, rng = problem
    before = marginals(rows, columns, mass, n, m)
    disturbed = np.where(mass > 0, mass + 1e-6 * rng.normal(size=len(mass)), 0.0)
    now = marginals(rows, columns, disturbed, n, m)
    kernels.settle_on_forest(rows, columns, disturbed, before[0] - now[0], before[1] - now[1])
    for now, then in zip(marginals(rows, columns, disturbed, n, m), before, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-13)


@pytest.mark.parametrize("reg", [0.0, 1.0])
def test_threads_change_nothing(reg):
    rng = np.random.default_rng(0)
    alpha, Ct, b = rng.normal(size=50), rng.random((40, 50)), rng.random(40)
    for one, two in zip(
        fast.top_k_conjugate(alpha, Ct, b, np.full(40, 3), reg, 1),
        fast.top_k_conjugate(alpha, Ct, b, np.full(40, 3), reg, 2),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)
