"""sparse_ot with a cardinality of its own for every column."""

import warnings

import numpy as np
import pytest
import torch

import otopt
from otopt.testing import check_plan
from tests.judges import brute_force, quadratic_optimum

RNG = np.random.default_rng(0)
N, M = 12, 9
A, B, COST = RNG.dirichlet(np.full(N, 3.0)), RNG.dirichlet(np.full(M, 3.0)), RNG.random((N, M))
X, Y = RNG.normal(size=(N, 2)), RNG.normal(size=(M, 2))
MIXED = np.array([2, 5, 3, 4, 3, 4, 4, 12, 3])


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return function(*args, **kwargs)


def identical(one, two):
    for name in ("rows", "mass"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.potentials.source, two.potentials.source)
    assert (one.value, one.dual_bound, one.nit) == (two.value, two.dual_bound, two.nit)
    assert one.status is two.status


@pytest.mark.reference
@pytest.mark.parametrize("k", [1, 3, N])
@pytest.mark.parametrize("cost", [{"C": COST}, {"X": X, "Y": Y}], ids=["matrix", "points"])
def test_one_for_each_is_one_for_all(k, cost):
    identical(
        quietly(otopt.sparse_ot, A, B, k=np.full(M, k), **cost),
        quietly(otopt.sparse_ot, A, B, k=k, **cost),
    )


def test_large_problems_and_penalties_too():
    rng = np.random.default_rng(1)
    C = rng.random((160, 20))
    a, b = np.full(160, 1 / 160), np.full(20, 1 / 20)
    one, all_alike = (otopt.sparse_ot(a, b, C, k) for k in (20, np.full(20, 20)))
    identical(one, all_alike)
    penalty = otopt.KLPenalty(1.0)
    one, all_alike = (
        quietly(otopt.sparse_ot, A, B, COST, k, marginal_penalty=penalty)
        for k in (3, np.full(M, 3))
    )
    identical(one, all_alike)


@pytest.mark.reference
def test_between_the_bounds_of_enumeration():
    rng = np.random.default_rng(2)
    found = 0
    for trial in range(40):
        n, m = 4, 3
        a, b = (
            (rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m)))
            if trial % 2
            else (rng.multinomial(8, np.ones(n) / n) + 1.0, np.full(m, 12.0) / m)
        )
        a = a * (b.sum() / a.sum())
        C, k, reg = rng.random((n, m)), rng.integers(1, n + 1, m), float(rng.choice([0.1, 1.0, 5]))
        optimum = brute_force(a, b, C, k, reg)
        result = quietly(otopt.sparse_ot, a, b, C, k, reg=reg)
        check_plan(result, a, b, C, k)
        assert result.dual_bound <= optimum + 1e-9 * abs(optimum)
        if result.success:
            assert result.value >= optimum - 1e-9 * abs(optimum)
            found += 1
        if result.status is otopt.Status.OPTIMAL:
            assert result.value == pytest.approx(optimum, rel=1e-5)
        if result.status is otopt.Status.INFEASIBLE:
            assert optimum == np.inf
        if optimum == np.inf:
            assert not result.success
    assert found >= 15


def test_a_wider_column_is_used():
    tight = otopt.sparse_ot(A, B, COST, 3, reg=20.0)
    free = otopt.sparse_ot(A, B, COST, np.where(np.arange(M) < 4, N, 3), reg=20.0)
    none = otopt.sparse_ot(A, B, COST, np.full(M, N + 5), reg=20.0)
    assert tight.dual_bound < tight.value
    assert none.dual_bound < free.dual_bound < tight.dual_bound + 1e-12
    assert none.value == pytest.approx(quadratic_optimum(A, B, COST, 20.0), rel=1e-7)
    assert (free.rows >= 0).sum(axis=1)[:4].max() > 3
    assert (free.rows >= 0).sum(axis=1)[4:].max() <= 3


@pytest.mark.parametrize("rounding", ["repair", "none"])
def test_the_result_says_what_was_allowed(rounding):
    result = quietly(otopt.sparse_ot, A, B, COST, MIXED + 20 * (MIXED == 12), rounding=rounding)
    np.testing.assert_array_equal(result.k, MIXED)
    assert result.rows.shape == result.mass.shape == (M, 12)
    assert "k=2..12" in repr(result)
    excess = np.diff(result.relaxed.plan.indptr) > MIXED
    np.testing.assert_array_equal(result.relaxed.excess_columns, np.flatnonzero(excess))


