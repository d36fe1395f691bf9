"""What must not change when an exact problem is rewritten, warm starts, limits, callbacks."""

import signal
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otopt
from otopt.errors import ConvergenceWarning, NotConvergedError
from otopt.testing import transport_problems
from tests.judges import check_exact

PROBLEMS = transport_problems(25, 25, scales=(0, 0))


def close(x, C, mass=1.0):
    return pytest.approx(x, rel=1e-12, abs=1e-13 * (1 + np.abs(np.asarray(C, float)).max()) * mass)


@given(PROBLEMS, st.floats(1e-9, 1e9), st.floats(1e-9, 1e9))
def test_scaling_of_cost_and_masses(problem, s, c):
    a, b, C, *_ = problem
    C = np.asarray(C, float)
    scaled = otopt.emd(c * a, c * b, s * C)
    assert scaled.value / (s * c) == close(otopt.emd(a, b, C).value, C)


@given(PROBLEMS, st.integers(0, 1000))
def test_shift_of_the_cost_by_rows_and_columns(problem, seed):
    a, b, C, *_ = problem
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=len(a)), rng.normal(size=len(b))
    shifted = C + u[:, None] + v
    value = otopt.emd(a, b, C).value + a @ u + b @ v
    assert otopt.emd(a, b, shifted).value == close(value, shifted)


@given(PROBLEMS, st.integers(0, 1000))
def test_permutation_of_rows_and_columns(problem, seed):
    a, b, C, *_ = problem
    rng = np.random.default_rng(seed)
    p, q = rng.permutation(len(a)), rng.permutation(len(b))
    permuted = otopt.emd(a[p], b[q], C[np.ix_(p, q)])
    assert permuted.value == close(otopt.emd(a, b, C).value, C)


@given(PROBLEMS)
def test_transposition(problem):
    a, b, C, *_ = problem
    turned = otopt.emd(b, a, C.T)
    check_exact(turned, b, a, C.T)
    assert turned.value == close(otopt.emd(a, b, C).value, C)


@given(PROBLEMS)
def test_distance_to_itself_is_zero(problem):
    a, _, _, *_ = problem
    x = np.random.default_rng(len(a)).normal(size=(len(a), 2))
    C = ((x[:, None] - x) ** 2).sum(axis=2)
    result = otopt.emd(a, a, C)
    assert result.value == 0.0
    assert abs(result.gap) <= 1e-6
    assert result.status is otopt.Status.OPTIMAL


def test_single_precision_costs_stay_and_give_the_double_precision_answer():
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(200)), rng.dirichlet(np.ones(150))
    C = rng.random((200, 150)).astype(np.float32)
    single, double = otopt.emd(a, b, C), otopt.emd(a, b, C.astype(float))
    assert single.value == pytest.approx(double.value, rel=1e-12)
    check_exact(single, a, b, C)


def test_same_problem_same_answer():
    a, b, C = problem()
    first, second = (otopt.emd(a, b, C) for _ in range(2))
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.mass, second.mass)
    np.testing.assert_array_equal(first.potentials.source, second.potentials.source)


@given(transport_problems(8, 8, scales=(0, 0), costs=("random",), weights=("random",)))
def test_the_result_holds_the_derivatives_of_the_value(drawn):
    a, b, C, *_ = drawn
    result = otopt.emd(a, b, C)
    rng = np.random.default_rng(0)
    da, db, dC = rng.normal(size=len(a)), rng.normal(size=len(b)), rng.normal(size=C.shape)
    da, db = da - da.mean(), db - db.mean()
    u, v = result.potentials
    slope = (result.plan.toarray() * dC).sum() + u @ da + v @ db
    t = 1e-7  # both sides lie on the same linear piece, almost surely
    up = otopt.emd(a + t * da, b + t * db, C + t * dC).value
    down = otopt.emd(a - t * da, b - t * db, C - t * dC).value
    assert slope == pytest.approx((up - down) / (2 * t), abs=1e-6)


# -- warm starts --------------------------------------------------------------------------------


def problem(n=300, m=280, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, 2)), rng.random((m, 2)) + 0.2
    return rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)), ((x[:, None] - y) ** 2).sum(axis=2)


def test_warm_start_from_the_optimum_is_one_pass():
    a, b, C = problem()
    cold = otopt.emd(a, b, C)
    warm = otopt.emd(a, b, C, warm_start=cold)
    assert (warm.nit, warm.method) == (0, "warm start, certified")
    assert warm.status is otopt.Status.OPTIMAL
    assert warm.value == cold.value
    check_exact(warm, a, b, C)


@pytest.mark.parametrize("what", ["cost", "masses", "potentials", "some rows", "limited", "sparse"])
def test_warm_start_from_nearby(what):
    a, b, C = problem()
    start = otopt.emd(a, b, C)
    rng = np.random.default_rng(5)
    if what == "cost":
        C = C + 1e-3 * rng.random(C.shape)
    elif what == "masses":
        a = a * rng.uniform(0.9, 1.1, len(a))
        a = a / a.sum()
    elif what == "potentials":
        start = start.potentials
    elif what == "some rows":
        a = np.where(np.arange(len(a)) < 5, 0.0, a)
        a = a / a.sum()
    elif what == "limited":
        with pytest.warns(ConvergenceWarning):
            start = otopt.emd(a, b, C, maxiter=5, method="flat")
    else:
        start = otopt.sparse_ot(a, b, C, 10, reg=1e-3)
    cold, warm = otopt.emd(a, b, C), otopt.emd(a, b, C, warm_start=start)
    check_exact(warm, a, b, C)
    assert warm.value == pytest.approx(cold.value, rel=1e-12)
    if what != "limited":
        assert warm.nit < otopt.emd(a, b, C, method="flat").nit


