"""sparse_ot against independent answers."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.optimize import linear_sum_assignment

import otopt
from otopt.testing import check_plan, known_problems, transport_problems
from tests.judges import brute_force, k_support_optimum, quadratic_optimum


def solve(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.FeasibilityWarning)
        return otopt.sparse_ot(*args, **kwargs)


def random_problem(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    a, b = (
        (np.full(n, 1 / n), np.full(m, 1 / m))
        if seed % 2
        else (rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)))
    )
    k = int(rng.integers(1, n + 1))
    reg = float(rng.choice([0.05, 0.5, 5.0, 50.0]))
    return a, b, rng.random((n, m)), k, reg


@pytest.mark.parametrize("block", range(8))
def test_relaxation_equals_the_k_support_programme(block):
    for seed in range(26 * block, 26 * (block + 1)):
        a, b, C, k, reg = random_problem(seed)
        result = solve(a, b, C, k, reg=reg, tol=1e-9)
        expected = k_support_optimum(a, b, C, k, reg)
        assert result.relaxed.value == pytest.approx(expected, rel=1e-7), seed
        assert result.dual_bound == pytest.approx(expected, rel=1e-7), seed
        check_plan(result, a, b, C, k, tol=1e-9)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("k", [None, 100])
def test_without_cardinality_it_is_quadratic_transport(seed, k):
    a, b, C, _, reg = random_problem(seed)
    result = otopt.sparse_ot(a, b, C, k, reg=reg)
    assert result.status is otopt.Status.OPTIMAL
    assert result.value == pytest.approx(quadratic_optimum(a, b, C, reg), rel=1e-7)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("n", [5, 60])
def test_uniform_with_one_entry_a_column_is_the_assignment_problem(seed, n):
    rng = np.random.default_rng(seed)
    C = rng.random((n, n)) if seed % 2 else rng.integers(0, 5, (n, n)).astype(float)
    rows, columns = linear_sum_assignment(C)
    weights = np.full(n, 1 / n)
    result = otopt.sparse_ot(weights, weights, C, 1, reg=1.0, tol=1e-9)
    assert result.status is otopt.Status.OPTIMAL
    assert result.linear_value == pytest.approx(C[rows, columns].mean(), rel=1e-9, abs=1e-12)


@given(transport_problems(4, 3, scales=(0, 0), weights=("uniform", "random", "counts")))
@settings(max_examples=300)
def test_bound_and_value_bracket_the_brute_force_optimum(problem):
    a, b, C, k, reg = problem
    C = np.asarray(C, float)
    rows, columns = a > 0, b > 0
    optimum = brute_force(a[rows], b[columns], C[np.ix_(rows, columns)], k, reg)
    result = solve(a, b, C, k, reg=reg)
    check_plan(result, a, b, C, k)
    rounding = 1e-8 * (abs(result.dual_bound) + np.abs(C).max())
    assert result.dual_bound <= optimum + rounding
    if result.success:
        assert result.value >= optimum - rounding
    if result.status is otopt.Status.INFEASIBLE:
        assert optimum == np.inf
    if optimum == np.inf:
        assert not result.success


@given(known_problems())
def test_known_plans(problem):
    result = otopt.sparse_ot(problem.a, problem.b, problem.C, problem.k, reg=problem.reg)
    check_plan(result, problem.a, problem.b, problem.C, problem.k)
    assert result.status is otopt.Status.OPTIMAL
    np.testing.assert_allclose(result.plan.toarray(), problem.plan, atol=1e-6)
    assert result.value == pytest.approx(problem.value, rel=1e-6, abs=1e-9)


@given(transport_problems(25, 25))
@settings(max_examples=150)
def test_every_claim_holds_on_adversarial_problems(problem):
    a, b, C, k, reg = problem
    check_plan(solve(a, b, C, k, reg=reg), a, b, C, k)


@pytest.mark.parametrize("seed", range(4))
def test_vanishing_regularisation_is_the_linear_programme(seed):
    rng = np.random.default_rng(seed)
    n, m = 30, 20
    a, b, C = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), rng.random((n, m))
    import ot

    exact = ot.emd2(a, b, C)
    free = otopt.sparse_ot(a, b, C, None, reg=0)
    assert free.value == pytest.approx(exact, rel=1e-6)
    assert free.dual_bound <= exact * (1 + 1e-12)
    nearly = otopt.sparse_ot(a, b, C, None, reg=1e-6)
    assert nearly.linear_value == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("k", [4, 6])
def test_diving_keeps_the_gap_small(k):
    # One-shot rounding leaves gaps near 5e-3 here.
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(150, 2)), rng.normal(size=(150, 2)) + 1
    C = ((x[:, None] - y) ** 2).sum(axis=2)
    a, b = rng.uniform(0.5, 1.5, 150), rng.uniform(0.5, 1.5, 150)
    result = otopt.sparse_ot(a / a.sum(), b / b.sum(), C / C.max(), k, reg=5.0)
    assert result.success
    assert result.gap <= 2e-3


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(6))
def test_small_problems_on_whatever_kernels_are_in_use(seed):
    a, b, C, k, reg = random_problem(seed)
    result = solve(a, b, C, k, reg=reg, tol=1e-9)
    check_plan(result, a, b, C, k, tol=1e-9)
    assert result.dual_bound == pytest.approx(k_support_optimum(a, b, C, k, reg), rel=1e-7)
