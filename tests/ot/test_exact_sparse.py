"""emd on sparse costs: missing pairs are forbidden."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import linprog

import otopt
from otopt.errors import FeasibilityWarning, InfeasibleError


def optimum(a, b, C):
    """Least cost over the entries of C, by HiGHS; None where there is no plan."""
    C = C.tocoo()
    entry = np.arange(C.nnz)
    ones = np.ones(C.nnz)
    rows = sparse.coo_array((ones, (C.row, entry)), (C.shape[0], C.nnz))
    columns = sparse.coo_array((ones, (C.col, entry)), (C.shape[1], C.nnz))
    done = linprog(C.data, A_eq=sparse.vstack([rows, columns]), b_eq=np.concatenate([a, b]))
    return done.fun if done.status == 0 else None


@given(
    st.integers(1, 8), st.integers(1, 8), st.floats(0.2, 1), st.booleans(),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::otopt.errors.FeasibilityWarning")
def test_agrees_with_a_linear_programme(n, m, density, ties, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 4, n).astype(float), rng.integers(1, 4, m).astype(float)
    a, b = a * b.sum(), b * a.sum()
    allowed = rng.random((n, m)) < density
    allowed[0, 0] = True
    values = (
        rng.integers(-3, 4, (n, m)) if ties else rng.normal(size=(n, m)) * 10.0 ** rng.integers(4)
    )
    row, column = np.nonzero(allowed)
    C = sparse.coo_array((values[allowed].astype(float), (row, column)), (n, m))
    expected = optimum(a, b, C)
    result = otopt.emd(a, b, C)
    assert result.status.name == ("INFEASIBLE" if expected is None else "OPTIMAL")
    plan = result.plan.toarray()
    assert not plan[~allowed].any()
    if expected is None:
        error = np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum()
        assert result.marginal_error == pytest.approx(error)
        assert error > 0
        return
    assert result.value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert abs(result.gap) <= 1e-10
    np.testing.assert_allclose(plan.sum(1), a, rtol=1e-13)
    np.testing.assert_allclose(plan.sum(0), b, rtol=1e-13)
    u, v = result.potentials
    assert (u[row] + v[column] <= C.data + 1e-9).all()
    assert a @ u + b @ v == pytest.approx(result.value, rel=1e-9, abs=1e-8)


def test_a_full_sparse_cost_is_the_dense_problem():
    rng = np.random.default_rng(0)
    a, b, C = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(20)), rng.random((30, 20))
    assert otopt.emd(a, b, sparse.csr_array(C)).value == pytest.approx(otopt.emd(a, b, C).value)


def test_a_detour_may_cost_more_than_any_entry():
    # The only plan runs along a staircase; the forbidden corner would save n - 1 exchanges.
    n = 30
    row, column = np.r_[np.arange(n), np.arange(n - 1)], np.r_[np.arange(n), np.arange(1, n)]
    cost = np.r_[np.ones(n), np.zeros(n - 1)]
    C = sparse.csr_array((cost, (row, column)), (n, n))
    result = otopt.emd(np.ones(n), np.ones(n), C)
    assert result.value == n
    assert result.status is otopt.Status.OPTIMAL


def test_blocks_whose_sums_agree_up_to_rounding_are_feasible():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 5, 4))
    b *= a.sum(1, keepdims=True) / b.sum(1, keepdims=True)
    C = sparse.csr_array(sparse.block_diag([rng.random((4, 4)) + 1 for _ in range(5)]))
    result = otopt.emd(a.ravel(), b.ravel(), C)
    assert result.status is otopt.Status.OPTIMAL
    assert result.marginal_error <= 1e-12
    assert not result.plan.toarray()[C.toarray() == 0].any()


def test_infeasible_problems_say_so():
    C = sparse.csr_array(([1.0, 2.0], ([0, 1], [0, 0])), (2, 2))
    with pytest.warns(FeasibilityWarning, match=r"at least 0\.5 of the mass"):
        result = otopt.emd([1, 1], [1, 1], C)
    assert result.status is otopt.Status.INFEASIBLE
    assert result.plan.sum() == 1.0
    with pytest.raises(InfeasibleError):
        result.raise_if_failed()


@pytest.mark.parametrize(
    ("C", "text"),
    [
        (sparse.csr_array((2, 2)), "at least one entry"),
        (sparse.csr_array(([1.0, np.nan], ([0, 1], [0, 1])), (2, 2)), r"C\[1, 1\]"),
        (sparse.csr_array(np.ones((3, 2))), "`a`"),
    ],
)
def test_bad_input_is_refused_by_name(C, text):
    with pytest.raises(ValueError, match=f"^emd: .*{text}"):
        otopt.emd([1, 1], [1, 1], C)


def test_settings_that_do_not_apply_are_refused():
    C = sparse.csr_array(np.ones((2, 2)))
    with pytest.raises(ValueError, match="`warm_start` and `callback`"):
        otopt.emd([1, 1], [1, 1], C, callback=print)
