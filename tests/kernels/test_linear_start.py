"""The linear programme that small problems start from, against HiGHS."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import eye_array, kron, vstack

import otopt
from otopt._kernels._numba_linear_start import linear_start


def least_cost(a, b, C):
    n, m = C.shape
    sums = vstack([kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))])
    judge = linprog(C.ravel(), A_eq=sums.tocsr(), b_eq=np.concatenate([a, b]), method="highs")
    assert judge.status == 0
    return judge.fun


@st.composite
def transports(draw):
    """Masses of many sizes, or all equal; costs with ties, of any offset."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n, m = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    spread = draw(st.sampled_from([0.0, 1.0, 8.0]))
    a, b = (np.exp(spread * rng.normal(size=size)) for size in (n, m))
    C = rng.random((n, m)) if draw(st.booleans()) else rng.integers(0, 3, (n, m)).astype(float)
    return a / a.sum(), b / b.sum(), C + draw(st.sampled_from([0.0, -5.0, 1e4]))


@given(problem=transports())
def test_plan_and_potentials_are_optimal(problem):
    a, b, C = problem
    alpha, (rows, columns, mass) = linear_start(a, b, C)
    plan = np.zeros(C.shape)
    plan[rows, columns] = mass
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == len(rows)
    np.testing.assert_allclose(plan.sum(axis=1), a, rtol=0, atol=1e-14)
    np.testing.assert_allclose(plan.sum(axis=0), b, rtol=0, atol=1e-14)
    size = np.abs(C).max()
    beta = (C - alpha[:, None]).min(axis=0)
    assert (plan * C).sum() == pytest.approx(a @ alpha + b @ beta, rel=0, abs=1e-9 * size)
    # HiGHS meets masses to 1e-7 each.
    assert (plan * C).sum() == pytest.approx(least_cost(a, b, C), rel=0, abs=2e-6 * size)
    assert abs(alpha.mean()) <= 1e-12 * size


@pytest.mark.parametrize("reg", [0.0, 0.1, 1.0, 20.0])
@pytest.mark.parametrize("shape", [(20, 20), (9, 40), (40, 9)])
def test_the_start_does_not_change_the_answer(shape, reg):
    rng = np.random.default_rng(7)
    a, b = (rng.dirichlet(np.ones(size)) for size in shape)
    C = rng.random(shape)
    k = 8
    ours, theirs, step_by_step = (
        otopt.sparse_ot(
            a, b, C, k, reg=reg, rounding="none", options={"linear_start": linear},
            callback=callback,
        )
        for linear, callback in ((True, None), (False, None), (True, lambda _: None))
    )  # fmt: skip
    for other in (theirs, step_by_step):
        assert ours.relaxed.value == pytest.approx(other.relaxed.value, rel=2e-6)
        assert ours.dual_bound == pytest.approx(other.dual_bound, rel=2e-6)
        assert other.relaxed.marginal_error <= 1e-6
    assert ours.relaxed.marginal_error <= 1e-6


def test_without_curvature_the_start_is_the_answer():
    rng = np.random.default_rng(3)
    a, b, C = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(30)), rng.random((30, 30))
    result = otopt.sparse_ot(a, b, C, None, reg=0.0)
    assert result.success
    assert result.nit <= 3
    assert result.value == pytest.approx(least_cost(a, b, C), rel=1e-6)
