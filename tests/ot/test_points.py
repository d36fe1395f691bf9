"""Point clouds in place of a cost matrix: the same answers, in less memory."""

import tracemalloc

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import otopt
from otopt._core.clouds import kd_order
from otopt.testing import check_plan

METRICS = ("sqeuclidean", "euclidean", "cosine")


def clouds(n, m, d=2, seed=0, dtype=float):
    """Weights and points, sorted so that both ways of solving meet them in the same order."""
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, d)).astype(dtype), (rng.normal(size=(m, d)) + 0.5).astype(dtype)
    a, b = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, m)
    return a / a.sum(), b / b.sum(), X[kd_order(X)], Y[kd_order(Y)]


def matrix(X, Y, metric):
    return cdist(X.astype(float), Y.astype(float), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "m", "d", "k"), [(30, 20, 2, 30), (60, 50, 2, 4), (20, 90, 3, 3), (50, 40, 12, 6)]
)
def test_equals_the_solution_for_the_matrix(metric, dtype, n, m, d, k):
    a, b, X, Y = clouds(n, m, d, dtype=dtype)
    points = otopt.sparse_ot(a, b, X=X, Y=Y, metric=metric, k=k, tol=1e-9)
    C = matrix(X, Y, metric)
    dense = otopt.sparse_ot(a, b, C, k, tol=1e-9)
    assert points.success
    assert points.status is dense.status
    assert points.reg == pytest.approx(dense.reg, rel=1e-12)
    assert points.dual_bound == pytest.approx(dense.dual_bound, rel=1e-9)
    assert points.relaxed.value == pytest.approx(dense.relaxed.value, rel=1e-9)
    check_plan(points, a, b, C, k, tol=1e-9)
    assert points.linear_value == pytest.approx(float((points.plan.toarray() * C).sum()), rel=1e-9)
    # Where a plan is not proven optimal, the last bits of a cost may lead the search elsewhere.
    if points.status is otopt.Status.OPTIMAL:
        assert points.value == pytest.approx(dense.value, rel=1e-9)
        np.testing.assert_allclose(points.plan.toarray(), dense.plan.toarray(), atol=1e-7)


@pytest.mark.parametrize("metric", METRICS)
def test_without_limit_the_plan_is_that_of_the_matrix(metric):
    a, b, X, Y = clouds(200, 150)
    points = otopt.sparse_ot(a, b, X=X, Y=Y, metric=metric, k=None, tol=1e-12)
    dense = otopt.sparse_ot(a, b, matrix(X, Y, metric), None, tol=1e-12)
    assert points.status is dense.status is otopt.Status.OPTIMAL
    assert points.value == pytest.approx(dense.value, rel=1e-9)
    assert abs(points.plan - dense.plan).sum() < 1e-9


def test_order_of_the_points_does_not_matter():
    a, b, X, Y = clouds(70, 60)
    i, j = np.random.default_rng(1).permutation(70), np.random.default_rng(2).permutation(60)
    first = otopt.sparse_ot(a, b, X=X, Y=Y, k=None, tol=1e-10)
    other = otopt.sparse_ot(a[i], b[j], X=X[i], Y=Y[j], k=None, tol=1e-10)
    assert other.value == pytest.approx(first.value, rel=1e-9)
    assert abs(other.plan - first.plan[i][:, j]).sum() < 1e-9
    assert abs(other.relaxed.plan - first.relaxed.plan[i][:, j]).sum() < 1e-9


@pytest.mark.parametrize("metric", METRICS)
def test_points_without_weight_get_potentials_that_prove_the_bound(metric):
    a, b, X, Y = clouds(40, 30)
    a[::3], b[::4] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    result = otopt.sparse_ot(a, b, X=X, Y=Y, metric=metric, k=4)
    C = matrix(X, Y, metric)
    check_plan(result, a, b, C, 4)
    alpha, beta = result.potentials
    top = np.sort(np.maximum(alpha[:, None] + beta - C, 0), axis=0)[-4:]
    D = a @ alpha + b @ beta - (top**2).sum() / (2 * result.reg)
    assert pytest.approx(result.dual_bound, rel=1e-9) == D
    plan = result.plan.toarray()
    assert (plan[a == 0] == 0).all()
    assert (plan[:, b == 0] == 0).all()


@pytest.mark.parametrize("metric", METRICS)
def test_duplicated_points(metric):
    rng = np.random.default_rng(3)
    X, Y = rng.integers(1, 4, (60, 2)), rng.integers(1, 4, (50, 2))
    a, b = np.full(60, 1 / 60), np.full(50, 1 / 50)
    result = otopt.sparse_ot(a, b, X=X, Y=Y, metric=metric, k=5)
    dense = otopt.sparse_ot(a, b, matrix(X, Y, metric), 5)
    assert result.success
    check_plan(result, a, b, matrix(X, Y, metric), 5)
    assert result.dual_bound == pytest.approx(dense.dual_bound, rel=2e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_one_point(metric):
    result = otopt.sparse_ot([1.0], [1.0], X=[[3.0, 4.0]], Y=[[0.0, 1.0]], metric=metric, k=1)
    expected = matrix(np.array([[3.0, 4.0]]), np.array([[0.0, 1.0]]), metric)[0, 0]
    assert result.linear_value == pytest.approx(expected)
    assert result.status is otopt.Status.OPTIMAL
    many = otopt.sparse_ot([1.0], np.full(5, 0.2), X=[[1.0]], Y=np.arange(1.0, 6)[:, None], k=1)
    assert many.status is otopt.Status.OPTIMAL


def test_linear_programme():
    a, b, X, Y = clouds(40, 40)
    points = otopt.sparse_ot(a, b, X=X, Y=Y, k=None, reg=0)
    dense = otopt.sparse_ot(a, b, matrix(X, Y, "sqeuclidean"), None, reg=0)
    assert points.value == pytest.approx(dense.value, rel=1e-6)


def test_workers_change_nothing_and_a_result_warms_the_next():
    a, b, X, Y = clouds(300, 200)
    one = otopt.sparse_ot(a, b, X=X, Y=Y, k=4)
    two = otopt.sparse_ot(a, b, X=X, Y=Y, k=4, workers=2)
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.mass, two.mass)
    again = otopt.sparse_ot(a, b, X=X, Y=Y, k=4, warm_start=one, rounding="none")
    assert again.nit < one.nit
    assert again.dual_bound == pytest.approx(one.dual_bound, rel=1e-6)


