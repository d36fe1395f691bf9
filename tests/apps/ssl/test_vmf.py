"""The normaliser against 60-digit arithmetic, and laws of the distribution."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from ml_apps.ssl import vmf

# [p, kappa, log C_p, A_p], from mpmath with 60 digits.
REFERENCE = json.loads(Path(__file__).with_name("vmf_reference.json").read_text())


@pytest.mark.parametrize(("p", "kappa", "log_c", "resultant"), REFERENCE)
def test_constants(p, kappa, log_c, resultant):
    k = torch.tensor(float(kappa), dtype=torch.float64, requires_grad=True)
    value = vmf.log_normalizer(k, p)
    (slope,) = torch.autograd.grad(value, k)
    assert abs(value.item() - log_c) <= 1e-8
    assert abs(slope.item() + resultant) <= 1e-8
    assert abs(vmf.mean_resultant(k.detach(), p).item() - resultant) <= 1e-8


def test_single_precision_and_second_derivatives():
    k = torch.tensor([0.0, 0.5, 30.0], dtype=torch.float64, requires_grad=True)
    for p in (3, 20, 100):
        single = vmf.log_normalizer(k.detach().float(), p)
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), vmf.log_normalizer(k, p), rtol=1e-6, atol=0)
        torch.autograd.gradgradcheck(lambda x, p=p: vmf.log_normalizer(x, p), (k[1:],))
        torch.autograd.gradcheck(lambda x, p=p: vmf.mean_resultant(x, p), (k[1:],))


@pytest.mark.parametrize("p", [2, 8, 64, 256])
def test_concentrations_come_back(p):
    k = torch.tensor([0.0, 0.3, 5.0, 80.0, 2000.0], dtype=torch.float64)
    R = vmf.mean_resultant(k, p).requires_grad_()
    found = vmf.kappa_from_resultant(R, p)
    torch.testing.assert_close(found, k, rtol=1e-6, atol=1e-6)
    (slope,) = torch.autograd.grad(found.sum(), R)
    k.requires_grad_()
    (inverse,) = torch.autograd.grad(vmf.mean_resultant(k, p).sum(), k)
    torch.testing.assert_close(slope * inverse, torch.ones(5, dtype=R.dtype), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="must lie in"):
        vmf.kappa_from_resultant(torch.tensor(1.0), p)


@pytest.mark.parametrize(("p", "kappa"), [(2, 2.0), (3, 0.0), (8, 5.0), (64, 50.0), (256, 100.0)])
def test_samples_have_the_mean_resultant(p, kappa):
    n = 3000
    g = torch.Generator().manual_seed(p)
    mu = F.normalize(torch.randn(p, generator=g, dtype=torch.float64), dim=0)
    k = torch.tensor(kappa, dtype=torch.float64)
    x = vmf.sample(mu.expand(n, p), k, generator=g)
    torch.testing.assert_close(x.norm(dim=1), torch.ones(n, dtype=x.dtype))
    cosine = x @ mu
    assert abs(cosine.mean() - vmf.mean_resultant(k, p)) < 3.5 * cosine.std() / n**0.5
    # Entropy and divergence are means of log-densities.
    other = F.normalize(mu + 0.5 * torch.roll(mu, 1), dim=0)
    log_f = vmf.log_density(x, mu, k)
    assert abs(-log_f.mean() - vmf.entropy(k, p)) < 3.5 * max(log_f.std(), 1e-12) / n**0.5 + 1e-9
    ratio = log_f - vmf.log_density(x, other, k / 2)
    assert abs(ratio.mean() - vmf.kl(mu, k, other, k / 2)) < 3.5 * ratio.std() / n**0.5 + 1e-9
    again = vmf.sample(mu.expand(4, p), k, generator=torch.Generator().manual_seed(1))
    same = vmf.sample(mu.expand(4, p), k, generator=torch.Generator().manual_seed(1))
    assert torch.equal(again, same)


def test_density_integrates_to_one():
    t = torch.linspace(0, math.pi, 20001, dtype=torch.float64)
    for p, kappa in ((3, 2.0), (10, 7.0), (60, 40.0)):
        k = torch.tensor(kappa, dtype=torch.float64)
        sphere = 2 * math.pi ** ((p - 1) / 2) / math.gamma((p - 1) / 2)
        f = torch.exp(vmf.log_normalizer(k, p) + k * t.cos()) * sphere * t.sin() ** (p - 2)
        assert float(torch.trapezoid(f, t)) == pytest.approx(1, abs=1e-7)


def test_what_is_refused():
    with pytest.raises(ValueError, match="p must be an integer >= 2"):
        vmf.log_normalizer(torch.tensor(1.0), 1)
    with pytest.raises(ValueError, match="kappa must be >= 0"):
        vmf.log_normalizer(torch.tensor([1.0, -2.0]), 3)
