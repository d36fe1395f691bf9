"""Gegenbauer polynomials, the kernel discrepancy and the test of uniformity."""

import numpy as np
import pytest
import torch
from scipy.special import eval_gegenbauer, iv
from scipy.stats import kstest
from torch.nn import functional as F

from ml_apps.ssl import gegenbauer, metrics, terms, vmf


@pytest.mark.parametrize("q", [3, 5, 64, 8192, 32768])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_polynomials_are_those_of_scipy(q, order):
    t = np.linspace(-1, 1, 401)
    alpha = (q - 2) / 2
    expected = eval_gegenbauer(order, alpha, t) / eval_gegenbauer(order, alpha, 1.0)
    found = gegenbauer.evaluate(t, [0] * (order - 1) + [1], q)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_weights_add_up_and_the_circle_has_chebyshev():
    t = np.linspace(-1, 1, 51)
    sum_of_three = sum(
        w * gegenbauer.evaluate(t, [0] * l + [1], 9) for l, w in enumerate([2, 3, 5])
    )
    np.testing.assert_allclose(gegenbauer.evaluate(t, [2, 3, 5], 9), sum_of_three, atol=1e-13)
    np.testing.assert_allclose(
        gegenbauer.evaluate(t, [0, 0, 0, 1], 2), np.cos(4 * np.arccos(t)), atol=1e-12
    )
    with pytest.raises(ValueError, match="q must be an integer >= 2"):
        gegenbauer.evaluate(t, [1], 1)


def unit(n, d, seed):
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=g, dtype=torch.float64), dim=1)


def test_moments_behind_the_orders():
    q, z = 6, unit(40, 6, 0)
    second = z.T @ z / 40
    third = torch.einsum("ni,nj,nk->ijk", z, z, z) / 40
    mean = z.mean(0)
    eye = torch.eye(q, dtype=z.dtype)
    for weights, expected in (
        ([1], mean @ mean),
        ([0, 1], q / (q - 1) * (second - eye / q).square().sum()),
        ([0, 0, 1], ((q + 2) * third.square().sum() - 3 * mean @ mean) / (q - 1)),
    ):
        torch.testing.assert_close(
            terms.kernel_discrepancy(z, weights), expected, rtol=1e-12, atol=1e-14
        )


def test_uniform_data_have_the_mean_and_spread_that_theory_says():
    n, d, w = 60, 7, (1.0, 2.0, 3.0)
    V, U = (
        torch.stack([terms.kernel_discrepancy(unit(n, d, s), w, estimator=e) for s in range(300)])
        for e in "vu"
    )
    sigma = (2 / (n * (n - 1)) * sum(
        x**2 / gegenbauer.dimension(d, l) for l, x in enumerate(w, 1)
    )) ** 0.5  # fmt: skip
    assert abs(U.mean()) < 3 * sigma / 300**0.5
    assert abs(V.mean() - sum(w) / n) < 3 * sigma / 300**0.5
    assert U.std() == pytest.approx(sigma, rel=0.15)


def test_vmf_data_have_the_closed_form():
    q, kappa, n = 3, 8.0, 1500
    g = torch.Generator().manual_seed(0)
    mu = torch.zeros(n, q, dtype=torch.float64)
    mu[:, 0] = 1
    z = vmf.sample(mu, torch.tensor(kappa, dtype=torch.float64), generator=g)
    for order in (1, 2, 3):
        weights = [0] * (order - 1) + [1]
        expected = (iv(order + q / 2 - 1, kappa) / iv(q / 2 - 1, kappa)) ** 2
        values = gegenbauer.evaluate(z @ mu[0], weights, q)
        # The U-statistic is about the squared mean of P_l(z . mu): delta method.
        sigma = 2 * expected**0.5 * float(values.std()) / n**0.5
        found = float(terms.kernel_discrepancy(z, weights, estimator="u"))
        assert abs(found - expected) < 3 * sigma


def test_uniformity_test_is_calibrated_and_has_power():
    pvalues = [metrics.uniformity_test(unit(50, 5, 1000 + s)).pvalue for s in range(300)]
    assert kstest(pvalues, "uniform").pvalue > 0.01
    shifted = [metrics.uniformity_test(unit(50, 5, s) + 0.3).pvalue for s in range(20)]
    assert np.median(shifted) < 1e-3
    # Order 1 alone does not see a cloud on an axis, order 2 does.
    axis = torch.cat([torch.eye(5)[:1].repeat(20, 1), -torch.eye(5)[:1].repeat(20, 1)])
    assert metrics.uniformity_test(axis, (1.0,)).pvalue > 0.5
    assert metrics.uniformity_test(axis, (0.0, 1.0)).pvalue < 1e-6


def test_rankme_and_utilization():
    assert float(metrics.rankme(torch.eye(6))) == pytest.approx(6, rel=1e-4)
    assert float(metrics.rankme(torch.ones(6, 4))) == pytest.approx(1, rel=1e-4)
    w = torch.eye(4)
    assert metrics.prototype_utilization(w) == 1
    assert metrics.prototype_utilization(torch.cat([w, 2 * w[:2] + 0.01])) == pytest.approx(4 / 6)
    z = unit(30, 4, 0)
    assert float(metrics.alignment(z, -z)) == pytest.approx(4)
    assert metrics.uniformity(z) < metrics.uniformity(z + 1)
