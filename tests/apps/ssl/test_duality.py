"""The identity that links both families, and what the losses make of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ml_apps.ssl import criteria, terms
from tests.apps.ssl.cases import two_views


@given(n=st.integers(1, 40), d=st.integers(1, 40), seed=st.integers(0, 1000))
def test_theorem_3_3(n, d, seed):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=g, dtype=torch.float64) * torch.logspace(-2, 2, d)
    size = torch.linalg.matrix_norm(z.T @ z) ** 2
    assert abs(criteria.duality_gap(z)) <= 1e-12 * size


def test_gradients_differ_by_the_norms():
    z = two_views(30, 11)[0].requires_grad_()
    L_c, L_nc = criteria.sample_contrastive(z), criteria.dimension_contrastive(z)
    (found,) = torch.autograd.grad(L_c - L_nc, z)
    rows, columns = z.square().sum(1, keepdim=True), z.square().sum(0)
    # d |z_.j|^4 = 4 |z_.j|^2 z_ij, so the difference is 4 (columns z - rows z).
    expected = 4 * (columns * z - rows * z)
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()


@pytest.mark.parametrize("shape", [(12, 30), (30, 12), (16, 16)])
def test_doubly_normalized_embeddings_have_one_loss(shape):
    n, d = shape
    z = criteria.double_normalize(two_views(n, d)[0], norm=1.5)
    torch.testing.assert_close(z.norm(dim=1), torch.full((n,), 1.5, dtype=z.dtype))
    torch.testing.assert_close(z.norm(dim=0), torch.full((d,), 1.5 * (n / d) ** 0.5, dtype=z.dtype))
    gap = criteria.sample_contrastive(z) - criteria.dimension_contrastive(z)
    assert float(gap) == pytest.approx(n * (n / d - 1) * 1.5**4, abs=1e-9 * n * 1.5**4)


def alternate(z, rounds=500):
    """Columns and rows normalised in turn, recorded step by step."""
    n, d = z.shape
    for _ in range(rounds):
        z = z / z.norm(dim=0) * (n / d) ** 0.5
        z = z / z.norm(dim=1, keepdim=True)
    return z


def test_double_normalize_is_differentiable():
    z = two_views(5, 4)[0].requires_grad_()
    torch.autograd.gradcheck(criteria.double_normalize, (z,), atol=1e-6)
    one, other = criteria.double_normalize(z), alternate(z)
    torch.testing.assert_close(one, other)
    (by_one,), (by_other,) = (torch.autograd.grad(y[0].sum(), z) for y in (one, other))
    torch.testing.assert_close(by_one, by_other, rtol=1e-6, atol=1e-8)


def test_double_normalize_refuses_an_empty_dimension():
    z = torch.ones(3, 2)
    z[:, 1] = 0
    with pytest.raises(ValueError, match="without rows or columns of zeros"):
        criteria.double_normalize(z)
    with pytest.raises(ValueError, match="norm must be > 0"):
        criteria.double_normalize(torch.ones(3, 2), norm=0)


def off_diagonal(z):
    C = torch.cov(z.T)
    return (C - C.diag().diag()).square().sum()


@pytest.mark.parametrize("shape", [(8, 30), (30, 8), (20, 20)])
def test_gram_route_is_the_covariance_route(shape):
    z = two_views(*shape)[0] + 3
    expected = off_diagonal(z)
    for method in ("cov", "gram", "auto"):
        found = terms.off_diagonal_covariance(z, method=method)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=0)
    a, b = (terms.standardize(v) for v in two_views(*shape))
    one, other = (terms.cross_correlation(a, b, method=m) for m in ("cov", "gram"))
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(64, 96), (64, 400), (256, 384)])
def test_gram_route_in_single_precision(shape):
    z = two_views(*shape)[0]
    for auto in (True, False):
        assert terms.uses_gram(*shape, "auto" if auto else "gram")
    found = terms.off_diagonal_covariance(z.float(), method="auto")
    torch.testing.assert_close(found.double(), off_diagonal(z), rtol=1e-5, atol=0)


def test_masked_route_keeps_its_digits_on_decorrelated_data():
    n, d = 2048, 32
    q, _ = torch.linalg.qr(torch.randn(n, d, dtype=torch.float64,
                                       generator=torch.Generator().manual_seed(0)))  # fmt: skip
    z = (q - q.mean(0)) * n**0.5
    z = torch.linalg.qr(z)[0] * n**0.5 + 1e-3 * torch.roll(z, 1, 1)
    found = terms.off_diagonal_covariance(z.float())
    expected = off_diagonal(z.float().double())
    assert expected < 1e-3 * torch.cov(z.T).diag().square().sum()
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=0)
