"""Vectors of sixteen beside NumPy, and columns short and long beside the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from otopt._kernels import _numba_few as few
from otopt._kernels import reference
from otopt._kernels._numba_column import (
    HEAD,
    TIE,
    search_column,
    simplex_threshold,
    threshold_in_lanes,
)

# Numbers with many equals among them, and such as differ in the last digit.
LEVELS = [-3.0, -1.0, -1.0 + 2e-16, 0.0, 0.25, 0.25, 1.0, 7.5]
SHORT = st.lists(st.sampled_from(LEVELS) | st.floats(-9, 9), min_size=1, max_size=few.FEW)
LONG = st.lists(st.sampled_from(LEVELS) | st.floats(-9, 9), min_size=1, max_size=90)


@njit
def counts(v, level):
    return few.above(v, level), few.reaching(v, level)


@njit
def running(v, window):
    return few.sums(v, window)


def padded(values):
    v = np.full(few.ROOM, -np.inf)
    v[: len(values)] = values
    return v


@given(SHORT)
def test_ranks_are_those_of_a_stable_sort(values):
    x = np.array(values)
    v, order = few.scratch(len(x))
    v[: len(x)], order[: len(x)] = x, np.arange(len(x))
    few.rank(v, order, len(x), 0.5)
    expected = np.argsort(-(x - 0.5), kind="stable")
    np.testing.assert_array_equal(order[: len(x)], expected)
    np.testing.assert_array_equal(v[: len(x)], x[expected] - 0.5)
    assert (v[len(x) : few.FEW] == -np.inf).all()


@given(SHORT, st.sampled_from(LEVELS))
def test_counts(values, level):
    v = padded(values)
    x = np.array(values)
    assert counts(v, level) == ((x > level).sum(), (x >= level).sum())
    assert counts(v, level) == (few.above(v, level), few.reaching(v, level))


@given(SHORT, st.floats(1e-3, 20))
def test_sums_and_how_many_a_window_holds(values, window):
    x = np.sort(values)[::-1]
    for function in (running, few.sums):
        v = padded(x)
        positive = function(v, window)
        np.testing.assert_allclose(v[few.FEW :][: len(x) + 1], [0, *np.cumsum(x)], atol=1e-13)
        theta = (x[:positive].sum() - window) / positive
        np.testing.assert_allclose(np.maximum(x - theta, 0).sum(), window, atol=1e-12)


@given(LONG, st.sampled_from([-np.inf, *LEVELS]))
def test_tallies(values, level):
    x = np.array(values)
    total, number = few.tally(x, len(x), level)
    assert number == (x > level).sum()
    np.testing.assert_allclose(total, x[x > level].sum(), atol=1e-12)


@pytest.mark.parametrize("threshold", [simplex_threshold, threshold_in_lanes])
@given(values=LONG, window=st.floats(1e-6, 50))
def test_a_simplex_threshold_leaves_the_window(threshold, values, window):
    x = np.array(values)
    theta = threshold(x, len(x), window)
    np.testing.assert_allclose(np.maximum(x - theta, 0).sum(), window, rtol=1e-9)


@pytest.mark.parametrize("size", [1, 3, 8, 15, 16, 17, 24, 40, 41, 90])
@pytest.mark.parametrize("depth", [np.inf, 0.3, 0.02, 0.0])
@pytest.mark.parametrize("scale", [1.0, 0.03])
def test_columns_of_any_length_and_depth(size, depth, scale):
    """Wherever they were searched last, and with ties among the entries."""
    rng = np.random.default_rng(size)
    v, order = few.scratch(size)
    for trial in range(40):
        x = rng.normal(size=size)
        if trial % 2:
            x = np.round(x, 1)
        b, reg, mu = rng.uniform(0.2, 3), rng.uniform(0.1, 1), scale * rng.uniform(0.1, 1)
        k = int(rng.integers(1, 7))
        mass, kind, *_, level, _ = reference._solve_column(x, b, k, reg, mu)
        found = search_column(x, size, x.max(), depth, b, k, reg, mu, v, order)
        t, kinds = np.zeros(size), np.zeros(size, int)
        used = order[: found[0] + found[1]]
        t[used] = v[: len(used)]
        kinds[used] = [HEAD] * found[0] + [TIE] * found[1]
        np.testing.assert_allclose(t, mass, atol=1e-10)
        np.testing.assert_allclose(t.sum(), b, rtol=1e-12)
        np.testing.assert_allclose(found[2], level, atol=1e-10)
        # At a level that entries reach exactly, either kind may be theirs, without mass.
        decided = np.abs(x - level) > 1e-9
        if trial % 2 == 0:
            np.testing.assert_array_equal(kinds[decided], kind[decided])


@pytest.mark.parametrize("others", [2, 30])
def test_threshold_of_a_column_whose_best_entries_take_all(others):
    """The largest at which the last of the best stays, few entries or many beside them."""
    x = np.array([1.0, 1.1, 1.2] + [0.5] * others)
    v, order = few.scratch(len(x))
    column = 20.0, 3, 1.0, 0.01  # mass, k, reg, mu
    mass, *_, level, _ = reference._solve_column(x, *column)
    found = search_column(x, len(x), 1.2, np.inf, *column, v, order)
    assert found[:2] == (3, 0)
    np.testing.assert_allclose(found[2], level, rtol=1e-12)
    np.testing.assert_allclose(np.sort(v[:3]), mass[:3], rtol=1e-12)
