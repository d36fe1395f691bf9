"""emd against independent answers, on problems of every kind."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import otopt
from benchmarks.sparse_ot.problems import router
from otopt.testing import known_problems, transport_problems
from tests.judges import check_exact, transport_optimum

METHODS = st.sampled_from(["auto", "multilevel", "flat"])


def scale(a, C):
    return np.abs(np.asarray(C, float)).max() * np.sum(a)


@pytest.mark.reference
@given(transport_problems(9, 9, scales=(-6, 6)), METHODS)
def test_agrees_with_a_linear_programme(problem, method):
    a, b, C, *_ = problem
    C = np.asarray(C)
    options = {"coarsest": 3, "candidates": 2, "batch": 2}
    result = otopt.emd(a, b, C, method=method, options=options)
    assert result.status is otopt.Status.OPTIMAL
    check_exact(result, a, b, C)
    expected = transport_optimum(a, b, C.astype(float))
    assert result.value == pytest.approx(expected, rel=1e-12, abs=1e-12 * scale(a, C))


@given(transport_problems(60, 60, scales=(-12, 12)))
def test_certified_on_larger_problems(problem):
    a, b, C, *_ = problem
    check_exact(otopt.emd(a, b, C), a, b, C)


@given(known_problems())
def test_closed_forms(problem):
    result = otopt.emd(problem.a, problem.b, problem.C)
    check_exact(result, problem.a, problem.b, problem.C)
    linear = float((problem.plan * problem.C).sum())
    assert result.value == pytest.approx(linear, rel=1e-12, abs=1e-14)


def instance(kind, n, m, seed=0):
    rng = np.random.default_rng([seed, n, m])
    if kind == "plane":
        x, y = rng.random((n, 2)), rng.random((m, 2)) * 0.8 + 0.3
        return ((x[:, None] - y) ** 2).sum(axis=2)
    if kind == "grid":
        x = np.stack(np.divmod(np.arange(n), 20), axis=1)
        y = np.stack(np.divmod(np.arange(m), 20), axis=1)
        return ((x[:, None] - y) ** 2).sum(axis=2).astype(float)
    if kind == "integers":
        return rng.integers(0, 50, (n, m)).astype(float)
    if kind == "clusters":
        centres = 10 * rng.random((5, 2))
        x = centres[rng.integers(5, size=n)] + 0.1 * rng.normal(size=(n, 2))
        y = centres[rng.integers(5, size=m)] + 0.1 * rng.normal(size=(m, 2))
        return np.linalg.norm(x[:, None] - y, axis=2)
    return rng.random((n, m))


def masses(weights, size, seed):
    x = np.random.default_rng(seed).uniform(0.1, 1, size) if weights == "random" else np.ones(size)
    return x / x.sum()


@pytest.mark.parametrize("weights", ["random", "uniform"])
@pytest.mark.parametrize("shape", [(400, 400), (700, 90), (40, 500)])
@pytest.mark.parametrize("kind", ["plane", "grid", "integers", "clusters", "noise"])
def test_agrees_with_pot(kind, shape, weights):
    import ot

    a, b = masses(weights, shape[0], 1), masses(weights, shape[1], 2)
    C = instance(kind, *shape)
    result = otopt.emd(a, b, C)
    check_exact(result, a, b, C)
    expected = float((ot.emd(a, b, C, numItermax=10**7) * C).sum())
    assert result.value == pytest.approx(expected, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("n", "m"), [(800, 20), (20, 800), (150, 120)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_prices_start_where_columns_are_few_or_wanted(n, m, dtype):
    a, b = (np.random.default_rng(n).dirichlet(np.ones(size)) for size in (n, m))
    C = router(n, m, np.random.default_rng(0)).astype(dtype)
    result = otopt.emd(a, b, C)
    assert result.method == "network simplex from prices"
    check_exact(result, a, b, C)
    plain = otopt.emd(a, b, C, options={"price_start": False})
    assert plain.method != result.method
    assert result.value == pytest.approx(plain.value, rel=1e-12)


def test_matchings_that_give_up_go_on_from_prices():
    n = 300
    a, C = np.full(n, 1 / n), router(n, n, np.random.default_rng(0))
    result = otopt.emd(a, a, C)
    assert result.method.endswith("from prices")
    assert result.value == pytest.approx(C[linear_sum_assignment(C)].mean(), rel=1e-12)


@pytest.mark.parametrize("size", [1e-140, 1e140])  # beyond single precision
def test_prices_are_left_out_where_they_cannot_be_computed(size):
    a, b, C = (
        np.full(400, 1 / 400),
        np.full(40, 1 / 40),
        size * router(400, 40, np.random.default_rng(0)),
    )
    result = otopt.emd(a, b, C)
    assert "prices" not in result.method
    assert result.success


@pytest.mark.parametrize("method", ["auto", "multilevel", "flat"])
def test_methods_give_the_same_value_and_their_name(method):
    a, b = masses("random", 200, 1), masses("random", 150, 2)
    C = instance("plane", 200, 150)
    result = otopt.emd(a, b, C, method=method)
    assert ("multilevel" in result.method) == (method != "flat")
    assert result.value == pytest.approx(otopt.emd(a, b, C).value, rel=1e-13)


@given(st.integers(1, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_assignment_agrees_with_scipy(n, seed, ties):
    rng = np.random.default_rng(seed)
    C = rng.integers(0, 4, (n, n)).astype(float) if ties else rng.normal(size=(n, n))
    result = otopt.assignment(C, options={"candidates": 2})
    assert sorted(result.permutation) == list(range(n))
    assert C[np.arange(n), result.permutation].sum() == pytest.approx(result.value, abs=1e-12)
    assert result.value == pytest.approx(C[linear_sum_assignment(C)].sum(), abs=1e-12)
    check_exact(result, np.ones(n), np.ones(n), C)


@pytest.mark.parametrize("kind", ["plane", "grid", "integers", "clusters", "noise"])
def test_larger_assignments(kind):
    C = instance(kind, 300, 300)
    result = otopt.assignment(C)
    check_exact(result, np.ones(300), np.ones(300), C)
    assert result.value == pytest.approx(C[linear_sum_assignment(C)].sum(), rel=1e-12)


# -- families made to cycle or to stall ---------------------------------------------------------


def stalling(kind, n):
    i, j = np.indices((n, n))
    if kind == "constant":
        return np.ones((n, n))
    if kind == "products":  # every vertex is degenerate and almost every pair of arcs is tied
        return (i * j).astype(float)
    if kind == "distances on a line":
        return np.abs(i - j).astype(float)
    if kind == "steps":
        return ((i + 2 * j) % 3).astype(float)
    if kind == "circulant":
        return ((j - i) % n).astype(float)
    if (
        kind == "powers"
    ):  # exponentially many steps of the shortest-path rule, n <= 50 for exactness
        return 2.0 ** np.minimum(np.abs(i - j), 50)
    if kind == "tenths":  # ties that rounding breaks at random
        return ((i * j) % 7) * 0.1 + (i + j) * 0.3
    return np.minimum(i, j).astype(float)


@pytest.mark.parametrize("options", [{}, {"candidates": 1, "batch": 1}, {"kept_variance": -1.0}])
@pytest.mark.parametrize(
    "kind",
    [
        "constant",
        "products",
        "distances on a line",
        "steps",
        "circulant",
        "powers",
        "tenths",
        "min",
    ],
)
def test_degenerate_problems_end_after_few_pivots(kind, options):
    n = 120
    C = stalling(kind, n)
    result = otopt.emd(np.full(n, 1 / n), np.full(n, 1 / n), C, options=options)
    check_exact(result, np.full(n, 1 / n), np.full(n, 1 / n), C)
    expected = C[linear_sum_assignment(C)].sum() / n
    assert result.value == pytest.approx(expected, rel=1e-12, abs=1e-13)
    assert result.nit <= 100 * n


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_integer_problems_with_many_ties_have_bounded_pivots(seed, high):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(2, 80, 2)
    supply = np.full(n, m)
    C = rng.integers(0, high, (n, m))
    result = otopt.emd(supply, np.full(m, n), C, options={"candidates": 3, "batch": 4})
    assert result.value == result.dual_bound == round(result.value)  # integers are exact
    assert (result.mass == np.rint(result.mass)).all()
    assert result.nit <= 100 * (n + m)