def test_columns_without_mass_keep_the_place_of_their_k():
    b = np.insert(B, 2, 0.0)
    padded = otopt.sparse_ot(A, b, np.insert(COST, 2, 0.5, axis=1), np.insert(MIXED, 2, 1), reg=5.0)
    result = otopt.sparse_ot(A, B, COST, MIXED, reg=5.0)
    assert padded.status is result.status
    assert padded.value == pytest.approx(result.value, rel=1e-12)
    np.testing.assert_array_equal(np.delete(padded.rows, 2, axis=0), result.rows)


def test_rows_instead_of_columns():
    turned = otopt.sparse_ot(B, A, COST.T, MIXED, axis=1)
    straight = otopt.sparse_ot(A, B, COST, MIXED)
    np.testing.assert_array_equal(turned.to_plan("dense"), straight.to_plan("dense").T)
    assert turned.dual_bound == straight.dual_bound
    assert ((turned.to_plan("dense") > 0).sum(axis=1) <= MIXED).all()


def test_counting_adds_up():
    a, b = RNG.dirichlet(np.ones(30)), RNG.dirichlet(np.full(10, 50.0))
    C = RNG.random((30, 10))
    k = np.full(10, 3)
    k[4] = 11
    result = quietly(otopt.sparse_ot, a, b, C, k)
    assert result.status is otopt.Status.INFEASIBLE
    assert "all k add up to 38" in result.message
    one = np.r_[1, np.full(9, 30)]
    heavy = quietly(otopt.sparse_ot, np.full(30, 1 / 30), np.full(10, 0.1), C, one)
    assert heavy.status is otopt.Status.INFEASIBLE
    assert "column 0 needs 3 rows" in heavy.message


def test_batches_take_them():
    rng = np.random.default_rng(3)
    C, counts = rng.random((4, N, M)), rng.integers(3, 6, (4, M))
    single = [quietly(otopt.sparse_ot, A, B, C[p], counts[p]) for p in range(4)]
    results = quietly(otopt.sparse_ot_batch, A, B, C, counts)
    for result, alone, cost, k in zip(results, single, C, counts, strict=True):
        check_plan(result, A, B, cost, k)
        assert result.dual_bound == pytest.approx(alone.dual_bound, rel=1e-9)
        np.testing.assert_array_equal(result.k, k)
    shared = quietly(otopt.sparse_ot_batch, A, B, C, list(counts[0]))
    identical(shared[0], results[0])
    ragged = quietly(otopt.sparse_ot_batch, [A, A], [B, B[:5] / B[:5].sum()],
                     [C[0], C[1, :, :5]], [counts[0], counts[1, :5]])  # fmt: skip
    identical(ragged[0], results[0])
    assert ragged[1].k.shape == (5,)
    with pytest.raises(ValueError, match="must broadcast; got a"):
        otopt.sparse_ot_batch(A, B, C, counts[:3])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_counts_of_any_integer_type_stand_beside_many_rows(dtype):
    rng = np.random.default_rng(4)
    a, b, C = np.full(300, 1 / 300), np.full(4, 0.25), rng.random((300, 4))
    most = min(np.iinfo(dtype).max, 2**63)  # one more than int64 holds
    result = otopt.sparse_ot(a, b, C, np.full(4, most, dtype))
    identical(result, otopt.sparse_ot(a, b, C, np.full(4, min(int(most), 300))))
    np.testing.assert_array_equal(result.k, min(int(most), 300))


def test_tensors_answer_in_tensors():
    given = (torch.as_tensor(x) for x in (A, B, COST))
    result = otopt.sparse_ot(*given, torch.as_tensor(MIXED))
    np.testing.assert_array_equal(result.k.numpy(), MIXED)
    np.testing.assert_array_equal(result.rows.numpy(), otopt.sparse_ot(A, B, COST, MIXED).rows)


@pytest.mark.parametrize(
    ("k", "error", "match"),
    [
        (np.full(M - 1, 3), ValueError, rf"one for every column, of shape \({M},\); got shape"),
        (np.full((M, 1), 3), ValueError, "got shape"),
        (np.full(M, 3.0), TypeError, "got dtype float64"),
        (np.full(M, True), TypeError, "got dtype bool"),
        (np.r_[0, np.full(M - 1, 3)], ValueError, r"got k\[0\] = 0"),
    ],
)
def test_what_is_no_cardinality_is_refused(k, error, match):
    with pytest.raises(error, match=match):
        otopt.sparse_ot(A, B, COST, k)
    if k.shape == (M,):
        with pytest.raises(error, match="every row"):
            otopt.sparse_ot(B, A, COST.T, k, axis=1)
