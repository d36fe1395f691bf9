"""Prices against linear programmes, by laws, and on bad input."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import eye_array, kron

import otopt
from otopt.errors import ConvergenceWarning, NotConvergedError


def clustered(n, m, seed=0, std=2.0):
    rng = np.random.default_rng(seed)
    tokens = rng.normal(size=(40, 16))[rng.choice(40, n, p=_zipf(40))] + rng.normal(size=(n, 16))
    return (tokens @ rng.normal(size=(16, m)) * std / np.sqrt(32)).astype(np.float32)


def _zipf(count):
    share = 1 / np.arange(1, count + 1)
    return share / share.sum()


def optimum(S, k, capacity, weight=None):
    """Value of the linear programme with loads at most `capacity`."""
    n, m = S.shape
    weight = np.ones(n) if weight is None else weight
    rows = kron(eye_array(n), np.ones((1, m)))
    columns = kron(weight[None], eye_array(m))
    found = linprog(
        -(weight[:, None] * S).ravel(), A_eq=rows, b_eq=np.full(n, k), A_ub=columns,
        b_ub=np.broadcast_to(capacity, m), bounds=(0, 1), method="highs",
    )  # fmt: skip
    assert found.success
    return -found.fun


@given(seed=st.integers(0, 10_000), data=st.data())
def test_weak_duality_at_any_price(seed, data):
    rng = np.random.default_rng(seed)
    n, m = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 5))
    k = data.draw(st.integers(1, m))
    S = rng.normal(size=(n, m)) if data.draw(st.booleans()) else rng.integers(0, 3, (n, m)) * 1.0
    weight = rng.choice([0.5, 1.0, 2.0], n) if data.draw(st.booleans()) else np.ones(n)
    capacity = k * weight.sum() / m * data.draw(st.sampled_from([1.0, 1.3, 3.0]))
    capacity = max(capacity, 0.0) if k < m else weight.sum()
    method = data.draw(st.sampled_from(["auto", "diagonal", "sinkhorn"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = otopt.solve_prices(
            S, k, capacity, row_mass=weight, method=method, maxiter=20, reg=data.draw(
                st.sampled_from([None, 0.1, 3.0])
            ),
        )  # fmt: skip
        equal = otopt.solve_prices(S, k, row_mass=weight, method=method, maxiter=20)
    best = optimum(S, k, capacity, weight)
    assert result.dual_bound >= best - 1e-9 * (1 + abs(best))
    assert (result.price >= 0).all()
    balanced = optimum(S, k, k * weight.sum() / m, weight)
    assert equal.dual_bound >= balanced - 1e-9 * (1 + abs(balanced))


@pytest.mark.parametrize(("n", "m", "k"), [(512, 8, 1), (1024, 16, 1), (2048, 32, 1)])
def test_a_converged_solve_closes_the_gap(n, m, k):
    for seed in range(3):
        S = clustered(n, m, seed)
        best = -otopt.emd(np.ones(n), np.full(m, n / m), -S.astype(float)).value
        for method in ("newton", "diagonal"):
            result = otopt.solve_prices(S, k, method=method)
            assert result.success
            assert -1e-6 <= (result.dual_bound - best) / n <= 1e-4
            routing = otopt.assign(S, result, k, n * k // m, policy="repair")
            value = np.take_along_axis(S, routing.indices, 1).sum(dtype=float)
            assert value >= 0.985 * best
            assert (routing.load == n * k // m).all()


@pytest.mark.parametrize("k", [2, 5])
def test_several_columns_a_row_against_the_linear_programme(k):
    S = clustered(128, 8, 1)
    best = optimum(S.astype(float), k, 128 * k / 8)
    result = otopt.solve_prices(S, k)
    assert -1e-6 <= (result.dual_bound - best) / 128 <= 1e-4
    for capacity in (100, np.linspace(128 * k / 8, 128, 8)):
        best = optimum(S.astype(float), k, capacity)
        result = otopt.solve_prices(S, k, capacity)
        assert -1e-6 <= (result.dual_bound - best) / 128 <= 1e-4


def test_two_warm_passes_keep_balance():
    S = clustered(4096, 32)
    price = otopt.solve_prices(S).price
    other = clustered(4096, 32) + 0.05 * np.random.default_rng(1).normal(size=(4096, 32)).astype(
        np.float32
    )
    before = otopt.assign(other, price).load
    result = otopt.solve_prices(other, passes=2, warm_start=price)
    assert result.passes == 2
    assert result.load.max() < min(1.06 * 128, before.max())


def test_quantile_sweeps_are_the_textbook_ones():
    S = clustered(400, 8).astype(float)
    price = np.zeros(8)
    for _ in range(3):
        r = S - price
        level = -np.sort(-r, axis=1)[:, 2]
        price = -np.sort(-(S - level[:, None]), axis=0)[100]
        price = price - price.mean()
    found = otopt.solve_prices(S, 2, method="quantile", passes=3, warm_start=np.zeros(8))
    np.testing.assert_allclose(found.price, price, atol=1e-12)


@given(seed=st.integers(0, 999))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    S = rng.normal(size=(64, 6))
    price = otopt.solve_prices(S, 2, passes=8).price
    shifted = otopt.solve_prices(S + rng.normal(size=(64, 1)), 2, passes=8, reg=0.1).price
    same = otopt.solve_prices(S, 2, passes=8, reg=0.1).price
    np.testing.assert_allclose(shifted, same, atol=2e-2)  # the start sees the shift in its width
    order = rng.permutation(6)
    np.testing.assert_allclose(
        otopt.solve_prices(S[:, order], 2, passes=8).price, price[order], atol=1e-6
    )
    np.testing.assert_allclose(otopt.solve_prices(3 * S, 2, passes=8).price, 3 * price, atol=1e-5)
    padded = np.concatenate([S, np.full((9, 6), np.nan)])
    mass = np.r_[np.ones(64), np.zeros(9)]
    found = otopt.solve_prices(padded, 2, passes=8, row_mass=mass)
    np.testing.assert_allclose(found.price, price, atol=1e-6)
    assert found.load.sum() == 128


def test_masses_count_as_copies():
    S = clustered(60, 5).astype(float)
    twice = otopt.solve_prices(S, 2, row_mass=np.full(60, 2.0))
    once = otopt.solve_prices(np.repeat(S, 2, axis=0), 2)
    np.testing.assert_allclose(twice.price, once.price, atol=1e-6)
    assert twice.dual_bound == pytest.approx(once.dual_bound)


def test_no_more_than_row_nnz_columns_share_a_row():
    S = clustered(256, 8)
    wide = otopt.solve_prices(S, 2, reg=5.0)
    narrow = otopt.solve_prices(S, 2, reg=5.0, row_nnz=2, maxiter=30, tol=0.5)
    assert not np.allclose(wide.price, narrow.price, atol=1e-3)


@pytest.mark.reference
@pytest.mark.parametrize("shape", [(0, 4), (3, 1), (3, 8), (8, 8)])
@pytest.mark.parametrize("k", [1, "all"])
def test_odd_shapes(shape, k):
    n, m = shape
    S = np.random.default_rng(0).normal(size=shape)
    k = m if k == "all" else k
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = otopt.solve_prices(S, k, maxiter=60)
        assert otopt.solve_prices(S, k, passes=2).price.shape == (m,)
        assert otopt.solve_prices(S, k, method="quantile").price.shape == (m,)
    assert np.isfinite(result.price).all()
    assert result.load.sum() == n * k
    routing = otopt.assign(S, result, k, policy="repair")
    assert routing.keep.all()
    assert routing.load.max() <= -(-n * k // m)


@pytest.mark.parametrize("offset", [0.0, 1e4, -1e4])
def test_large_and_constant_scores(offset):
    constant = np.full((100, 5), offset, np.float32)
    result = otopt.solve_prices(constant)
    assert np.isfinite(result.price).all()
    routing = otopt.assign(constant, result, capacity=20, policy="repair")
    assert (routing.load == 20).all()
    assert len(set(routing.indices[:20, 0])) > 1  # not the first rows to the first column
    S = clustered(512, 8) * 100 + offset
    assert otopt.solve_prices(S).load.max() <= 1.1 * 64


def test_no_mass_at_all():
    result = otopt.solve_prices(np.full((4, 3), np.nan), row_mass=np.zeros(4))
    assert not result.price.any()
    assert result.dual_bound == 0


BAD = {
    "NaN": ({"scores": [[0.0, np.nan]]}, r"scores\[0, 1\] = nan"),
    "inf": ({"scores": [[0.0, np.inf]]}, "must be finite"),
    "one axis": ({"scores": [0.0, 1.0]}, "matrix"),
    "no columns": ({"scores": np.zeros((3, 0))}, "at least one column"),
    "text": ({"scores": [["a", "b"]]}, "numbers"),
    "k > m": ({"scores": np.zeros((3, 2)), "k": 3}, r"1\.\.2"),
    "k = 0": ({"scores": np.zeros((3, 2)), "k": 0}, "got 0"),
    "k = 1.5": ({"scores": np.zeros((3, 2)), "k": 1.5}, "integer"),
    "small capacity": ({"scores": np.zeros((3, 2)), "capacity": 1}, "got room for 2"),
    "useless capacity": (
        {"scores": np.zeros((3, 2)), "k": 2, "capacity": [9, 1]},
        "got room for 4",
    ),
    "negative capacity": ({"scores": np.zeros((3, 2)), "capacity": [-1, 9]}, "non-negative"),
    "capacities": ({"scores": np.zeros((3, 2)), "capacity": [1, 2, 3]}, r"shape \(2,\)"),
    "masses": ({"scores": np.zeros((3, 2)), "row_mass": [1.0, 1.0]}, r"shape \(3,\)"),
    "negative mass": ({"scores": np.zeros((3, 2)), "row_mass": [1, -1, 1]}, r"row_mass\[1\]"),
    "method": ({"scores": np.zeros((3, 2)), "method": "newtom"}, "did you mean 'newton'"),
    "reg": ({"scores": np.zeros((3, 2)), "reg": 0}, "`reg`"),
    "smoothing": ({"scores": np.zeros((3, 2)), "smoothing": -1}, "`smoothing`"),
    "passes": ({"scores": np.zeros((3, 2)), "passes": 0}, "`passes`"),
    "row_nnz": ({"scores": np.zeros((3, 3)), "k": 2, "row_nnz": 1}, "at least k"),
    "price": ({"scores": np.zeros((3, 2)), "warm_start": [1.0]}, r"shape \(2,\)"),
    "price NaN": ({"scores": np.zeros((3, 2)), "warm_start": [1.0, np.nan]}, "finite"),
    "weighted": (
        {"scores": np.zeros((3, 2)), "row_mass": [1, 2, 3], "method": "quantile"},
        "quantile",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case):
    arguments, text = BAD[case]
    with pytest.raises((ValueError, TypeError), match=text) as caught:
        otopt.solve_prices(**arguments)
    assert str(caught.value).startswith("solve_prices: ")


def test_a_limit_is_told():
    S = clustered(512, 64)
    with pytest.warns(ConvergenceWarning, match="raise maxiter"):
        result = otopt.solve_prices(S, maxiter=2)
    assert not result.success
    with pytest.raises(NotConvergedError):
        result.raise_if_failed()
    assert "ITERATION_LIMIT" in repr(result)


def test_scores_are_not_written_to():
    S = clustered(64, 8)
    S.setflags(write=False)
    price = otopt.solve_prices(S).price
    np.testing.assert_array_equal(otopt.solve_prices(np.asfortranarray(S)).price, price)
    np.testing.assert_allclose(otopt.solve_prices(S.tolist()).price, price, atol=1e-4)
