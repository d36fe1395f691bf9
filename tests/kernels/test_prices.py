"""Kernels of prices: numba and torch beside the reference."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from otopt._kernels import numba_prices as fast
from otopt._kernels import reference_prices as slow
from otopt._kernels import torch_prices as device
from otopt._kernels._numba_lanes import WORD, first_bit, largest_between, reaching


def problem(seed, n, m, dtype=float, ties=False):
    rng = np.random.default_rng(seed)
    S = rng.integers(0, 3, (n, m)) if ties else 2 * rng.normal(size=(n, m))
    q = np.zeros(m) if ties else rng.normal(size=m)
    weight = np.where(rng.random(n) < 0.2, 0.0, rng.choice([1.0, 0.5], n))
    return S.astype(dtype), q.astype(dtype).astype(float), weight


shapes = st.tuples(st.integers(1, 30), st.integers(1, 140)).flatmap(
    lambda s: st.tuples(st.just(s[0]), st.just(s[1]), st.integers(1, min(s[1], 9)))
)


@given(
    shape=shapes, seed=st.integers(0, 999), reg=st.sampled_from([0.01, 0.3, 5.0]),
    ties=st.booleans(),
    spare=st.sampled_from([0, 2, 99]), dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_passes_agree_with_the_reference(shape, seed, reg, ties, spare, dtype):
    n, m, k = shape
    S, q, weight = problem(seed, n, m, dtype, ties)
    nnz = min(m, k + spare)
    expected = slow.price_pass(S, q, k, nnz, reg, weight, 2)
    found = fast.price_pass(S, q, k, nnz, reg, weight, 2)
    S_, q_, w_ = (torch.from_numpy(x) for x in (S, q, weight))
    on_device = device.price_pass(S_, q_, k, nnz, reg, w_, 1)
    tolerance = (
        {"rtol": 1e-9, "atol": 1e-9} if dtype is np.float64 else {"rtol": 2e-3, "atol": 2e-3}
    )
    np.testing.assert_allclose(found[0], expected[0], **tolerance)
    np.testing.assert_allclose(on_device[0], expected[0], **tolerance)
    if ties and nnz < m:  # which of equal entries are listed is open
        np.testing.assert_allclose(found[1].sum(), k * weight.sum(), **tolerance)
        np.testing.assert_allclose(on_device[1].sum(), k * weight.sum(), **tolerance)
        return
    np.testing.assert_allclose(found[1], expected[1], **tolerance)
    np.testing.assert_allclose(on_device[1], expected[1], **tolerance)
    if not ties and dtype is np.float64:
        np.testing.assert_allclose(found[2], expected[2], rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(found[3], expected[3], rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(on_device[2], expected[2], rtol=1e-7, atol=1e-7)


@given(
    shape=shapes, seed=st.integers(0, 999), ties=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_largest_entries_agree_with_the_reference(shape, seed, ties, dtype):
    n, m, count = shape
    S = problem(seed, n, m, dtype, ties)[0]
    expected, found = slow.top_of_rows(S, count), fast.top_of_rows(S, count)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[1].dtype == np.float64


@given(shape=shapes, seed=st.integers(0, 999), ties=st.booleans())
def test_routes_agree_with_the_reference(shape, seed, ties):
    n, m, k = shape
    S, q, weight = problem(seed, n, m, ties=ties)
    expected, found = slow.route(S, q, k, weight), fast.route(S, q, k, weight)
    np.testing.assert_array_equal(found[0], expected[0])  # of equal entries the first
    np.testing.assert_allclose(found[1], expected[1], atol=1e-9)
    np.testing.assert_array_equal(found[2], expected[2])
    on_device = device.route(*(torch.from_numpy(x) for x in (S, q)), k, torch.from_numpy(weight))
    np.testing.assert_allclose(on_device[1], expected[1], atol=1e-9)


@njit
def _lanes(S, q, first, end, level):
    found = np.empty(len(S), S.dtype)
    reach = np.zeros(S.shape, np.bool_)
    for i in range(len(S)):
        found[i] = largest_between(S, i, q, first, end)
        for start in range(0, S.shape[1], WORD):
            word = reaching(S, i, q, start, level[0])
            while word != 0:
                reach[i, start + first_bit(word)] = True
                word &= word - np.uint64(1)
    return found, reach


@given(
    seed=st.integers(0, 999), m=st.integers(1, 200), ties=st.booleans(),
    cut=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    dtype=st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_lanes_see_what_single_comparisons_see(seed, m, cut, ties, dtype):
    S, q, _ = problem(seed, 5, m, dtype, ties)
    q = q.astype(dtype)
    first = int(cut[0] * (m - 1))
    end = first + 1 + int(cut[1] * (m - first - 1))
    level = np.quantile(S - q, [0.9]).astype(dtype)
    found, reach = _lanes(S, q, first, end, level)
    np.testing.assert_array_equal(found, (S - q)[:, first:end].max(axis=1))
    np.testing.assert_array_equal(reach, S - q >= level)


@given(seed=st.integers(0, 999), n=st.integers(1, 20), m=st.integers(1, 40))
def test_moments_and_gibbs_rows_agree(seed, n, m):
    S, q, weight = problem(seed, n, m, np.float32)
    S_, q_, w_ = (torch.from_numpy(x) for x in (S, q, weight))
    expected = slow.score_moments(S, weight)
    for found in (fast.score_moments(S, weight), device.score_moments(S_, w_)):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    expected = slow.gibbs_rows(S, q, 0.1, weight)
    np.testing.assert_allclose(fast.gibbs_rows(S, q, 0.1, weight), expected, rtol=1e-4, atol=1e-24)
    np.testing.assert_allclose(device.gibbs_rows(S_, q_, 0.1, w_), expected, rtol=1e-4, atol=1e-24)


@given(seed=st.integers(0, 999), count=st.integers(0, 40), m=st.integers(1, 6))
def test_places_count_in_the_given_order(seed, count, m):
    rng = np.random.default_rng(seed)
    experts, order = rng.integers(-1, m, count), rng.permutation(count)
    expected = slow.places(experts, order, m)
    np.testing.assert_array_equal(fast.places(experts, order, m), expected)
    found = device.places(torch.from_numpy(experts), torch.from_numpy(order), m)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kernels", [fast, slow], ids=["fast", "slow"])
@given(seed=st.integers(0, 999), n=st.integers(1, 12), m=st.integers(1, 6), spare=st.integers(0, 2))
def test_repair_keeps_to_the_rooms_and_places_everybody(kernels, seed, n, m, spare):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(1, m + 1))
    S = (rng.integers(0, 2, (n, m)) + 3.0 * np.arange(m)) * rng.choice([0.0, 1.0])
    weight, q = np.where(rng.random(n) < 0.2, 0.0, 1.0), np.zeros(m)
    pairs = int(weight.sum()) * k
    room = np.full(m, -(-pairs // m) + spare)
    indices = slow.route(S, q, k, weight)[0].copy()
    assert kernels.repair(S, q, indices, room, weight) == 0
    held = indices[weight > 0]
    assert np.bincount(held.ravel(), minlength=m).max(initial=0) <= max(room.max(), 0)
    assert all(len(set(row)) == k for row in held.tolist())


def test_repair_on_devices_fills_all_rooms_of_single_choices():
    rng = np.random.default_rng(0)
    for n, m, k in ((512, 8, 1), (4096, 64, 1), (300, 7, 3)):
        S = torch.from_numpy(rng.normal(size=(n, m)) + 0.5 * np.arange(m))
        room, weight = torch.full((m,), -(-n * k // m)), torch.ones(n, dtype=torch.float64)
        q = torch.zeros(m, dtype=torch.float64)
        indices = device.route(S, q, k, weight)[0]
        left = int(device.repair(S, q, indices, room, weight))
        held = indices.numpy()
        assert left == (held < 0).sum()
        assert left <= (0 if k == 1 else 0.05 * n * k)
        assert np.bincount(held[held >= 0], minlength=m).max() <= room[0]
        assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in held)
