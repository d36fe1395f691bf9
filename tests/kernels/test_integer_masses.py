"""Masses as integers: in proportion, of equal sum, exact where they can be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otopt._core.integer_masses import integer_masses


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1), st.integers(-200, 200))
def test_proportions_and_sums(n, m, seed, power):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.full(n, 0.3)) * 10.0**power, rng.dirichlet(np.full(m, 0.3))
    b = b * (a.sum() / b.sum())
    supply, demand, quantum = integer_masses(a, b)
    assert supply.sum() == demand.sum()
    assert min(supply.min(), demand.min()) >= 0
    for integers, masses in ((supply, a), (demand, b)):
        np.testing.assert_allclose(integers * quantum, masses, rtol=1e-15, atol=1e-15 * a.sum())


@pytest.mark.parametrize(("n", "m"), [(1, 1), (6, 4), (7, 7), (3000, 2001)])
def test_uniform_masses_keep_their_ties(n, m):
    supply, demand, quantum = integer_masses(np.full(n, 1 / n), np.full(m, 1 / m))
    g = np.gcd(n, m)
    assert set(supply) == {m // g}
    assert set(demand) == {n // g}
    assert supply.sum() * quantum == pytest.approx(1)


def test_integers_stay_themselves():
    a, b = np.array([3.0, 0.0, 5.0]), np.array([1.0, 7.0])
    supply, demand, quantum = integer_masses(a, b)
    assert supply.tolist() == [3, 0, 5]
    assert demand.tolist() == [1, 7]
    assert quantum == 1.0
