"""How an entropic solve ends, and what it says about it."""

import numpy as np
import pytest

import otopt
from otopt import Status
from otopt.errors import ConvergenceWarning, NotConvergedError

RNG = np.random.default_rng(0)
N = 60
A, B = RNG.dirichlet(np.full(N, 5.0)), RNG.dirichlet(np.full(N, 5.0))
X, Y = RNG.normal(size=(N, 2)), RNG.normal(size=(N, 2)) + 0.5
C = ((X[:, None] - Y) ** 2).sum(axis=2)


def test_success_says_how_good():
    result = otopt.sinkhorn(A, B, C, reg=0.1)
    assert result.status is Status.OPTIMAL
    assert result.raise_if_failed() is result
    assert 0 <= result.gap <= 1e-7
    text = repr(result)
    assert len(text.splitlines()) <= 10
    assert "OPTIMAL" in text


@pytest.mark.parametrize("maxiter", [1, 2, 5, 9])
def test_iteration_limit_is_seen(maxiter):
    with pytest.warns(ConvergenceWarning, match="Raise maxiter"):
        result = otopt.sinkhorn(A, B, C, reg=0.01, maxiter=maxiter)
    assert result.status is Status.ITERATION_LIMIT
    assert result.nit <= maxiter + 4
    assert result.marginal_error > 1e-9
    with pytest.raises(NotConvergedError):
        result.raise_if_failed()


def test_what_rounding_errors_forbid_is_seen():
    with pytest.warns(ConvergenceWarning, match="no more accuracy"):
        result = otopt.sinkhorn(A, B, C, reg=1e-4, tol=1e-16)
    assert result.status is Status.PRECISION_LIMIT
    assert result.marginal_error <= 1e-10
    with pytest.raises(NotConvergedError, match="Loosen tol"):
        result.raise_if_failed()


