"""Kernels of exact transport against the reference, function by function."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otopt._core.integer_masses import integer_masses
from otopt._kernels import numba_network as fast
from otopt._kernels import reference_network as slow


@st.composite
def costs(draw, max_n=40, max_m=200):
    n, m = draw(st.integers(1, max_n)), draw(st.integers(1, max_m))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ties = draw(st.booleans())
    C = rng.integers(0, 4, (n, m)).astype(float) if ties else rng.normal(size=(n, m))
    if draw(st.booleans()):
        C = C.astype(np.float32)
    v = rng.integers(0, 3, m).astype(float) if ties else rng.normal(size=m)
    return C, v, rng


def test_both_offer_the_same_functions():
    assert sorted(fast.__all__) == sorted(slow.__all__)


@given(costs())
def test_minima(problem):
    C, v, rng = problem
    u = rng.normal(size=len(C))
    np.testing.assert_array_equal(fast.row_potentials(C, v), slow.row_potentials(C, v))
    for kernels in (fast, slow):
        least, bad = kernels.checked_potentials(C, v)
        np.testing.assert_array_equal(least, kernels.row_potentials(C, v))
        assert bad == 0
    np.testing.assert_array_equal(fast.column_potentials(C, u), slow.column_potentials(C, u))
    for found, expected in zip(fast.c_transform(C, v), slow.c_transform(C, v), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(costs(), st.integers(1, 20))
def test_shortlists(problem, length):
    C, v, _ = problem
    length = min(length, C.shape[1])
    u, columns, cost = fast.shortlist(C, v, length)
    expected_u, expected, _ = slow.shortlist(C, v, length)
    np.testing.assert_array_equal(u, expected_u)
    np.testing.assert_array_equal(cost, np.take_along_axis(C, columns, 1))
    assert all(len(set(row)) == length for row in columns.tolist())
    prices = [np.sort(np.take_along_axis(C - v, c, 1), axis=1) for c in (columns, expected)]
    np.testing.assert_array_equal(*prices)


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F"])
def test_cost_range(bad, order):
    C = np.random.default_rng(0).random((30, 20))
    if bad is not None:
        C[17, 3] = bad
    C = np.asarray(C, order=order)
    for kernels in (fast, slow):
        assert kernels.checked_potentials(np.ascontiguousarray(C), np.zeros(20))[1] == (
            bad is not None
        )
        low, high = kernels.cost_range(C)
        assert (0 <= low < high < 1) if bad is None else np.isnan(low)


@given(costs(), st.integers(2, 6))
def test_clusters_and_their_costs(problem, size):
    C, _, _ = problem
    clusters = []
    for features in (C, C.T):
        order, start = fast.cluster(np.ascontiguousarray(features[:, :5], float), size)
        assert sorted(order) == list(range(len(features)))
        assert (start[0], start[-1]) == (0, len(features))
        assert np.diff(start).min() >= 1
        assert np.diff(start).max() <= size
        clusters += [order, start]
    u = np.linspace(-1.0, 1.0, len(clusters[1]) - 1)
    for name, args in (("cluster_costs", clusters), ("potentials_of_clusters", [*clusters[:2], u])):
        found, expected = (getattr(kernels, name)(C, *args) for kernels in (fast, slow))
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_clusters_are_near():
    x = np.random.default_rng(0).permutation(64).astype(float)[:, None]
    for kernels in (fast, slow):
        order, start = kernels.cluster(x, 4)
        assert all(np.ptp(x[order[s : s + 4], 0]) == 3 for s in start[:-1])


@st.composite
def networks(draw):
    C, v, rng = draw(costs(12, 12))
    n, m = C.shape
    kind = draw(st.sampled_from(["uniform", "counts", "real"]))
    if kind == "uniform":
        a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    elif kind == "counts":
        a, b = np.ones(n), np.ones(m)
        for x, more in ((a, m), (b, n)):
            np.add.at(x, rng.integers(0, len(x), more), 1)
    else:
        a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    supply, demand, _ = integer_masses(a, b)
    return C, v, supply, demand


def balanced(arcs, supply, demand):
    rows, columns, flow = arcs
    assert (flow > 0).all()
    sent, received = np.zeros_like(supply), np.zeros_like(demand)
    np.add.at(sent, rows, flow)
    np.add.at(received, columns, flow)
    np.testing.assert_array_equal(sent, supply)
    np.testing.assert_array_equal(received, demand)


@given(networks(), st.integers(0, 4))
def test_starting_flows_balance_and_are_forests(network, length):
    C, v, supply, demand = network
    for kernels in (fast, slow):
        u, columns, cost = kernels.shortlist(C, v, min(length, C.shape[1]))
        arcs = kernels.regret_flow(C, v, supply, demand, columns, cost)
        balanced(arcs, supply, demand)
        for other in (fast, slow):  # a forest has one flow only
            flow, fits = other.forest_flow(*arcs[:2], supply, demand)
            assert fits
            np.testing.assert_array_equal(flow, arcs[2])
            assert not other.forest_flow(*arcs[:2], 2 * supply, demand)[1]
        tree = kernels.hang(C, *arcs, u)
        assert set(zip(*kernels.tree_arcs(tree, len(C)), strict=True)) == set(
            zip(*arcs, strict=True)
        )


def test_rows_choose_first_that_would_lose_most():
    C = np.array([[0.0, 1.0], [0.0, 10.0]])
    one = np.ones(2, np.int64)
    for kernels in (fast, slow):
        for length in (0, 2):
            _, columns, cost = kernels.shortlist(C, np.zeros(2), length)
            rows, ends, _ = kernels.regret_flow(C, np.zeros(2), one, one, columns, cost)
            assert C[rows, ends].sum() == 1


@pytest.mark.parametrize("length", [0, 3])
def test_rows_that_are_alike_do_not_wait_for_ever(length):
    n = 1000  # the regret falls with every column that is full: all rows would choose n times
    C = np.tile(np.sqrt(np.arange(n)), (n, 1))
    one = np.ones(n, np.int64)
    _, columns, cost = fast.shortlist(C, np.zeros(n), length)
    balanced(fast.regret_flow(C, np.zeros(n), one, one, columns, cost), one, one)


def test_a_cycle_has_no_flow_of_its_own():
    rows, columns = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    for kernels in (fast, slow):
        assert not kernels.forest_flow(rows, columns, np.array([1, 1]), np.array([1, 1]))[1]


@given(networks(), st.integers(0, 4), st.integers(1, 5))
def test_the_simplex_ends_at_the_same_value(network, length, batch):
    C, v, supply, demand = network
    values = []
    for kernels in (fast, slow):
        u, columns, cost = kernels.shortlist(C, v, min(length, C.shape[1]))
        arcs = kernels.regret_flow(C, v, supply, demand, columns, cost)
        tree = kernels.hang(C, *arcs, u)
        tally = np.zeros(5, np.int64)
        status = 1
        while status == 1:  # two pivots at a time: pauses must not disturb
            before = tally[0]
            status, _, v_end, least = kernels.simplex(
                C, columns, cost, tree, batch, 1e-12, 2, 10**9, tally
            )
            assert tally[0] <= before + 2
            balanced(kernels.tree_arcs(tree, len(C)), supply, demand)
        np.testing.assert_array_equal(least, kernels.row_potentials(C, v_end))
        rows, columns_end, flow = kernels.tree_arcs(tree, len(C))
        assert (C[rows, columns_end] - least[rows] - v_end[columns_end]).max() <= 1e-11
        values.append(float(C[rows, columns_end].astype(float) @ (flow / supply.sum())))
    assert values[0] == pytest.approx(values[1], abs=1e-11)


@given(costs(30, 30), st.integers(1, 8), st.sampled_from([0, 10, 10**9]))
def test_matchings(problem, length, work):
    C, v, _ = problem
    n = min(C.shape)
    C = np.ascontiguousarray(C[:n, :n])
    for kernels in (fast, slow):
        prices = np.array(v[:n])
        u, columns, cost = kernels.shortlist(C, prices, min(length, n))
        found = kernels.match(C, u, prices, columns, cost, 1e-12, work)
        assert sorted(found) == list(range(n))


@given(costs(30, 30))
def test_matchings_on_whole_lists_are_optimal(problem):
    from scipy.optimize import linear_sum_assignment

    C, _, _ = problem
    n = min(C.shape)
    C = np.ascontiguousarray(C[:n, :n])
    v = fast.column_potentials(C, np.zeros(n))
    u, columns, cost = fast.shortlist(C, v, n)
    found = fast.match(C, u, v, columns, cost, 1e-12, 10**9)
    expected = C[linear_sum_assignment(C)].astype(float).sum()
    assert C[np.arange(n), found].astype(float).sum() == pytest.approx(expected, abs=1e-5)
    assert (C - u[:, None] - v).min() >= -1e-5
    assert u.sum() + v.sum() == pytest.approx(expected, abs=1e-5)
