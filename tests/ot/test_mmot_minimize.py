"""Barycentres against closed forms and linear programmes; the descent against its promise."""

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import wasserstein_distance

import otopt
from otopt._core.status import Status
from otopt._oracles.monge import COSTS

GRID = np.arange(100.0)


def normals(means=(20, 60), stds=(5, 8)):
    """The example of the peers: two normal histograms on 0..99."""
    A = np.exp(-((GRID[:, None] - np.array(means)) ** 2) / (2 * np.array(stds) ** 2))
    return A / A.sum(axis=0)


def test_the_barycentre_of_normals_is_the_normal_in_between():
    result = otopt.mmot_minimize(normals(), cost="variance")
    assert result.barycenter.mean == pytest.approx(40, abs=1e-3)
    assert result.barycenter.std == pytest.approx(6.5, abs=5e-3)
    assert result.value == 0
    assert otopt.mmot_1d(result.A).value == 0
    on_grid = result.A[:, 0]
    mean = on_grid @ GRID
    assert mean == pytest.approx(result.barycenter.mean, abs=1e-12)
    added = on_grid @ (GRID - mean) ** 2 - result.barycenter.std**2
    assert 0 <= added <= 0.25
    assert result.initial_value == pytest.approx(otopt.mmot_1d(normals(), cost="variance").value)


def random_histograms(seed, n=12, d=3):
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(n), d).T, rng.uniform(0.5, 2, d)


def distance(A, k, x, measure):
    return wasserstein_distance(x, measure.places, A[:, k], measure.mass)


@pytest.mark.parametrize("seed", range(5))
def test_median_quantiles_attain_the_value(seed):
    A, w = random_histograms(seed)
    x = np.sort(np.random.default_rng(seed).normal(size=len(A)))
    result = otopt.mmot_minimize(A, cost="median", support=x, weights=w)
    attained = sum(w[k] * distance(A, k, x, result.barycenter) for k in range(3))
    assert attained == pytest.approx(result.initial_value, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_median_quantiles_are_a_barycentre_by_linear_programming(seed):
    A, w = random_histograms(seed, n=6)
    n, d = A.shape
    cost = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)
    # Variables: d plans (n, n), then the barycentre on the grid, which loses nothing for W1.
    c = np.concatenate([*(w[k] * cost.ravel() for k in range(d)), np.zeros(n)])
    rows, b = [], []
    for k in range(d):
        for i in range(n):
            out, into = np.zeros((d, n, n)), np.zeros((d, n, n))
            out[k, i], into[k, :, i] = 1, 1
            rows += [np.concatenate([out.ravel(), np.zeros(n)]),
                     np.concatenate([into.ravel(), -np.eye(n)[i]])]  # fmt: skip
            b += [A[i, k], 0.0]
    best = linprog(c, A_eq=np.array(rows), b_eq=b, method="highs").fun
    assert otopt.mmot_minimize(A, cost="median", weights=w).initial_value == pytest.approx(best)


@pytest.mark.parametrize("seed", range(5))
def test_midrange_quantiles_halve_the_range(seed):
    A, _ = random_histograms(seed)
    bary = otopt.mmot_minimize(A, cost="range").barycenter
    far = otopt.mmot_1d(
        [*A.T, bary.mass], support=[np.arange(12.0)] * 3 + [bary.places], normalize=True
    ).value
    assert far == pytest.approx(otopt.mmot_1d(A).value)  # the midrange adds nothing to the range
    for k in range(3):  # and is nowhere further than half of it
        assert distance(A, k, np.arange(12.0), bary) <= far / 2 + 1e-12


def test_hubers_location_lies_between_mean_and_median():
    A, w = random_histograms(9, d=4)
    for delta, other in ((1e-6, "median"), (1e3, "variance")):
        huber = otopt.mmot_minimize(A, cost="huber", weights=w, delta=delta).barycenter
        limit = otopt.mmot_minimize(A, cost=other, weights=w).barycenter
        np.testing.assert_allclose(huber.places, limit.places, atol=1e-5)


@pytest.mark.parametrize("cost", COSTS)
def test_equal_histograms_are_their_own_barycentre(cost):
    a = np.array([0.2, 0.0, 0.5, 0.3])
    result = otopt.mmot_minimize(np.column_stack([a, a, a]), cost=cost)
    np.testing.assert_allclose(result.A, np.column_stack([a, a, a]), atol=1e-13)
    assert result.initial_value == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("cost", ["range", "pairwise_l1", "variance"])
def test_descent_brings_the_value_down(cost):
    A, _ = random_histograms(1)
    seen = []
    result = otopt.mmot_minimize(
        A, cost=cost, method="descent", tol=0.01, maxiter=5000,
        callback=lambda intermediate_result: seen.append(intermediate_result.value),
    )  # fmt: skip
    assert result.success
    assert result.status is Status.OPTIMAL
    assert result.value <= 0.01 * result.initial_value
    assert result.value == pytest.approx(otopt.mmot_1d(result.A, cost=cost).value)
    assert result.A.min() >= 0
    np.testing.assert_allclose(result.A.sum(axis=0), 1)
    assert len(seen) == result.nit


def test_descent_says_when_it_has_not_arrived():
    with pytest.warns(otopt.errors.ConvergenceWarning, match="maxiter"):
        result = otopt.mmot_minimize(normals(), method="descent", tol=1e-9, maxiter=3)
    assert result.status is Status.ITERATION_LIMIT
    assert not result.success
    assert result.value < result.initial_value

    def stop(intermediate_result):
        raise StopIteration

    result = otopt.mmot_minimize(normals(), method="descent", callback=stop)
    assert result.status is Status.STOPPED
    assert result.nit == 1
    assert "STOPPED" in repr(result)


def test_one_point():
    result = otopt.mmot_minimize(np.ones((1, 3)))
    np.testing.assert_array_equal(result.A, 1)
    assert result.barycenter.std == 0
