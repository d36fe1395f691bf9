"""Sinkhorn's on logarithms, and what the four centrings have to do with one another."""

import math

import numpy as np
import pytest
import torch

import otopt
from ml_apps.ssl import losses
from ml_apps.ssl.centering import CENTERS, Centering, sinkhorn_posterior
from ml_apps.ssl.prototypes import VMFPrototypes, koleo
from tests.apps.ssl.cases import dino, patches, two_views


def logits(n=24, K=7, scale=1.0, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, K, generator=g, dtype=dtype)


def exponential_domain(logits, iterations=3):
    """SwAV's loop: prototypes, then samples."""
    Q = torch.exp(logits).T
    Q = Q / Q.sum()
    K, B = Q.shape
    for _ in range(iterations):
        Q = Q / Q.sum(1, keepdim=True) / K
        Q = Q / Q.sum(0, keepdim=True) / B
    return (Q * B).T


@pytest.mark.parametrize("iterations", [1, 3, 10])
def test_three_iterations_are_those_of_the_exponential_domain(iterations):
    l = logits(scale=5.0)
    found = sinkhorn_posterior(l, iterations=iterations).exp()
    torch.testing.assert_close(found, exponential_domain(l, iterations), rtol=1e-10, atol=1e-12)


def test_three_iterations_are_the_default():
    l = logits(scale=5.0)
    torch.testing.assert_close(sinkhorn_posterior(l).exp(), exponential_domain(l, 3))
    torch.testing.assert_close(Centering(7, "sinkhorn")(l).exp(), exponential_domain(l, 3))


def test_logits_that_overflow_elsewhere():
    l = logits(scale=16 / 0.01, dtype=torch.float32)
    assert not exponential_domain(l).isfinite().all()
    assert sinkhorn_posterior(l).exp().isfinite().all()


@pytest.mark.parametrize("rho", [0.3, 4.0, math.inf])
def test_the_limit_is_that_of_otopt(rho):
    l = logits()
    n, K = l.shape
    found = sinkhorn_posterior(l, rho=rho, iterations=500).exp()
    penalty = None if rho == math.inf else (math.inf, rho)
    plan = otopt.sinkhorn(
        np.full(n, 1 / n), np.full(K, 1 / K), -l.numpy(), reg=1.0, marginal_penalty=penalty
    ).plan
    np.testing.assert_allclose(found / n, plan, rtol=0, atol=1e-8)


def test_rho_goes_from_softmax_to_sinkhorn():
    l = logits(scale=3.0)
    torch.testing.assert_close(sinkhorn_posterior(l, rho=0).exp(), l.softmax(1))
    torch.testing.assert_close(
        sinkhorn_posterior(l, rho=1e9), sinkhorn_posterior(l), rtol=1e-6, atol=1e-6
    )
    use = [sinkhorn_posterior(l, rho=r, iterations=50).exp().mean(0) for r in (0, 1, 10)]
    spread = [float(u.max() - u.min()) for u in use]
    assert spread[0] > spread[1] > spread[2]


def test_moving_averages():
    l = logits()
    logit = Centering(7, "logit", momentum=0.75).double()
    torch.testing.assert_close(logit(l, 0.5).exp(), l.softmax(1))
    torch.testing.assert_close(logit.offset, 0.25 * 0.5 * l.mean(0))
    torch.testing.assert_close(logit.eval()(l, 0.5).exp(), (l - logit.offset / 0.5).softmax(1))
    prob = Centering(7, "prob", momentum=0.0).double()
    prob(l)
    torch.testing.assert_close(prob.offset, l.softmax(1).mean(0).log())
    before = prob.offset.clone()
    # With no memory, it is one column step after a row step.
    expected = (l.log_softmax(1) - before).softmax(1)
    torch.testing.assert_close(prob.eval()(l).exp(), expected)
    assert torch.equal(prob.offset, before)


@pytest.mark.parametrize("center", CENTERS)
def test_a_batch_without_masked_patches_changes_nothing(center):
    loss = dino("vmf", center, losses.IBOTPatchLoss)
    z_a, z_b, mask = patches()
    loss(z_a, z_b, mask)
    before = loss.centering.offset.clone()
    assert loss(z_a, z_b, torch.zeros_like(mask)) == 0
    assert torch.equal(loss.centering.offset, before)
    assert loss(z_a, z_b, mask).isfinite()


def test_equal_concentrations_need_no_normaliser():
    y = two_views()[0]
    vmf, normalized = (VMFPrototypes(6, 5, kind=k).double() for k in ("vmf", "normalized"))
    with torch.no_grad():
        vmf.weight.copy_(torch.nn.functional.normalize(vmf.weight, dim=1))
        normalized.weight.copy_(3 * vmf.weight)
    torch.testing.assert_close(vmf(y, 0.1).softmax(1), normalized(y, 0.1).softmax(1))


def test_dino_by_hand_across_views():
    loss = dino("vmf", "logit").eval()
    views = [two_views(seed=s)[0] for s in range(4)]
    found = loss(views, views[:2])
    P_t = [loss.prototypes(z, 0.04).softmax(1) for z in views[:2]]
    log_s = [loss.prototypes(z, 0.1).log_softmax(1) for z in views]
    pairs = [(u, v) for u in range(2) for v in range(4) if u != v]
    expected = sum(-(P_t[u] * log_s[v]).sum(1).mean() for u, v in pairs) / len(pairs)
    torch.testing.assert_close(found, expected)
    parts = loss.components(views, views[:2])
    torch.testing.assert_close(parts.total, parts.teacher_entropy + parts.divergence)
    assert parts.divergence > 0
    with pytest.raises(ValueError, match="two views of one batch"):
        loss(views[0], views[1][:3])
    with pytest.raises(ValueError, match="at least one view each; got 2 and 0"):
        loss(views[:2], [])


def test_ibot_by_hand():
    loss = dino("vmf", "prob", losses.IBOTPatchLoss).eval()
    z_a, z_b, mask = patches()
    expected = 0.0
    for i in range(len(mask)):
        for j in mask[i].nonzero()[:, 0]:
            t = loss.prototypes(z_b[i, j][None], 0.04).softmax(1)
            s = loss.prototypes(z_a[i, j][None], 0.1).log_softmax(1)
            expected = expected - (t * s).sum() / mask[i].sum() / len(mask)
    torch.testing.assert_close(loss(z_a, z_b, mask), expected)
    with pytest.raises(ValueError, match="dtype bool"):
        loss(z_a, z_b, mask.long())
    with pytest.raises(ValueError, match="must have shape"):
        loss(z_a, z_b, mask[:2])


def test_koleo_spreads():
    close = torch.eye(3).repeat(2, 1) + 0.01 * torch.randn(
        6, 3, generator=torch.Generator().manual_seed(0)
    )
    assert koleo(close) > koleo(torch.cat([torch.eye(3), -torch.eye(3)]))
