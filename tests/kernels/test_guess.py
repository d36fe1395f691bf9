"""Guess-and-check kernels find what explicit parameters say, whatever the cut into ranges."""

from itertools import pairwise

import numpy as np
import pytest

from otopt._kernels import numba_guess, reference_guess

EVERYTHING = (-np.inf, np.inf)
# 20 x 20: the odd number of pooled rows; 28 x 28 is covered by the tests of otopt.optimize.networks
CASES = [
    ("linear", (7,)), ("linear", (70,)), ("lenet", (2, 20, 2, 3, 17, 5)),
    ("mlp", (7, 3)), ("mlp", (70, 33, 16)), ("mlp", (9, 5, 20, 4)),
]  # fmt: skip


def examples(kind, sizes, n, seed=0):
    rng = np.random.default_rng(seed)
    features = sizes[0] * sizes[1] ** 2 if kind == "lenet" else sizes[0]
    return rng.normal(size=(n, features)).astype(np.float32), np.resize([-1.0, 1.0], n)


@pytest.mark.parametrize(("kind", "sizes"), CASES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_finds_what_brute_force_finds(kind, sizes, n):
    X, signs = examples(kind, sizes, n)
    found = [
        module.search(kind, sizes, X, signs, 2**63 + 5, *EVERYTHING)(1000, 1150, 300)
        for module in (numba_guess, reference_guess)
    ]
    for ours, exact in zip(found[0][:2], found[1][:2], strict=True):
        np.testing.assert_array_equal(ours, exact)
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=2e-5, atol=1e-7)
    assert len(found[0][0]) == 150 if n == 1 else 0 < len(found[0][0]) < 150
    assert found[0][3] == found[1][3] == 1150


@pytest.mark.parametrize(("kind", "sizes"), CASES)
def test_ranges_and_room_do_not_matter(kind, sizes):
    X, signs = examples(kind, sizes, 4)
    check = numba_guess.search(kind, sizes, X, signs, 3, *EVERYTHING)
    whole = check(0, 400, 400)
    for cuts in ((0, 1, 399, 400), (0, 123, 400)):
        parts = [check(a, b, 400) for a, b in pairwise(cuts)]
        for column in range(3):
            joined = np.concatenate([part[column] for part in parts])
            np.testing.assert_array_equal(joined, whole[column])
    first = check(0, 400, 3)
    np.testing.assert_array_equal(first[0], whole[0][:3])
    assert first[3] == whole[0][2] + 1


@pytest.mark.parametrize(("kind", "sizes"), CASES)
def test_bins_of_the_loss_are_a_partition(kind, sizes):
    X, signs = examples(kind, sizes, 3)
    args = kind, sizes, X, signs, 11
    everything = numba_guess.search(*args, *EVERYTHING)(0, 500, 500)
    middle = float(np.median(everything[2]))
    low = numba_guess.search(*args, -np.inf, middle)(0, 500, 500)
    high = numba_guess.search(*args, middle, np.inf)(0, 500, 500)
    assert low[2].max() <= middle < high[2].min()
    np.testing.assert_array_equal(np.sort(np.append(low[0], high[0])), everything[0])
