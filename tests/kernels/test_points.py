"""Scans over trees of points: exactly the matrix's answers, whatever the boxes exclude."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from otopt._core.clouds import METRICS, Cloud, PointCost, kd_order
from otopt._kernels import numba_cpu, numba_points, reference, reference_points
from tests.kernels.cases import Prox


class Clouds(NamedTuple):
    """A cost between points, and potentials to scan it with."""

    cost: PointCost
    alpha: NDArray
    b: NDArray
    rng: np.random.Generator

    @property
    def matrix(self):
        """The same numbers as the kernels see, entry by entry."""
        m, n = self.cost.shape
        return numba_points.entries(self.cost, np.arange(m)[:, None], np.arange(n))


def sorted_cloud(points):
    return Cloud.of_sorted(points[kd_order(points)])


@st.composite
def clouds(draw):
    n, m = draw(st.one_of(st.integers(1, 30), st.integers(1, 200))), draw(st.integers(1, 12))
    d = draw(st.sampled_from([1, 2, 3, 9, 20]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "grid", "far", "one place"]))
    X, Y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    if kind == "grid":
        X, Y = rng.integers(0, 3, (n, d)).astype(float), rng.integers(0, 3, (m, d)).astype(float)
    elif kind == "far":
        X, Y = 1e-3 * X + 1e4, 1e-3 * Y
    elif kind == "one place":
        X = np.ones((n, d))
    metric = draw(st.integers(0, len(METRICS) - 1))
    if METRICS[metric] == "cosine":
        X, Y = ((P + 4) / np.linalg.norm(P + 4, axis=1, keepdims=True) for P in (X, Y))
    if draw(st.booleans()):
        X, Y = X.astype(np.float32), Y.astype(np.float32)
    cost = PointCost(sorted_cloud(X), sorted_cloud(Y), metric)
    # Potentials as they come: nothing, noise, or those of transport (as steep as the cost).
    alpha = np.zeros(n)
    shape = draw(st.sampled_from(["zero", "noise", "transport"]))
    if shape == "noise":
        alpha = rng.normal(size=n)
    elif shape == "transport":
        alpha = numba_points.c_transform(0.1 * rng.normal(size=m), cost.transposed)
    return Clouds(cost, alpha, 10.0 ** rng.uniform(-3, 1, m), rng)


@settings(max_examples=25)
@given(problem=clouds())
def test_entries_are_the_distances(problem):
    matrix = problem.matrix
    np.testing.assert_allclose(matrix, reference_points.dense(problem.cost), rtol=1e-12)
    np.testing.assert_array_equal(problem.cost.shape, matrix.shape)
    assert numba_points.cost_range(problem.cost) == (matrix.min(), matrix.max())
    sample = problem.rng.integers(0, len(matrix), 3)
    taken = numba_points.take_columns(problem.cost, sample)
    np.testing.assert_array_equal(numba_points.entries(taken, np.arange(3), 0), matrix[sample, 0])


@settings(max_examples=25)
@given(problem=clouds(), data=st.data())
def test_pruned_scans_equal_the_scan_of_the_matrix_to_the_last_bit(problem, data):
    cost, alpha, matrix = problem.cost, problem.alpha, problem.matrix
    m, n = matrix.shape
    np.testing.assert_array_equal(
        numba_points.c_transform(alpha, cost), numba_cpu.c_transform(alpha, matrix)
    )
    count = data.draw(st.integers(1, n))
    rows = numba_points.cheapest_in_columns(alpha, cost, count)
    found = np.sort(np.take_along_axis(alpha - matrix, rows.astype(int), 1), axis=1)
    np.testing.assert_array_equal(found, np.sort(alpha - matrix, axis=1)[:, n - count :])
    assert all(len(set(row)) == count for row in rows)

    beta = problem.rng.normal(size=m)
    count = data.draw(st.integers(1, m))
    columns = numba_points.cheapest_in_rows(alpha, beta, cost, count)
    found = np.take_along_axis(beta - matrix.T, columns.astype(int), 1)
    np.testing.assert_array_equal(found, np.sort(beta - matrix.T, axis=1)[:, ::-1][:, :count])

    label = problem.rng.integers(0, min(n, data.draw(st.integers(1, 4))), n)
    column_label = problem.rng.integers(0, 3, m)
    args = beta, label, column_label
    level = reference.row_entry_level(matrix, *args)
    np.testing.assert_array_equal(numba_points.row_entry_level(cost, *args), level)
    np.testing.assert_array_equal(
        numba_points.entry_slack(cost, alpha, *args),
        reference.entry_slack(matrix, alpha, *args),
    )


@settings(max_examples=25)
@given(problem=clouds(), data=st.data(), reg=st.sampled_from([0.0, 1e-3, 1.0]))
def test_conjugates_and_potentials(problem, data, reg):
    cost, alpha, b, matrix = problem.cost, problem.alpha, problem.b, problem.matrix
    k = problem.rng.integers(1, 1 + data.draw(st.integers(1, matrix.shape[1])), len(b))
    scale = np.abs(matrix).max() + np.abs(alpha).max() + 1e-9
    expected = reference.top_k_conjugate(alpha, matrix, b, k, reg)
    for workers in (1, 2):
        value, beta, rows, mass = numba_points.top_k_conjugate(alpha, cost, b, k, reg, workers)
        np.testing.assert_allclose(value, expected[0], rtol=1e-10, atol=1e-11 * scale)
        np.testing.assert_allclose(beta, expected[1], rtol=1e-10, atol=1e-11 * scale)
        np.testing.assert_allclose(mass.sum(axis=1), b, rtol=1e-4)
        assert ((rows >= 0) == (mass > 0)).all()
    if reg > 0:
        np.testing.assert_allclose(
            numba_points.simplex_potentials(alpha, cost, b, reg),
            reference.simplex_potentials(alpha, matrix, b, reg),
            rtol=1e-10, atol=1e-11 * scale,
        )  # fmt: skip


@pytest.mark.parametrize("k", [3, 5, 7, 9])
def test_of_equal_entries_as_many_as_k_are_found(k):
    """Few places, several points each: what falls out of the best k may be the k-th largest."""
    rng = np.random.default_rng(k)
    places = np.arange(60)
    b, many = np.ones(60), np.full(60, k)
    for _ in range(60):
        X, Y = (rng.integers(0, 3, (60, 2)).astype(float) for _ in range(2))
        cost = PointCost(sorted_cloud(X), sorted_cloud(Y), METRICS.index("euclidean"))
        matrix = numba_points.entries(cost, places[:, None], places)
        x, y = cost.points.points.astype(int)
        alpha = rng.random((3, 3))[x, y]
        expected = reference.top_k_conjugate(alpha, matrix, b, many, 1.0)
        found = numba_points.top_k_conjugate(alpha, cost, b, many, 1.0)
        for ours, theirs in zip(found[:2], expected[:2], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)


class Columns(NamedTuple):
    alpha: NDArray
    Ct: object
    b: NDArray
    k: NDArray
    reg: float
    mu: float


@settings(max_examples=25)
@given(problem=clouds(), data=st.data(), workers=st.sampled_from([1, 2]))
def test_prox_columns_follow_potentials_that_move(problem, data, workers):
    cost, alpha, b, rng = problem.cost, problem.alpha, problem.b, problem.rng
    n = len(alpha)
    k = rng.integers(1, 1 + data.draw(st.integers(1, n)), len(b))
    columns = Columns(alpha, cost, b, k, 1.0, 0.1)
    lists = Prox(numba_points, columns, capacity=min(n, 3), workers=workers)
    judge = Prox(reference, columns._replace(Ct=problem.matrix), capacity=n)
    scale = np.abs(problem.matrix).max() + np.abs(alpha).max() + b.max() + 3.0
    for _ in range(3):
        value, expected = lists.evaluate(alpha), judge.evaluate(alpha)
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9 * scale)
        np.testing.assert_allclose(
            lists.dense(lists.columns.mass), judge.dense(judge.columns.mass),
            atol=1e-7 * scale,
        )  # fmt: skip
        lists.recentre(), judge.recentre()
        alpha = alpha + rng.normal(size=n) * rng.choice([0.01, 1.0])


@pytest.mark.parametrize("name", ["c_transform", "cost_range", "cheapest_in_columns"])
def test_reference_points_write_the_matrix_out(name):
    rng = np.random.default_rng(0)
    cost = PointCost(
        sorted_cloud(rng.normal(size=(7, 2))), sorted_cloud(rng.normal(size=(5, 2))), 1
    )
    args = {"c_transform": (np.zeros(7), cost), "cost_range": (cost,),
            "cheapest_in_columns": (np.zeros(7), cost, 1)}[name]  # fmt: skip
    np.testing.assert_array_equal(
        getattr(reference_points, name)(*args), getattr(numba_points, name)(*args)
    )


def test_every_file_defines_the_same_functions():
    assert sorted(numba_points.__all__) == sorted(reference_points.__all__)
    assert all(callable(getattr(reference_points, name)) for name in reference_points.__all__)


@pytest.mark.parametrize("n", [1, 24, 25, 1000])
def test_sorting_sorted_points_changes_nothing_and_boxes_hold_their_points(n):
    points = np.random.default_rng(n).normal(size=(n, 3))
    points = points[kd_order(points)]
    np.testing.assert_array_equal(kd_order(points), np.arange(n))
    cloud = Cloud.of_sorted(points)
    leaves = len(cloud.start) - 1
    assert cloud.start[-1] == n
    assert np.diff(cloud.start).max() <= 24
    for leaf, (lo, hi) in enumerate(zip(cloud.start[:-1], cloud.start[1:], strict=True)):
        node = leaves + leaf
        while node:
            assert (cloud.low[node] <= points[lo:hi].min(axis=0)).all()
            assert (cloud.high[node] >= points[lo:hi].max(axis=0)).all()
            node //= 2
