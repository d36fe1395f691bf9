"""Counting never denies a plan that exists."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otopt._rounding.counting import proof_of_infeasibility, smallest_count
from tests.judges import brute_force


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 3), st.booleans())
@settings(max_examples=150)
def test_a_proof_is_a_proof(seed, n, m, integer):
    rng = np.random.default_rng(seed)
    if integer:
        a = rng.integers(1, 4, n).astype(float)
        b = rng.multinomial(int(a.sum()) - m, np.full(m, 1 / m)) + 1.0 if a.sum() >= m else None
        if b is None:
            return
    else:
        a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
        b *= a.sum() / b.sum()
    for k in range(1, n + 1):
        exists = brute_force(a, b, np.zeros((n, m)), k, 1.0) < np.inf
        proof = proof_of_infeasibility(a, b, k)
        if exists:
            assert proof is None
            assert smallest_count(a, b) <= k
        if not integer and min(n, m) > 1 and k * m < n + m - 1:
            assert proof is not None


@pytest.mark.parametrize(
    ("n", "m", "k"), [(4096, 64, 64), (100, 100, 1), (5, 3, 3), (3, 2, 2), (6, 4, 2)]
)
def test_uniform_weights_need_n_plus_m_minus_gcd(n, m, k):
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    assert smallest_count(a, b) == k
    assert proof_of_infeasibility(a, b, k) is None
    if k > 1:
        assert proof_of_infeasibility(a, b, k - 1) is not None


def test_large_random_weights_are_in_general_position():
    rng = np.random.default_rng(0)
    a, b = rng.random(500), rng.random(500)
    b *= a.sum() / b.sum()
    assert proof_of_infeasibility(a, b, 1) is not None
    a, b = rng.uniform(0.5, 1.5, 50), rng.uniform(0.5, 1.5, 30)
    b *= a.sum() / b.sum()
    assert "general position" in proof_of_infeasibility(a, b, 2)
    assert proof_of_infeasibility(a, b, 3) is None
    assert proof_of_infeasibility(a, a[::-1].copy(), 1) is None
