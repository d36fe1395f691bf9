"""How a solve ends, and what it says about it."""

import warnings

import numpy as np
import pytest

import otopt
from otopt import Status
from otopt.errors import (
    ConvergenceWarning,
    FeasibilityWarning,
    InfeasibleError,
    NotConvergedError,
)
from otopt.testing import check_plan

RNG = np.random.default_rng(0)
N = 40
A, B = RNG.dirichlet(np.full(N, 5.0)), RNG.dirichlet(np.full(N, 5.0))
X, Y = RNG.normal(size=(N, 2)), RNG.normal(size=(N, 2)) + 0.5
C = ((X[:, None] - Y) ** 2).sum(axis=2)
UNIFORM = np.full(N, 1 / N)


def test_infeasible_k_is_proven_and_the_smallest_k_named():
    with pytest.warns(FeasibilityWarning, match="smallest k that the count allows is 2"):
        result = otopt.sparse_ot(A, B, C, 1)
    assert result.status is Status.INFEASIBLE
    assert not result.success
    assert result.gap == np.inf
    check_plan(result, A, B, C, 1)
    assert result.relaxed.marginal_error <= 1e-6
    assert len(result.relaxed.excess_columns) > 0
    with pytest.raises(InfeasibleError, match="Proven infeasible"):
        result.raise_if_failed()


def test_capacity_of_the_largest_column_is_a_proof():
    a, b = np.full(8, 1 / 8), np.array([0.9, 0.1])
    with pytest.warns(FeasibilityWarning, match="column 0 needs 8 rows"):
        result = otopt.sparse_ot(a, b, RNG.random((8, 2)), 5)
    assert result.status is Status.INFEASIBLE


def test_balanced_parts_are_not_called_infeasible():
    # Generic weights, but every row has a column of its own mass.
    with pytest.warns(FeasibilityWarning, match="No k-sparse plan found"):
        result = otopt.sparse_ot(A, A, C, 1, reg=0.1)
    assert result.status is Status.NOT_FOUND
    own = 1.0 - np.eye(N)
    assert otopt.sparse_ot(A, A, own, 1).status is Status.OPTIMAL


def test_success_says_how_good():
    result = otopt.sparse_ot(A, B, C, 4, reg=50.0)
    assert result.success
    assert result.raise_if_failed() is result
    check_plan(result, A, B, C, 4)
    assert len(result.relaxed.excess_columns) > 0
    assert str(len(result.relaxed.excess_columns)) in repr(result)
    assert len(repr(result).splitlines()) <= 10
    assert result.status.name in repr(result)


def test_rounding_off_leaves_the_relaxation():
    result = otopt.sparse_ot(A, B, C, 4, reg=50.0, rounding="none")
    assert result.status is Status.RELAXED_ONLY
    assert (result.plan.toarray() > 0).sum(axis=0).max() <= 4
    assert result.relaxed.value >= result.dual_bound * (1 - 1e-12)
    with pytest.raises(InfeasibleError, match="repair"):
        result.raise_if_failed()


def test_iteration_limit_is_seen():
    with pytest.warns(ConvergenceWarning, match="Raise maxiter"):
        result = otopt.sparse_ot(
            A, B, C, 4, reg=1e-3, maxiter=2, rounding="none", options={"linear_start": False}
        )
    assert result.status is Status.ITERATION_LIMIT
    assert result.nit <= 2
    with pytest.raises(NotConvergedError):
        result.raise_if_failed()


@pytest.mark.parametrize("error", [StopIteration, KeyboardInterrupt])
def test_interruption_keeps_the_best_answer(error):
    seen = []

    def stop(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == 8:
            raise error

    result = otopt.sparse_ot(A, B, C, 4, callback=stop)
    assert result.status is Status.STOPPED
    assert len(seen) == 8
    assert [s.nit for s in seen] == list(range(1, 9))
    assert np.isfinite(result.dual_bound)
    check_plan(result, A, B, C, 4)
    resumed = otopt.sparse_ot(A, B, C, 4, warm_start=result)
    assert resumed.success


def test_callback_sees_the_errors_fall():
    seen = []
    result = otopt.sparse_ot(A, B, C, 4, callback=seen.append)
    assert seen[-1].nit <= result.nit
    assert seen[-1].marginal_error <= 1e-6
    bounds = [s.dual_bound for s in seen]
    assert bounds == sorted(bounds)


@pytest.mark.parametrize("reg", [1.0, 50.0])
def test_warm_start_saves_work(reg):
    cold = otopt.sparse_ot(A, B, C, 6, reg=reg, rounding="none", callback=lambda _: None)
    warm = otopt.sparse_ot(A, B, C, 6, reg=reg, rounding="none", warm_start=cold)
    assert warm.nit < cold.nit
    assert warm.dual_bound == pytest.approx(cold.dual_bound, rel=3e-6)


@pytest.mark.parametrize("change", ["cost", "masses"])
def test_warm_start_after_a_change(change):
    first = otopt.sparse_ot(A, B, C, 6, reg=5.0)
    rng = np.random.default_rng(1)
    cost = C + 0.01 * rng.random(C.shape) if change == "cost" else C
    b = B * rng.uniform(0.95, 1.05, N) if change == "masses" else B
    b = b / b.sum()
    cold = otopt.sparse_ot(A, b, cost, 6, reg=5.0)
    warm = otopt.sparse_ot(A, b, cost, 6, reg=5.0, warm_start=first)
    check_plan(warm, A, b, cost, 6)
    assert warm.dual_bound == pytest.approx(cold.dual_bound, rel=3e-6)


def test_options_are_a_mapping_or_an_instance():
    options = otopt.SparseOTOptions(shrink=0.5)
    one = otopt.sparse_ot(A, B, C, 4, options=options)
    two = otopt.sparse_ot(A, B, C, 4, options={"shrink": 0.5})
    assert one.value == two.value


def test_nothing_is_printed_and_nothing_warns(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert otopt.sparse_ot(A, B, C, 4).success
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
