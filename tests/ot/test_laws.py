"""What must not change when the problem is rewritten, and what must change how."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otopt
from otopt.testing import transport_problems

TAME = {"scales": (0, 0), "weights": ("uniform", "random")}
GENERIC = {"costs": ("random",), "scales": (0, 0), "weights": ("uniform", "random")}


def solve(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.FeasibilityWarning)
        return otopt.sparse_ot(*args, tol=1e-9, **kwargs)


@given(transport_problems(10, 10, **TAME), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_scaling_of_cost_and_masses(problem, s, c):
    a, b, C, k, reg = problem
    plain = solve(a, b, C, k, reg=reg)
    scaled = solve(c * a, c * b, s * np.asarray(C, float), k, reg=s * reg / c)
    assert scaled.dual_bound == pytest.approx(s * c * plain.dual_bound, rel=1e-7, abs=1e-9 * s * c)
    if plain.status is scaled.status is otopt.Status.OPTIMAL:
        assert scaled.value == pytest.approx(s * c * plain.value, rel=1e-7, abs=1e-9 * s * c)


@given(transport_problems(10, 10, **GENERIC), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_default_regularisation_is_scale_equivariant(problem, s, c):
    a, b, C, k, _ = problem
    plain, scaled = solve(a, b, C, k), solve(c * a, c * b, s * C, k)
    assert scaled.reg == pytest.approx(plain.reg * s / c, rel=1e-9)
    if plain.status is scaled.status is otopt.Status.OPTIMAL:
        np.testing.assert_allclose(scaled.plan.toarray() / c, plain.plan.toarray(), atol=1e-4)


@given(transport_problems(10, 10, **TAME), st.integers(0, 1000))
def test_shift_of_the_cost_by_rows_and_columns(problem, seed):
    a, b, C, k, reg = problem
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=len(a)), rng.normal(size=len(b))
    plain = solve(a, b, C, k, reg=reg)
    shifted = solve(a, b, C + u[:, None] + v, k, reg=reg)
    assert shifted.dual_bound == pytest.approx(plain.dual_bound + a @ u + b @ v, abs=1e-7)


@given(transport_problems(10, 10, **TAME), st.integers(0, 1000))
def test_permutation_of_rows_and_columns(problem, seed):
    a, b, C, k, reg = problem
    rng = np.random.default_rng(seed)
    p, q = rng.permutation(len(a)), rng.permutation(len(b))
    plain = solve(a, b, C, k, reg=reg)
    permuted = solve(a[p], b[q], C[np.ix_(p, q)], k, reg=reg)
    assert permuted.dual_bound == pytest.approx(plain.dual_bound, rel=1e-7, abs=1e-9)


@given(transport_problems(10, 10, **TAME))
def test_more_entries_never_cost_more(problem):
    a, b, C, _, reg = problem
    bounds = [solve(a, b, C, j, reg=reg).dual_bound for j in range(1, len(a) + 1)]
    assert (np.diff(bounds) <= 1e-8 * (1 + np.abs(bounds[1:]))).all()


@given(transport_problems(12, 12, costs=("float32",), scales=(0, 0)))
def test_single_precision_costs_give_the_double_precision_answer(problem):
    a, b, C, k, reg = problem
    single, double = solve(a, b, C, k, reg=reg), solve(a, b, C.astype(float), k, reg=reg)
    assert single.mass.dtype == single.potentials.source.dtype == np.float64
    assert single.dual_bound == pytest.approx(double.dual_bound, rel=1e-7, abs=1e-9)
    assert single.success == double.success


def test_single_precision_masses_are_accepted_with_their_rounding():
    rng = np.random.default_rng(0)
    a, b = rng.random(30).astype(np.float32), rng.random(20).astype(np.float32)
    a, b = a / a.sum(), b / b.sum()
    result = otopt.sparse_ot(a, b, rng.random((30, 20)).astype(np.float32), 6)
    assert result.success


@pytest.mark.parametrize("k", [1, 3, None])
def test_threads_change_nothing(k):
    rng = np.random.default_rng(1)
    n = 80
    a, C = np.full(n, 1 / n), rng.random((n, n))
    one, two = (solve(a, a, C, k, workers=w) for w in (1, 2))
    assert one.value == two.value
    assert one.dual_bound == two.dual_bound
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_array_equal(one.mass, two.mass)
    np.testing.assert_array_equal(one.potentials.source, two.potentials.source)


def test_same_problem_same_answer():
    rng = np.random.default_rng(2)
    a, b, C = rng.dirichlet(np.ones(40)), rng.dirichlet(np.ones(30)), rng.random((40, 30))
    first, second = (solve(a, b, C, 4, reg=20.0) for _ in range(2))
    np.testing.assert_array_equal(first.mass, second.mass)