@pytest.mark.parametrize("error", [StopIteration, KeyboardInterrupt])
@pytest.mark.parametrize("when", [1, 3])
def test_interruption_keeps_an_answer_to_go_on_from(error, when):
    seen = []

    def stop(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == when:
            raise error

    result = otopt.sinkhorn(A, B, C, reg=0.01, callback=stop)
    assert result.status is Status.STOPPED
    assert len(seen) == when
    assert np.isfinite(result.value)
    assert result.dual_bound <= result.primal_bound
    assert otopt.sinkhorn(A, B, C, reg=0.01, warm_start=result).success


def test_callback_sees_reg_and_errors_fall():
    seen = []
    result = otopt.sinkhorn(A, B, C, reg=0.001, callback=seen.append)
    assert len(seen) == result.nfev
    regs = [s.reg for s in seen]
    assert regs == sorted(regs, reverse=True)
    assert regs[-1] == 0.001
    assert seen[-1].marginal_error <= 1e-9
    assert [s.nit for s in seen] == sorted(s.nit for s in seen)


@pytest.mark.parametrize("reg", [0.5, 0.005])
@pytest.mark.parametrize("order", ["C", "F"])
def test_warm_start_saves_work(reg, order):
    cost = np.asarray(C, order=order)
    cold = otopt.sinkhorn(A, B, cost, reg=reg)
    same = otopt.sinkhorn(A, B, cost, reg=reg, warm_start=cold)
    assert same.success
    assert same.nit <= 2
    near = otopt.sinkhorn(A, B, cost + 1e-4 * RNG.random(C.shape), reg=reg, warm_start=cold)
    assert near.success
    assert near.nit < cold.nit


def test_warm_start_of_a_distant_problem_still_converges():
    far = otopt.sinkhorn(A, B, C.T.copy()[::-1], reg=0.5)
    result = otopt.sinkhorn(A, B, C, reg=0.001, warm_start=far)
    assert result.success
    np.testing.assert_allclose(result.plan, otopt.sinkhorn(A, B, C, reg=0.001).plan, atol=2e-9)


def test_warm_start_of_another_shape_is_refused():
    result = otopt.sinkhorn(A, B, C, reg=0.5)
    with pytest.raises(ValueError, match="`warm_start`"):
        otopt.sinkhorn(A[:1] / A[0], B, C[:1], reg=0.5, warm_start=result)


def test_options_are_a_mapping_or_an_instance():
    options = otopt.SinkhornOptions(anneal_factor=3.0)
    one = otopt.sinkhorn(A, B, C, reg=0.01, options=options)
    two = otopt.sinkhorn(A, B, C, reg=0.01, options={"anneal_factor": 3.0})
    assert one.value == two.value


def test_same_problem_same_answer_and_nothing_is_printed(capfd):
    one, two = (otopt.sinkhorn(A, B, C, reg=0.01) for _ in range(2))
    np.testing.assert_array_equal(one.plan, two.plan)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_batch_problems_stop_by_themselves():
    costs = np.stack([C, 1e-3 * C, RNG.random(C.shape)])
    batch = otopt.sinkhorn_batch(A, B, costs, reg=0.05)
    assert batch.success.all()
    assert batch.nit[1] < batch.nit[0]  # an easy problem does not wait for a hard one
    for k, cost in enumerate(costs):
        alone = otopt.sinkhorn(A, B, cost, reg=0.05)
        np.testing.assert_allclose(batch.plan[k], alone.plan, atol=2e-9)
        for name in ("value", "linear_value", "dual_bound", "primal_bound"):
            assert getattr(batch, name)[k] == pytest.approx(getattr(alone, name), abs=1e-7)
        np.testing.assert_allclose(batch.potentials.source[k], alone.potentials.source, atol=1e-6)
    assert "3 OPTIMAL" in repr(batch)
    assert len(batch) == 3


def test_batch_says_which_problems_failed():
    costs = np.stack([C, np.zeros_like(C)])
    with pytest.warns(ConvergenceWarning, match="1 of 2 problems"):
        batch = otopt.sinkhorn_batch(A, B, costs, reg=[1e-4, 1.0], maxiter=10)
    assert batch.status.tolist() == [Status.ITERATION_LIMIT, Status.OPTIMAL]
    assert batch.success.tolist() == [False, True]
    assert (batch.dual_bound <= batch.primal_bound + 1e-15).all()
    assert (batch.nit <= 25).all()


def clear(x):
    x *= 0


def forbid_one(x):
    x[..., 3, 4] = 1e6


@pytest.mark.parametrize("change", [clear, forbid_one])
@pytest.mark.parametrize("what", ["plan", "log_plan"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("penalty", [None, (0.5, 2.0)])
def test_a_plan_of_a_cost_that_has_changed_is_refused(penalty, dtype, what, change):
    cost = C.astype(dtype)
    kept, late = (otopt.sinkhorn(A, B, cost, reg=0.5, marginal_penalty=penalty) for _ in range(2))
    expected = getattr(kept, what)
    change(cost)
    with pytest.raises(RuntimeError, match=r"^EntropicResult: the cost has changed"):
        getattr(late, what)
    assert getattr(kept, what) is expected


def test_a_plan_of_points_that_have_changed_is_refused():
    points = X.copy()
    result = otopt.sinkhorn(A, B, X=points, Y=Y, reg=0.5)
    clear(points)
    with pytest.raises(RuntimeError, match=r"^EntropicResult: the cost has changed"):
        _ = result.plan


def test_a_batch_of_plans_of_costs_that_have_changed_is_refused():
    costs = np.stack([C, C.T])
    batch = otopt.sinkhorn_batch(A, B, costs, reg=0.5)
    forbid_one(costs[1])
    with pytest.raises(RuntimeError, match=r"^EntropicBatch: the cost has changed"):
        _ = batch.plan


@pytest.mark.filterwarnings("ignore::otopt.errors.ConvergenceWarning")
@pytest.mark.parametrize("reg", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("maxiter", [1, 3, 20_000])
def test_plans_are_those_of_the_solve_however_inaccurate(maxiter, reg):
    for offset in (0.0, 1e6, 1e12):
        result = otopt.sinkhorn(A, B, C + offset, reg=reg, maxiter=maxiter)
        assert result.plan.shape == C.shape
        batch = otopt.sinkhorn_batch(A, B, C[None] + offset, reg=reg, maxiter=maxiter)
        assert batch.plan.shape == (1, *C.shape)
    for penalty in (2.0, (None, 0.1)):
        relaxed = otopt.sinkhorn(A, B, C, reg=reg, maxiter=maxiter, marginal_penalty=penalty)
        assert relaxed.plan.shape == C.shape
