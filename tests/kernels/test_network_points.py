"""Kernels of exact transport between points against those that write the matrix out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otopt._core.clouds import Cloud, PointCost, kd_order
from otopt._core.integer_masses import integer_masses
from otopt._kernels import numba_network, numba_network_points, reference_network_points
from otopt._kernels.reference_points import dense

FAMILIES = (numba_network_points, reference_network_points)


@st.composite
def costs(draw, max_n=60, max_m=120):
    n, m, d = draw(st.integers(1, max_n)), draw(st.integers(1, max_m)), draw(st.integers(1, 10))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ties = draw(st.booleans())
    clouds = []
    for size in (m, n):
        points = rng.integers(0, 3, (size, d)).astype(float) if ties else rng.normal(size=(size, d))
        if draw(st.booleans()):
            points = points[kd_order(points)]  # boxes of others hold their points, and prune less
        clouds.append(points)
    dtype = np.float32 if draw(st.booleans()) else np.float64
    cost = PointCost(*(Cloud.of_sorted(x.astype(dtype)) for x in clouds), draw(st.integers(0, 2)))
    v = rng.integers(0, 3, m).astype(float) if ties else rng.normal(size=m)
    return cost, v * draw(st.sampled_from([0.0, 1.0, 30.0])), rng


def test_both_offer_the_same_functions():
    assert sorted(numba_network_points.__all__) == sorted(reference_network_points.__all__)
    assert all(callable(getattr(reference_network_points, name)) for name in
               reference_network_points.__all__)  # fmt: skip


@given(costs())
def test_minima_are_those_of_the_matrix_to_the_last_bit(problem):
    cost, v, rng = problem
    u = rng.normal(size=cost.shape[0])
    fast, slow = FAMILIES
    np.testing.assert_array_equal(fast.row_potentials(cost, v), slow.row_potentials(cost, v))
    np.testing.assert_array_equal(fast.column_potentials(cost, u), slow.column_potentials(cost, u))
    least, bad = fast.checked_potentials(cost, v)
    np.testing.assert_array_equal(least, slow.checked_potentials(cost, v)[0])
    assert bad == 0
    for found, expected in zip(fast.c_transform(cost, v), slow.c_transform(cost, v), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(costs(), st.integers(1, 20))
def test_shortlists(problem, length):
    cost, v, _ = problem
    C = dense(cost)
    length = min(length, C.shape[1])
    u, columns, listed = numba_network_points.shortlist(cost, v, length)
    expected_u, expected, _ = reference_network_points.shortlist(cost, v, length)
    np.testing.assert_array_equal(u, expected_u)
    np.testing.assert_array_equal(listed, np.take_along_axis(C, columns, 1))
    assert all(len(set(row)) == length for row in columns.tolist())
    prices = [np.sort(np.take_along_axis(C - v, c, 1), axis=1) for c in (columns, expected)]
    np.testing.assert_array_equal(*prices)


@given(costs(12, 30), st.integers(1, 4), st.integers(1, 5))
def test_the_simplex_takes_the_value_of_the_matrix(problem, length, batch):
    cost, v, rng = problem
    C = dense(cost)
    n, m = C.shape
    supply, demand, _ = integer_masses(rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)))
    kept, columns_with_mass = np.flatnonzero(supply), np.flatnonzero(demand)
    if len(kept) < n or len(columns_with_mass) < m:
        return
    values = []
    for kernels, given_cost in ((FAMILIES[0], cost), (FAMILIES[1], cost), (numba_network, C)):
        u, columns, listed = kernels.shortlist(given_cost, v, min(length, m))
        arcs = kernels.regret_flow(given_cost, v, supply, demand, columns, listed)
        tree = kernels.hang(given_cost, *arcs, u)
        tol = 1e-13 * (np.abs(u).max() + np.abs(v).max() + 1e-300)
        status, tally = 1, np.zeros(5, np.int64)
        while status == 1:
            status, _, v_end, least = kernels.simplex(
                given_cost, columns, listed, tree, batch, tol, 5, 10**9, tally
            )
        np.testing.assert_array_equal(least, (C - v_end).min(axis=1))
        rows, ends, flow = kernels.tree_arcs(tree, n)
        values.append(float(C[rows, ends] @ (flow / supply.sum())))
    assert values[0] == pytest.approx(values[1], abs=1e-11 * (1 + C.max()))
    assert values[0] == pytest.approx(values[2], abs=1e-11 * (1 + C.max()))


@given(costs(30, 30), st.integers(1, 8), st.sampled_from([0, 10**9]))
def test_matchings(problem, length, work):
    cost, v, _ = problem
    n = min(cost.shape)
    clouds = (Cloud.of_sorted(cloud.points[:, :n].T) for cloud in cost[:2])
    square = PointCost(*clouds, cost.metric)
    for kernels in FAMILIES:
        prices = v[:n].copy()
        u, columns, listed = kernels.shortlist(square, prices, min(length, n))
        found = kernels.match(square, u, prices, columns, listed, 1e-12, work)
        assert sorted(found) == list(range(n))


@given(costs(), st.integers(2, 6))
def test_merged_points_stand_for_the_mean_cost(problem, size):
    """Up to a constant in each row and column, exactly so for squared distances."""
    cost, _, _ = problem
    if cost.metric == 1:
        return
    cost = PointCost(*(Cloud.of_sorted(x.points.T.astype(float)) for x in cost[:2]), cost.metric)
    rows, columns = (
        numba_network_points.cluster(np.ascontiguousarray(x.points.T), size)
        for x in (cost.queries, cost.points)
    )
    merged = dense(cost.merged(rows, columns))
    mean = numba_network.cluster_costs(dense(cost), *rows, *columns)
    excess = mean - merged
    excess = excess - excess[:1] - excess[:, :1] + excess[0, 0]
    assert np.abs(excess).max() <= 1e-12 * (1 + mean.max())


@given(costs(20, 20))
def test_entries_are_those_of_the_kernels(problem):
    cost, _, _ = problem
    C = dense(cost)
    n, m = C.shape
    np.testing.assert_array_equal(cost.entries(np.arange(n)[:, None], np.arange(m)), C)
    np.testing.assert_array_equal(cost.sample(n, m), C)
    np.testing.assert_array_equal(cost.transposed.entries(np.arange(m)[:, None], np.arange(n)), C.T)
    assert (cost.shape, cost.size) == (C.shape, C.size)
