"""emd between point clouds: the answers of the matrix, in less memory."""

import signal
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import otopt
from otopt._core.clouds import METRICS
from otopt.errors import ConvergenceWarning
from tests.judges import check_exact, transport_optimum
from tests.ot.test_points import BAD, A, B, P, Q


def clouds(n, m, d=2, seed=0, dtype=float, weights="random"):
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(n, d)).astype(dtype), (rng.normal(size=(m, d)) + 0.5).astype(dtype)
    a, b = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, m)
    if weights == "uniform":
        a, b = np.ones(n), np.ones(m)
    return a / a.sum(), b / b.sum(), X, Y


def matrix(X, Y, metric):
    return cdist(np.asarray(X, float), np.asarray(Y, float), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weights", ["random", "uniform"])
@pytest.mark.parametrize(
    ("n", "m", "d"), [(300, 300, 2), (500, 60, 1), (30, 400, 3), (200, 150, 12)]
)
def test_equals_the_solution_for_the_matrix(metric, dtype, weights, n, m, d):
    a, b, X, Y = clouds(n, m, d, dtype=dtype, weights=weights)
    C = matrix(X, Y, metric)
    points, dense = otopt.emd(a, b, X=X, Y=Y, metric=metric), otopt.emd(a, b, C)
    assert points.status is otopt.Status.OPTIMAL
    check_exact(points, a, b, C)
    assert points.value == pytest.approx(dense.value, rel=1e-12)


@st.composite
def small_clouds(draw):
    """Few points, many of them equal or on a line; some without mass."""
    n, m, d = (draw(st.integers(1, high)) for high in (12, 12, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X, Y = (
        rng.integers(1, 4, (size, d)).astype(float)
        if draw(st.booleans())
        else rng.normal(size=(size, d))
        for size in (n, m)
    )
    a, b = (
        np.ones(size) if draw(st.booleans()) else rng.integers(0, 4, size).astype(float)
        for size in (n, m)
    )
    a[0] += 1.0
    b[-1] += 1.0
    scale = 10.0 ** draw(st.integers(-6, 6))
    return a / a.sum(), b / b.sum(), scale * X, scale * Y


@pytest.mark.reference
@given(small_clouds(), st.sampled_from(METRICS), st.sampled_from(["auto", "multilevel", "flat"]))
def test_agrees_with_a_linear_programme(problem, metric, method):
    a, b, X, Y = problem
    C = matrix(X, Y, metric)
    options = {"coarsest": 3, "candidates": 2, "batch": 2}
    result = otopt.emd(a, b, X=X, Y=Y, metric=metric, method=method, options=options)
    assert result.status is otopt.Status.OPTIMAL
    check_exact(result, a, b, C)
    assert result.value == pytest.approx(
        transport_optimum(a, b, C), rel=1e-12, abs=1e-12 * np.abs(C).max()
    )


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["grid", "one place", "line", "clusters"])
def test_clouds_full_of_ties(kind, metric):
    rng = np.random.default_rng(0)
    n = 240
    if kind == "grid":
        X = np.stack(np.divmod(np.arange(n), 15), axis=1) + 1.0
        Y = X[::-1] + 1.0
    elif kind == "one place":
        X, Y = np.ones((n, 2)), np.tile([1.0, 2.0], (n, 1))
    elif kind == "line":
        X, Y = (np.stack([np.arange(n) + 1.0, np.full(n, y)], axis=1) for y in (1.0, 3.0))
    else:
        X, Y = (rng.integers(1, 4, (n, 2)) + 1e-9 * rng.normal(size=(n, 2)) for _ in range(2))
    a = np.full(n, 1 / n)
    result = otopt.emd(a, a, X=X, Y=Y, metric=metric)
    C = matrix(X, Y, metric)
    check_exact(result, a, a, C)
    assert result.status is otopt.Status.OPTIMAL
    assert result.value == pytest.approx(otopt.emd(a, a, C).value, rel=1e-12, abs=1e-14)
    assert result.nit <= 100 * n


def test_a_plane_with_a_known_optimum():
    """A shift moves every point by the same vector: squared distances cannot do better."""
    rng = np.random.default_rng(0)
    X = rng.random((3000, 2))
    a = rng.dirichlet(np.ones(3000))
    order = rng.permutation(3000)
    result = otopt.emd(a, a[order], X=X, Y=X[order] + [3.0, 4.0])
    assert result.status is otopt.Status.OPTIMAL
    assert result.value == pytest.approx(25.0, rel=1e-12)
    assert (result.rows[:, 0] == order).all()


@pytest.mark.parametrize("metric", METRICS)
def test_points_without_mass_carry_nothing_and_are_priced(metric):
    a, b, X, Y = clouds(80, 70)
    a[::3], b[::4] = 0, 0
    a, b = a / a.sum(), b / b.sum()
    result = otopt.emd(a, b, X=X, Y=Y, metric=metric)
    check_exact(result, a, b, matrix(X, Y, metric))
    plan = result.plan.toarray()
    assert (plan[a == 0] == 0).all()
    assert (plan[:, b == 0] == 0).all()


def test_order_of_the_points_does_not_matter():
    a, b, X, Y = clouds(70, 60)
    i, j = np.random.default_rng(1).permutation(70), np.random.default_rng(2).permutation(60)
    first, other = otopt.emd(a, b, X=X, Y=Y), otopt.emd(a[i], b[j], X=X[i], Y=Y[j])
    assert other.value == pytest.approx(first.value, rel=1e-13)
    assert abs(other.plan - first.plan[i][:, j]).sum() < 1e-13


def test_warm_starts():
    a, b, X, Y = clouds(300, 250)
    cold = otopt.emd(a, b, X=X, Y=Y)
    again = otopt.emd(a, b, X=X, Y=Y, warm_start=cold)
    assert (again.nit, again.method) == (0, "warm start, certified")
    assert again.value == cold.value
    C = matrix(X, Y, "sqeuclidean")
    assert otopt.emd(a, b, C, warm_start=cold).nit == 0  # what they know is the same
    nearby = otopt.emd(a, b, X=X + 0.01, Y=Y, warm_start=cold)
    check_exact(nearby, a, b, matrix(X + 0.01, Y, "sqeuclidean"))
    from_potentials = otopt.emd(a, b, X=X, Y=Y, warm_start=cold.potentials)
    assert from_potentials.value == pytest.approx(cold.value, rel=1e-13)
    assert from_potentials.nit < cold.nit
    with pytest.raises(ValueError, match=r"^emd: `warm_start`.*\(300, 250\)"):
        otopt.emd(a, b, X=X, Y=Y, warm_start=cold.potentials[::-1])


@pytest.mark.parametrize("shape", [(300, 250), (60, 300)])
def test_limits_leave_a_plan_and_a_valid_bound(shape):
    a, b, X, Y = clouds(*shape)
    optimum = otopt.emd(a, b, X=X, Y=Y)
    C = matrix(X, Y, "sqeuclidean")
    for limit in ({"maxiter": 7}, {"time_limit": 1e-9}):
        with pytest.warns(ConvergenceWarning, match="^emd: Stopped at"):
            result = otopt.emd(a, b, X=X, Y=Y, method="flat", **limit)
        check_exact(result, a, b, C)
        assert result.status is otopt.Status.ITERATION_LIMIT
        assert result.dual_bound <= optimum.value * (1 + 1e-12) <= result.value * (1 + 2e-12)


def test_callback_and_ctrl_c():
    a, b, X, Y = clouds(900, 900)
    states = []

    def press(intermediate_result):
        states.append(intermediate_result)
        if len(states) == 2:
            signal.raise_signal(signal.SIGINT)

    result = otopt.emd(a, b, X=X, Y=Y, callback=press, method="flat")
    assert result.status is otopt.Status.STOPPED
    check_exact(result, a, b, matrix(X, Y, "sqeuclidean"))
    assert states[0].value >= states[1].value >= result.value * (1 - 1e-12)
    assert states[0].dual_bound <= states[1].dual_bound


def test_memory_is_that_of_the_points_not_of_the_matrix():
    peaks = []
    for n in (2000, 4000):
        a, b, X, Y = clouds(n, n)
        tracemalloc.start()
        try:
            otopt.emd(a, b, X=X, Y=Y)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[1] < 8 * 4000 * 4000 / 8
    assert peaks[1] < 2.5 * peaks[0]  # a matrix grows fourfold


def test_tensors_in_tensors_out():
    torch = pytest.importorskip("torch")
    a, b, X, Y = clouds(30, 20)
    result = otopt.emd(*map(torch.from_numpy, (a, b)), X=torch.tensor(X), Y=torch.tensor(Y))
    assert isinstance(result.value, torch.Tensor)
    assert float(result.value) == otopt.emd(a, b, X=X, Y=Y).value


def test_input_is_not_modified():
    a, b, X, Y = clouds(40, 30)
    before = [x.copy() for x in (a, b, X, Y)]
    otopt.emd(a, b, X=X, Y=Y, metric="cosine")
    for array, copy in zip((a, b, X, Y), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("case", BAD)
def test_bad_points_are_refused_by_name(case):
    kwargs, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^emd: .*{text}"):
        otopt.emd(A, B, **kwargs)


def test_points_of_a_sparse_problem_are_refused():
    from scipy import sparse

    with pytest.raises(TypeError, match=r"^emd: .*`C` and `X` and `Y`"):
        otopt.emd(A, B, sparse.csr_array(np.ones((4, 5))), X=P, Y=Q)
