"""Exponentials, passes over Gibbs kernels and compiled batches against NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from otopt._kernels import numba_gibbs as fast
from otopt._kernels import reference_gibbs as slow
from otopt._kernels._numba_exp import exp32, exp64

SCHEDULE = (0.05, 0.2, 6.0, 1e-3)


@njit
def _map64(x, y):
    for i in range(len(x)):
        y[i] = exp64(x[i])


@njit
def _map32(x, y):
    for i in range(len(x)):
        y[i] = exp32(x[i])


@pytest.mark.parametrize(
    ("function", "dtype", "low", "high", "rtol"),
    [(_map64, np.float64, -708.0, 709.0, 1e-15), (_map32, np.float32, -87.0, 88.0, 3e-7)],
)
def test_exponentials_are_accurate_to_their_dtype(function, dtype, low, high, rtol):
    x = np.concatenate(
        [np.linspace(low, high, 20_001), np.linspace(-1e-3, 1e-3, 2001), [0.0, -0.0]]
    ).astype(dtype)
    y = np.empty_like(x)
    function(x, y)
    np.testing.assert_allclose(y, np.exp(x.astype(float)), rtol=rtol)
    assert y[-1] == y[-2] == 1.0


@pytest.mark.parametrize(("function", "dtype"), [(_map64, np.float64), (_map32, np.float32)])
def test_exponentials_of_very_negative_numbers_are_tiny(function, dtype):
    x = np.array([-1e3, -1e6, -np.inf], dtype)
    y = np.empty_like(x)
    function(x, y)
    assert (y >= 0).all()
    assert (y <= 4 * np.finfo(dtype).tiny).all()


@st.composite
def problems(draw):
    q, p = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X, Y = rng.normal(size=(q, 3)), rng.normal(size=(p, 3))
    C = ((X[:, None] - Y) ** 2).sum(axis=2)
    form = draw(st.sampled_from(["float64", "float32", "squared", "distance"]))
    points = (X, np.ascontiguousarray(Y.T), 1 if form == "squared" else 2)
    if form.startswith("float"):
        C, points = C.astype(form), None
    else:
        C = None
    reg = draw(st.sampled_from([1e-3, 0.1, 10.0]))
    power = draw(st.sampled_from([1.0, 0.7]))
    return rng.normal(size=p), C, points, reg, rng.random(q) + 0.01, rng.random(p) + 0.01, power


@given(problems())
def test_gibbs_pass(problem):
    phi, C, points, reg, mass, weight, power = problem
    shape = len(mass), len(phi)
    E, expected_E = np.empty(shape, np.float32), np.empty(shape, np.float32)
    arguments = phi, C, points, reg, mass, weight, power
    found = fast.gibbs_pass(*arguments, E, True)
    expected = slow.gibbs_pass(*arguments, expected_E, True)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10, atol=1e-200)
    np.testing.assert_allclose(E, expected_E, rtol=1e-6, atol=2e-25)
    psi, _, sums, linear = fast.gibbs_pass(*arguments, None, False)
    np.testing.assert_array_equal(psi, found[0])
    np.testing.assert_array_equal(sums, found[2])
    assert linear == 0.0


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float32, 1e-5), (np.float64, 1e-12)])
@given(problem=problems(), exponent=st.sampled_from([-1.0, 1.0, -0.7]))
def test_scale_pass(dtype, rtol, problem, exponent):
    phi, C, points, reg, mass, weight, power = problem
    E = np.empty((len(mass), len(phi)), np.float32)
    _, top, _, _ = slow.gibbs_pass(phi, C, points, reg, mass, weight, power, E, False)
    u = weight.astype(dtype)
    expected = slow.scale_pass(u, E, mass, exponent)
    for one, two in zip(fast.scale_pass(u, E, mass, exponent), expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=rtol, atol=1e-20)
    if points is not None:
        found = fast.scale_pass_points(u, phi, top, points, reg, mass, exponent)
        expected = slow.scale_pass_points(u, phi, top, points, reg, mass, exponent)
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=3e-5, atol=1e-20)


@pytest.mark.parametrize("q", [1, 6])  # rows by four, and the rest
def test_rows_that_vanish_scale_to_what_no_search_accepts(q):
    u, E, coef = np.zeros(3), np.ones((q, 3), np.float32), np.full(q, 0.5)
    X, Yt, top = np.zeros((q, 1)), np.zeros((1, 3)), np.zeros(q)
    for found in (
        fast.scale_pass(u, E, coef, -1.0),
        fast.scale_pass_points(u, np.zeros(3), top, (X, Yt, 1), 1.0, coef, -1.0),
    ):
        np.testing.assert_array_equal(found[0], 0.0)
        assert not np.isfinite(found[1]).any()


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    X, Yt, C = rng.normal(size=(300, 2)), rng.normal(size=(2, 90)), rng.random((300, 90))
    phi, mass, weight = rng.normal(size=90), rng.random(300), rng.random(90)
    E = np.empty((300, 90), np.float32)
    calls = [
        lambda w: fast.gibbs_pass(phi, C, None, 0.1, mass, weight, 1.0, E, True, w),
        lambda w: fast.scale_pass(weight, E, mass, -1.0, w),
        lambda w: fast.scale_pass_points(weight, phi, mass, (X, Yt, 1), 1.0, mass, 1.0, w),
        lambda w: fast.gibbs_batch(*batch(rng=np.random.default_rng(1)), w),
    ]
    for call in calls:
        for one, two in zip(call(1), call(2), strict=True):
            np.testing.assert_array_equal(one, two)


def batch(rng, count=12, q=7, p=9, reg=0.05, tol=1e-9):
    mass, weight = (rng.random((count, s)) * (rng.random((count, s)) < 0.7) for s in (q, p))
    mass[:, 0], weight[:, 0] = 0.3, 0.2
    mass /= mass.sum(axis=1, keepdims=True)
    weight /= weight.sum(axis=1, keepdims=True)
    C = rng.random((count, q, p))
    return C, np.full(count, reg), mass, weight, tol, 5000, SCHEDULE


def test_batches_agree_with_plain_sinkhorn():
    arguments = batch(np.random.default_rng(2))
    phi, psi, linear, sums, outcome, error, passes = fast.gibbs_batch(*arguments)
    expected = slow.gibbs_batch(*arguments)
    for found, other in ((phi, expected[0]), (psi, expected[1])):
        difference = found - other  # a constant is free
        np.testing.assert_allclose(np.ptp(difference, axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(phi[:, :1] + psi, expected[0][:, :1] + expected[1], atol=1e-6)
    np.testing.assert_allclose(linear, expected[2], atol=1e-8)
    np.testing.assert_allclose(sums, arguments[3], atol=1e-9)
    assert (outcome == 0).all()
    assert (error <= 1e-9).all()
    assert (passes > 0).all()


def test_batches_stop_at_their_limit():
    C, reg, mass, weight, tol, _, schedule = batch(np.random.default_rng(3), reg=1e-3)
    _, _, _, _, outcome, error, _ = fast.gibbs_batch(C, reg, mass, weight, tol, 3, schedule)
    assert (outcome == 1).all()
    assert (error > tol).all()
