"""Rounding within capacities, and matchings with a certificate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

import otopt
from tests.ot.test_prices import optimum


def test_policies_by_hand():
    S = np.array([[3.0, 1.0], [5.0, 2.0], [2.5, 0.0], [4.0, 3.9]])
    kept = {
        "drop_position": [True, True, False, False],
        "drop_score": [False, True, False, True],
        "bpr": [False, True, False, True],
        "none": [True] * 4,
    }
    for policy, expected in kept.items():
        routing = otopt.assign(S, capacity=2, policy=policy)
        assert routing.keep.ravel().tolist() == expected
        assert routing.load.tolist() == [sum(expected), 0]
        assert (routing.position[~routing.keep] == -1).all()
    repaired = otopt.assign(S, capacity=2, policy="repair")
    assert repaired.indices.ravel().tolist() == [1, 0, 0, 1]  # leads are 2, 3, 2.5 and 0.1
    assert repaired.keep.all()


def test_first_choices_come_before_second_ones():
    S = np.array([[2.0, 1.0, 0.0], [2.0, 0.0, 1.0], [0.0, 1.0, 2.0]])
    routing = otopt.assign(S, k=2, capacity=1, policy="drop_position")
    # row 0 holds column 0, row 2 column 2; second choices: column 1 to row 0
    assert routing.keep.tolist() == [[True, True], [False, False], [True, False]]


def test_batch_priority_serves_the_surest_rows_first():
    S = np.array([[1.0, 0.0], [9.0, 8.0], [5.0, 0.0]])
    assert otopt.assign(S, capacity=1, policy="bpr").keep.ravel().tolist() == [False, True, False]


@given(
    seed=st.integers(0, 10_000), n=st.integers(0, 30), m=st.integers(1, 7), spare=st.integers(0, 3),
    ties=st.booleans(),
)  # fmt: skip
def test_repair_fits_whenever_there_is_room(seed, n, m, spare, ties):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, m + 1))
    S = rng.integers(0, 2, (n, m)).astype(float) if ties else rng.normal(size=(n, m)) + np.arange(m)
    capacity = -(-n * k // m) + spare
    routing = otopt.assign(S, None, k, capacity, policy="repair")
    assert routing.keep.all()
    assert routing.load.max() <= capacity
    assert all(len(set(row)) == k for row in routing.indices.tolist())
    for j in range(m):  # places are 0, 1, 2, ...
        places = routing.position[routing.indices == j]
        assert sorted(places.tolist()) == list(range(len(places)))


def test_repair_changes_nothing_where_nothing_is_wrong():
    S = np.eye(6) + 0.1
    routing = otopt.assign(S, capacity=1, policy="repair")
    np.testing.assert_array_equal(routing.indices.ravel(), np.arange(6))


def test_uneven_capacities():
    S = np.zeros((10, 3))
    routing = otopt.assign(S, capacity=[7, 0, 3.9], policy="repair")
    assert routing.load.tolist() == [7, 0, 3]


def test_padding_takes_no_room():
    S = np.random.default_rng(0).normal(size=(20, 4))
    mass = np.r_[np.zeros(8), np.ones(12)]
    for policy in ("drop_position", "drop_score", "bpr", "repair"):
        routing = otopt.assign(S, capacity=3, policy=policy, row_mass=mass)
        assert not routing.keep[:8].any()
        alone = otopt.assign(S[8:], capacity=3, policy=policy)
        np.testing.assert_array_equal(routing.load, alone.load)


def test_bad_input():
    S = np.zeros((4, 2))
    with pytest.raises(ValueError, match="got room for 2"):
        otopt.assign(S, capacity=1, policy="repair")
    with pytest.raises(ValueError, match="did you mean 'repair'"):
        otopt.assign(S, policy="repare")
    with pytest.raises(ValueError, match="one price a column"):
        otopt.assign(S, [1.0])
    with pytest.raises(ValueError, match="assign: `k`"):
        otopt.assign(S, k=3)


@given(seed=st.integers(0, 10_000), data=st.data())
def test_bmatch_is_the_optimum_of_the_linear_programme(seed, data):
    rng = np.random.default_rng(seed)
    n, m = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    K = data.draw(st.integers(1, m))
    S = (
        rng.integers(0, 3, (n, m)).astype(float)
        if data.draw(st.booleans())
        else rng.normal(size=(n, m))
    )
    cap = -(-n * K // m) + data.draw(st.integers(0, 2))
    best = optimum(S, K, cap)
    for candidates in (1, 3, 64):
        result = otopt.bmatch(S, K, cap, candidates=candidates)
        assert result.certified
        assert result.value == pytest.approx(best, abs=1e-9)
        assert result.dual_bound == pytest.approx(best, abs=1e-9)
        assert result.load.max() <= cap
        assert all(len(set(row)) == K for row in result.indices.tolist())
        hasty = otopt.bmatch(S, K, cap, candidates=candidates, certify=False)
        assert hasty.value <= best + 1e-9 <= hasty.dual_bound + 2e-9
        _u, w = result.potentials
        assert (w >= 0).all()
        assert np.allclose(w[result.load < cap], 0)


@given(
    seed=st.integers(0, 10_000), n=st.integers(1, 6), spare=st.integers(0, 60),
    K=st.integers(1, 3), kind=st.sampled_from(["normal", "ties", "near ties", "shifted", "tiny"]),
    candidates=st.sampled_from([1, 2, 4]), certify=st.booleans(), single=st.booleans(),
)  # fmt: skip
def test_a_certificate_is_never_wrong(seed, n, spare, K, kind, candidates, certify, single):
    rng = np.random.default_rng(seed)
    m = n * K + spare
    S = rng.normal(size=(n, m))
    if kind in ("ties", "near ties"):  # everybody's favourites are the same
        S = np.round(S[:1] + 0.3 * S) + (1e-7 * S if kind == "near ties" else 0)
    S = {"shifted": S + 1e6, "tiny": 1e-9 * S}.get(kind, S)
    S = S.astype(np.float32 if single else np.float64)
    result = otopt.bmatch(S, K, candidates=candidates, certify=certify)
    rows, columns = linear_sum_assignment(np.repeat(S.astype(float), K, axis=0), maximize=True)
    best = S.astype(float)[rows // K, columns].sum()
    tolerance = 1e-10 * n * K * np.abs(S).max()
    assert result.value <= best + tolerance
    assert result.dual_bound >= best - tolerance
    if result.certified:
        assert result.value >= best - 2 * tolerance
    assert result.certified or not certify


def test_bmatch_lists_of_any_length_hold_the_same_matching():
    S = np.random.default_rng(3).normal(size=(40, 4200))
    S[:, :90] += 3  # longer lists than are sorted in the kernel
    results = [otopt.bmatch(S, 2, candidates=c) for c in (4, 256, 300, 4200)]
    assert all(r.certified for r in results)
    for r in results[1:]:
        np.testing.assert_array_equal(r.indices, results[0].indices)


@pytest.mark.reference
def test_bmatch_small():
    result = otopt.bmatch([[0.9, 0.8, 0.1], [0.9, 0.5, 0.2]], row=2, col_cap=[1, 2, 1])
    assert result.indices.tolist() == [[0, 1], [1, 2]]
    assert result.certified
    with pytest.raises(ValueError, match="together at least n \\* row = 3"):
        otopt.bmatch(np.zeros((3, 2)), row=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_bmatch_takes_room_of_any_integer_type(dtype):
    S = np.random.default_rng(0).normal(size=(300, 4))
    room = np.full(4, 100, dtype)
    result = otopt.bmatch(S, 1, room)
    assert result.certified
    np.testing.assert_array_equal(result.indices, otopt.bmatch(S, 1, 100).indices)


def test_bmatch_lists_grow_until_the_proof_holds():
    rng = np.random.default_rng(0)
    S = rng.normal(size=(60, 200))
    S[:, :20] += 5  # everybody's favourites
    short = otopt.bmatch(S, 2, candidates=8)
    assert short.certified
    assert short.candidates > 8
    assert short.value == pytest.approx(otopt.bmatch(S, 2, candidates=200).value)
    assert not otopt.bmatch(S, 2, candidates=8, certify=False).certified


def test_bmatch_refuses():
    with pytest.raises(ValueError, match="`row`"):
        otopt.bmatch(np.zeros((2, 3)), row=4, col_cap=9)
    with pytest.raises(ValueError, match="`col_cap`"):
        otopt.bmatch(np.zeros((2, 3)), col_cap=0.5)
    with pytest.raises(ValueError, match="finite"):
        otopt.bmatch([[np.nan, 1.0]])