@given(PROBLEMS, st.integers(0, 1000))
def test_any_potentials_are_a_valid_start(problem, seed):
    a, b, C, *_ = problem
    rng = np.random.default_rng(seed)
    start = rng.normal(size=len(a)), 10 * rng.normal(size=len(b))
    warm = otopt.emd(a, b, C, warm_start=start)
    check_exact(warm, a, b, C)


@pytest.mark.parametrize("size", [1e10, 1e17, 1e150])
@pytest.mark.parametrize("points", [False, True])
def test_potentials_far_from_the_costs_prove_as_much_as_others(size, points):
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(25))
    X, Y = rng.random((30, 2)), rng.random((25, 2))
    C = ((X[:, None] - Y) ** 2).sum(axis=2)
    start = size * rng.normal(size=30), size * rng.normal(size=25)
    cost = {"X": X, "Y": Y} if points else {"C": C}
    warm = otopt.emd(a, b, **cost, warm_start=start)
    check_exact(warm, a, b, C)
    assert abs(warm.gap) < 1e-13
    assert warm.value == pytest.approx(otopt.emd(a, b, C).value, rel=1e-13)


def test_the_optimum_in_another_unit_of_cost_is_a_start():
    a, b, C = problem(30, 25)
    warm = otopt.emd(a, b, C, warm_start=otopt.emd(a, b, 1e9 * C))
    check_exact(warm, a, b, C)
    assert abs(warm.gap) < 1e-13


def test_an_exact_plan_warms_the_sparse_problem():
    a, b, C = problem(40, 30)
    start = otopt.emd(a, b, C)
    assert otopt.sparse_ot(a, b, C, 8, reg=0.1, warm_start=start).success


# -- limits -------------------------------------------------------------------------------------


@pytest.mark.reference
@pytest.mark.parametrize("method", ["auto", "flat"])
@pytest.mark.parametrize("maxiter", [1, 7])
def test_maxiter_leaves_a_plan_and_a_valid_bound(method, maxiter):
    a, b, C = problem(30, 25)
    optimum = otopt.emd(a, b, C)
    with pytest.warns(ConvergenceWarning, match=rf"^emd: Stopped at maxiter = {maxiter} "):
        result = otopt.emd(a, b, C, maxiter=maxiter, method=method, options={"coarsest": 8})
    check_exact(result, a, b, C)
    assert result.status is otopt.Status.ITERATION_LIMIT
    assert result.nit == maxiter
    assert result.dual_bound <= optimum.value + 1e-12
    assert result.value >= optimum.value - 1e-12
    assert result.gap > 1e-9
    with pytest.raises(NotConvergedError, match="Raise the limit"):
        result.raise_if_failed()


@pytest.mark.parametrize("method", ["multilevel", "flat"])
def test_time_limit(method):
    a, b, C = problem(600, 600)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        result = otopt.emd(a, b, C, time_limit=1e-9, method=method)
    check_exact(result, a, b, C)
    assert result.status is otopt.Status.ITERATION_LIMIT


def test_an_assignment_at_its_limit_is_a_permutation():
    _, _, C = problem(300, 300)
    with pytest.warns(ConvergenceWarning, match="assignment: Stopped"):
        result = otopt.assignment(C, maxiter=3)
    assert sorted(result.permutation) == list(range(300))
    check_exact(result, np.ones(300), np.ones(300), C)


def test_callback_sees_progress_and_can_stop():
    a, b, C = problem(500, 500)
    states = []
    done = otopt.emd(a, b, C, callback=states.append, method="flat")
    assert done.status is otopt.Status.OPTIMAL
    assert len(states) > 1
    assert [s.nit for s in states] == sorted(s.nit for s in states)
    assert [s.value for s in states] == sorted((s.value for s in states), reverse=True)
    bounds = [s.dual_bound for s in states]
    assert bounds == sorted(bounds)
    assert all(s.dual_bound <= done.value * (1 + 1e-12) <= s.value * (1 + 2e-12) for s in states)

    def stop(intermediate_result):
        raise StopIteration

    stopped = otopt.emd(a, b, C, callback=stop, method="flat")
    assert stopped.status is otopt.Status.STOPPED
    check_exact(stopped, a, b, C)


def test_ctrl_c_returns_what_there_is():
    a, b, C = problem(500, 500)

    def press(intermediate_result):
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    result = otopt.emd(a, b, C, callback=press, method="flat")
    assert result.status is otopt.Status.STOPPED
    assert signal.getsignal(signal.SIGINT) is before
    check_exact(result, a, b, C)


def test_works_outside_the_main_thread():
    a, b, C = problem(50, 50)
    results = []
    thread = threading.Thread(target=lambda: results.append(otopt.emd(a, b, C)))
    thread.start()
    thread.join()
    assert results[0].status is otopt.Status.OPTIMAL


def test_an_error_in_a_callback_comes_through_and_leaves_the_signal_alone():
    a, b, C = problem(500, 500)

    def fail(intermediate_result):
        raise RuntimeError("mine")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="mine"):
        otopt.emd(a, b, C, callback=fail, method="flat")
    assert signal.getsignal(signal.SIGINT) is before