def test_large_clouds_start_from_their_clusters():
    a, b, X, Y = clouds(2500, 2200)
    result = otopt.sparse_ot(a, b, X=X, Y=Y, k=4, tol=1e-4)
    assert result.success, result
    C = matrix(X, Y, "sqeuclidean")
    check_plan(result, a, b, C, 4, tol=1e-4)
    alpha, beta = result.potentials
    top = np.partition(np.maximum(alpha[:, None] + beta - C, 0), -4, axis=0)[-4:]
    D = a @ alpha + b @ beta - (top**2).sum() / (2 * result.reg)
    assert pytest.approx(result.dual_bound, rel=1e-9) == D
    assert result.relaxed.marginal_error <= 1e-4
    assert result.gap < 1e-3


def test_memory_is_that_of_the_points_not_of_the_matrix():
    a, b, X, Y = clouds(5000, 5000)
    otopt.sparse_ot(*clouds(2500, 2500)[:2], X=X[:2500], Y=Y[:2500], k=4, tol=1e-2, rounding="none")
    tracemalloc.start()
    try:
        otopt.sparse_ot(a, b, X=X, Y=Y, k=4, tol=1e-2, rounding="none")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 5000 * 5000 / 4  # a quarter of the matrix; it falls as 1 / n


@pytest.mark.reference
def test_small_clouds_on_any_kernels():
    a, b, X, Y = clouds(8, 6)
    result = otopt.sparse_ot(a, b, X=X, Y=Y, metric="euclidean", k=3)
    dense = otopt.sparse_ot(a, b, matrix(X, Y, "euclidean"), 3)
    assert result.dual_bound == pytest.approx(dense.dual_bound, rel=1e-6)


A, B, P, Q = np.full(4, 0.25), np.full(5, 0.2), np.arange(8.0).reshape(4, 2), np.ones((5, 2))
HOLED = np.where(np.arange(8).reshape(4, 2) == 3, np.nan, P)
BAD = {
    "cost twice": ({"C": np.ones((4, 5)), "X": P, "Y": Q}, "`C` and `X` and `Y`"),
    "no cost": ({}, "none of them"),
    "half a cost": ({"X": P}, "both `X` and `Y`"),
    "dimensions": ({"X": P, "Y": Q[:, :1]}, "same number of columns"),
    "nan": ({"X": HOLED, "Y": Q}, r"`X` must be finite; got X\[1, 1\] = nan"),
    "infinite": ({"X": P, "Y": Q * np.inf}, "`Y` must be finite"),
    "vector": ({"X": P[:, 0], "Y": Q}, r"`X`.*one point a row.*X\[:, None\]"),
    "empty": ({"X": P[:0], "Y": Q}, "`X`"),
    "text": ({"X": [["x"]] * 4, "Y": Q}, "`X` must hold numbers"),
    "complex": ({"X": P + 1j, "Y": Q}, "`X` must be real"),
    "metric": ({"X": P, "Y": Q, "metric": "euclidian"}, "did you mean 'euclidean'"),
    "metric no text": ({"X": P, "Y": Q, "metric": 2}, "`metric` must be one of sqeuclidean"),
    "metric with a matrix": ({"C": np.ones((4, 5)), "metric": "cosin"}, "did you mean 'cosine'"),
    "too few weights": ({"X": np.ones((6, 2)), "Y": Q}, "`a`.*point .row. of `X`"),
    "origin": ({"X": P * [[0], [1], [1], [1]], "Y": Q, "metric": "cosine"}, r"origin.*X\[0\]"),
    "too far": ({"X": P * 1e200, "Y": Q}, "rescale"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_points_are_refused_by_name(case):
    kwargs, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^sparse_ot: .*{text}"):
        otopt.sparse_ot(A, B, k=2, **kwargs)


def test_k_has_no_default():
    with pytest.raises(TypeError, match=r"^sparse_ot: `k` must be given"):
        otopt.sparse_ot(A, B, X=P, Y=Q)


def test_infeasibility_names_the_column_that_was_given():
    b = np.array([0.05, 0.05, 0.8, 0.05, 0.05])
    with pytest.warns(otopt.errors.FeasibilityWarning):
        result = otopt.sparse_ot(A, b, X=P, Y=Q + np.arange(5)[:, None] % 3, k=2)
    assert result.status is otopt.Status.INFEASIBLE
    assert "column 2 " in result.message
