"""The solvers on functions that have nothing to do with transport."""

import numpy as np
import pytest

from otopt._solvers.linear import solve_dense, solve_sparse, solve_two_level
from otopt._solvers.proximal_point import ProximalSchedule, proximal_point
from otopt._solvers.semismooth_newton import semismooth_newton


class Huber:
    """Concave, C^{1,1}: minus a Huber function of A x - b; its kinks are where Newton may cycle."""

    def __init__(self, rng, n=12):
        self.A, self.b = rng.normal(size=(3 * n, n)), rng.normal(size=3 * n)

    def evaluate(self, x):
        r = self.A @ x - self.b
        self.inside = np.abs(r) < 0.3
        value = -np.where(self.inside, 0.5 * r * r, 0.3 * (np.abs(r) - 0.15)).sum()
        return value, -self.A.T @ np.clip(r, -0.3, 0.3)

    def direction(self, x, gradient):
        H = (self.A[self.inside].T @ self.A[self.inside]) + 0.1 * np.eye(len(x))
        return np.linalg.solve(H, gradient)


@pytest.mark.parametrize("seed", range(10))
def test_newton_finds_the_maximum(seed):
    oracle = Huber(np.random.default_rng(seed))
    seen = []
    result = semismooth_newton(
        oracle, np.zeros(12), tol=1e-10, maxiter=200, on_iteration=lambda x, f, g: seen.append(f)
    )
    assert np.abs(result.gradient).sum() <= 1e-10
    assert len(seen) == result.nit
    for x in result.x + 1e-3 * np.random.default_rng(0).normal(size=(20, 12)):
        assert oracle.evaluate(x)[0] <= result.value


def test_newton_stops_at_the_limit():
    result = semismooth_newton(Huber(np.random.default_rng(0)), np.ones(12), tol=0.0, maxiter=3)
    assert result.nit == 3


class ProximalMedian:
    """Minus the sum of |x - p_i|, smoothed around a centre; needs the outer loop."""

    def __init__(self, points, mu):
        self.points, self.mu, self.centre = points, mu, np.zeros_like(points)

    def evaluate(self, x):
        # max_t t (x - p) - mu/2 (t - s)^2 over |t| <= 1
        self.t = np.clip((x[0] - self.points) / self.mu + self.centre, -1, 1)
        value = self.t * (x[0] - self.points) - 0.5 * self.mu * (self.t - self.centre) ** 2
        return -value.sum(), -self.t.sum(keepdims=True)

    def direction(self, x, gradient):
        free = (np.abs(self.t) < 1).sum()
        return gradient * self.mu / max(free, 0.1)

    def recentre(self):
        self.centre = self.t.copy()


def test_proximal_point_finds_the_median():
    points = np.array([5.0, -1.0, 2.0, 9.0, 2.5])
    oracle = ProximalMedian(points, 10.0)
    trace = proximal_point(
        oracle,
        np.array([-40.0]),
        tol=1e-9,
        scale=5.0,
        maxiter=500,
        assess=lambda x, g: abs(x[0] - 2.5) < 1e-6,
        schedule=ProximalSchedule(),
    )
    assert trace.converged
    assert trace.x[0] == pytest.approx(2.5, abs=1e-6)


def test_proximal_point_ends_even_if_no_step_is_ever_needed():
    oracle = ProximalMedian(np.array([0.0, 0.0]), 1.0)
    trace = proximal_point(
        oracle, np.array([0.0]), tol=1.0, scale=1.0, maxiter=7, assess=lambda x, g: False,
        schedule=ProximalSchedule(),
    )  # fmt: skip
    assert not trace.converged
    assert trace.nit == 7


def test_linear_systems():
    rng = np.random.default_rng(0)
    B = rng.normal(size=(6, 6))
    H, g = B @ B.T + np.eye(6), rng.normal(size=6)
    indptr, indices = np.arange(0, 37, 6), np.tile(np.arange(6), 6)
    expected = np.linalg.solve(H, g)
    np.testing.assert_allclose(solve_dense(H.copy(), g), expected)
    np.testing.assert_allclose(solve_sparse((indptr, indices, H.ravel()), g), expected)
    assert solve_dense(-np.eye(3), np.ones(3)) is None
    zero = (np.array([0, 1, 2]), np.array([0, 1]), np.zeros(2))
    assert solve_sparse(zero, np.ones(2)) is None


def test_two_level_solver_meets_its_tolerance_and_gives_up_on_singular_groups():
    n, rng = 60, np.random.default_rng(0)
    H = 2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1) + 1e-6 * np.eye(n)
    groups, g = np.arange(n) // 6, rng.normal(size=n)
    P = np.eye(10)[groups]
    i, j = np.nonzero(P.T @ H @ P)
    coarse = i, j, (P.T @ H @ P)[i, j]
    d = solve_two_level(lambda x: H @ x, np.diag(H), coarse, groups, g, 1e-10, 200)
    np.testing.assert_allclose(d, np.linalg.solve(H, g), rtol=1e-7, atol=1e-8)
    loose = solve_two_level(lambda x: H @ x, np.diag(H), coarse, groups, g, 0.1, 200)
    assert np.abs(H @ loose - g).sum() <= 0.1 * np.abs(g).sum() * (1 + 1e-9)
    singular = i, j, np.zeros(len(i))
    assert solve_two_level(lambda x: H @ x, np.diag(H), singular, groups, g, 0.1, 9) is None
