"""The order of second differences: 2 where a function is smooth, 1 at a kink, 0 under noise."""

import numpy as np
import pytest
from scipy.stats import ortho_group

from otopt.optimize._smoothness import Smoothness

N = 4


def rise(fun, x, step, V):
    """Mean of a poll in the directions +-V, less the value in the middle."""
    return np.mean([fun(x + sign * step * v) for v in V for sign in (1, -1)]) - fun(x)


def order(fun, x, turns=True):
    smoothness, rng = Smoothness(), np.random.default_rng(0)
    for step in (1e-2, 2e-3):
        V = ortho_group.rvs(N, random_state=rng) if turns else np.eye(N)
        smoothness.record(step, rise(fun, x, step, V))
    return smoothness


def test_a_quadratic_has_order_two_whatever_the_directions():
    H = np.diag([1.0, 10.0, 100.0, 1e4])
    measured = order(lambda x: 0.5 * x @ H @ x + x.sum(), np.ones(N))
    assert measured.order == pytest.approx(2, abs=1e-8)
    assert measured.is_smooth


def test_a_curved_valley_is_smooth():
    def rosenbrock(x):
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    assert order(rosenbrock, np.full(N, 0.7)).is_smooth


def test_a_kink_has_order_one():
    measured = order(lambda x: float(np.abs(x).sum()) + float(x @ x), np.zeros(N), turns=False)
    assert measured.order == pytest.approx(1, abs=0.01)
    assert measured.is_smooth is False


def test_noise_has_order_zero():
    smoothness = Smoothness()
    smoothness.record(1e-2, 1e-3)
    smoothness.record(1e-3, 1.1e-3)
    assert smoothness.is_smooth is False


@pytest.mark.parametrize("rises", [(0.0, 1.0), (1.0, 0.0), (1.0,)])
def test_nothing_is_known_of_one_poll_or_a_plateau(rises):
    smoothness = Smoothness()
    for step, value in zip((1e-2, 1e-3), rises, strict=False):
        smoothness.record(step, value)
    assert smoothness.is_smooth is None


def test_longer_steps_tell_nothing_new():
    smoothness = Smoothness()
    smoothness.record(1e-3, 1.0)
    smoothness.record(1e-2, 1.0)
    assert smoothness.is_smooth is None
