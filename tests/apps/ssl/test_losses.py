"""Values against formulas written out, gradients against differences, and what is refused."""

import math

import pytest
import torch
from torch.nn import functional as F

from ml_apps.ssl import losses
from tests.apps.ssl.cases import PROTOTYPES, TWO_VIEWS, dino, patches, two_views


@pytest.mark.parametrize("name", TWO_VIEWS)
def test_gradcheck(name):
    z_a, z_b = (z.requires_grad_() for z in two_views(5, 4))
    assert torch.autograd.gradcheck(TWO_VIEWS[name](), (z_a, z_b))


@pytest.mark.parametrize("name", TWO_VIEWS)
def test_views_can_be_exchanged_and_components_add_up(name):
    z_a, z_b = two_views()
    loss = TWO_VIEWS[name]()
    torch.testing.assert_close(loss(z_a, z_b), loss(z_b, z_a))
    parts = loss.components(z_a, z_b)
    assert parts[0] == loss(z_a, z_b)
    assert all(part.ndim == 0 for part in parts)
    single = loss(z_a.float(), z_b.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), parts.total, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("kind", "center"), [(k, c) for k, c in PROTOTYPES if k == "vmf" or c == "logit"]
)
def test_gradcheck_of_distillation(kind, center):
    loss = dino(kind, center).eval()
    weight = loss.prototypes.weight
    teacher = dino(kind, center).prototypes.requires_grad_(False)
    loss.teacher_prototypes = teacher
    z_a, z_b = two_views(3)

    def value(z_a, w):
        with torch.no_grad():
            weight.copy_(w)
        return torch.func.functional_call(loss, {"prototypes.weight": w}, (z_a, z_b))

    start = weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(value, (z_a.requires_grad_(), start))


@pytest.mark.parametrize("kind", ["vmf", "normalized"])
def test_gradcheck_of_patches(kind):
    loss = dino(kind, "sinkhorn", losses.IBOTPatchLoss)
    z_a, z_b, mask = patches()
    assert torch.autograd.gradcheck(lambda z: loss(z, z_b, mask), (z_a.requires_grad_(),))


def simclr(z_a, z_b, T, transform=lambda s: s, decoupled=False, positive=lambda s: s):
    """Pair by pair."""
    z = F.normalize(torch.cat([z_a, z_b]), dim=1)
    n, total = len(z_a), 0.0
    for i in range(2 * n):
        p = (i + n) % (2 * n)
        s_p = positive(z[i] @ z[p])
        others = [transform(z[i] @ z[j]) for j in range(2 * n) if j not in (i, p)]
        terms = torch.stack(others if decoupled else [*others, s_p])
        total = total - s_p / T + torch.logsumexp(terms / T, 0)
    return total / (2 * n)


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("chunk_size", [None, 1, 5, 100])
def test_ntxent_is_its_formula(decoupled, chunk_size):
    z = two_views()
    settings = {"decoupled": decoupled, "chunk_size": chunk_size}
    for name, f in {"cos": lambda s: s, "abs": torch.abs, "sq": torch.square}.items():
        found = losses.NTXentLoss(0.2, similarity=name, **settings)(*z)
        torch.testing.assert_close(found, simclr(*z, 0.2, f, decoupled))
        found = losses.NTXentLoss(0.2, similarity=name, transform_positive=True, **settings)(*z)
        torch.testing.assert_close(found, simclr(*z, 0.2, f, decoupled, f))


@pytest.mark.parametrize("similarity", ["cos", "abs", "sq"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_contrasts_are_added_up_in_single_precision(dtype, similarity):
    z = two_views(512, 16, dtype=torch.float32)
    small = [x.to(dtype) for x in z]
    whole, chunked = (
        losses.NTXentLoss(0.2, similarity=similarity, chunk_size=c) for c in (None, 4)
    )
    for found, expected in (
        (value_and_gradients(chunked, *small), value_and_gradients(whole, *small)),
        (
            value_and_gradients(chunked, *small),
            value_and_gradients(whole, *(x.float() for x in small)),
        ),
        (value_and_gradients(chunked, *z, autocast=dtype), value_and_gradients(whole, *z)),
    ):
        assert found[0].dtype == torch.float32
        for a, b in zip(found, expected, strict=True):
            assert (a.float() - b.float()).norm() < 0.01 * b.float().norm()


def test_vicreg_is_the_published_formula():
    z_a, z_b = two_views(16, 5)
    n, d = z_a.shape
    std = [torch.sqrt(z.var(dim=0) + 1e-4) for z in (z_a, z_b)]
    hinge = sum(F.relu(1 - s).mean() for s in std) / 2
    C = [(z - z.mean(0)).T @ (z - z.mean(0)) / (n - 1) for z in (z_a, z_b)]
    covariance = sum((c - c.diag().diag()).square().sum() / d for c in C)
    expected = 25 * (z_a - z_b).square().mean() + 25 * hinge + covariance
    for method in ("auto", "cov", "gram"):
        found = losses.VICRegLoss(method=method)(z_a, z_b)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_vicreg_exp_by_hand_and_its_blind_side():
    z_a, z_b = two_views(16, 4)
    found = losses.VICRegLoss(0, 0, 1, repulsion="exp", tau=0.5)(z_a, z_b)
    expected = 0.0
    for z in (z_a, z_b):
        C = torch.cov(z.T) / 0.5
        for i in range(4):
            expected += math.log(sum(math.exp(C[i, j]) for j in range(4) if j != i)) / 4
    assert float(found) == pytest.approx(expected, rel=1e-12)
    # A negative correlation lowers it: one sign turned, and the value changes, unlike squares.
    sign = torch.tensor([-1.0, 1, 1, 1], dtype=z_a.dtype)
    turned = losses.VICRegLoss(0, 0, 1, repulsion="exp", tau=0.5)(sign * z_a, sign * z_b)
    assert abs(turned - found) > 1e-3
    squares = losses.VICRegLoss(0, 0, 1)
    torch.testing.assert_close(squares(sign * z_a, sign * z_b), squares(z_a, z_b))


def test_vicreg_between_dimensions_needs_two():
    z = two_views(8, 1)
    assert losses.VICRegLoss()(*z).isfinite()
    for settings in ({"repulsion": "exp"}, {"axis": "sample"}):
        with pytest.raises(ValueError, match=r"must have d >= 2 for .*; got d = 1; widen them"):
            losses.VICRegLoss(**settings)(*z)


def test_vicreg_ctr_is_vicreg_exp_of_the_transposed():
    z_a, z_b = two_views(9, 7)
    ctr = losses.VICRegLoss(repulsion="exp", axis="sample").components(z_a, z_b)
    exp = losses.VICRegLoss(repulsion="exp").components(z_a.T, z_b.T)
    torch.testing.assert_close(tuple(ctr), tuple(exp))


def test_barlow_by_hand():
    z_a, z_b = two_views(16, 5)
    a, b = ((z - z.mean(0)) / torch.sqrt(z.var(0, unbiased=False) + 1e-5) for z in (z_a, z_b))
    C = a.T @ b / 16
    eye = torch.eye(5, dtype=C.dtype)
    expected = ((C - eye).square() * (eye + 0.1 * (1 - eye))).sum()
    for method in ("cov", "gram"):
        torch.testing.assert_close(losses.BarlowTwinsLoss(0.1, method=method)(z_a, z_b), expected)


WIDE = {  # without the hinge, whose gradient jumps
    "VICReg": lambda: losses.VICRegLoss(mu_param=0),
    "VICReg samples": lambda: losses.VICRegLoss(mu_param=0, axis="sample", method="gram"),
    "Barlow": losses.BarlowTwinsLoss,
}


def value_and_gradients(loss, z_a, z_b, backward_in_autocast=False, autocast=None):
    z_a, z_b = (z.clone().requires_grad_() for z in (z_a, z_b))
    with torch.autocast("cpu", autocast, enabled=autocast is not None):
        value = loss(z_a, z_b)
        if backward_in_autocast:
            value.backward()
    if not backward_in_autocast:
        value.backward()
    return value, z_a.grad, z_b.grad


@pytest.mark.parametrize(
    ("name", "inside"),
    # PyTorch's own backward of a product is in half precision inside.
    [*((name, False) for name in WIDE), ("VICReg", True), ("VICReg samples", True)],
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_gram_route_is_in_single_precision_under_autocast(name, inside, dtype):
    z = two_views(64, 512, dtype=torch.float32)
    found = value_and_gradients(WIDE[name](), *z, inside, dtype)
    for a, b in zip(found, value_and_gradients(WIDE[name](), *z), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", WIDE)
def test_embeddings_of_half_precision_have_finite_gram_terms(name, dtype):
    z = [z.to(dtype) for z in two_views(64, 512, dtype=torch.float32)]
    value, *gradients = value_and_gradients(WIDE[name](), *z)
    expected, *single = value_and_gradients(WIDE[name](), *(z.float() for z in z))
    rtol = 2 * torch.finfo(dtype).eps
    torch.testing.assert_close(value.float(), expected, rtol=rtol, atol=0)
    for a, b in zip(gradients, single, strict=True):
        assert a.dtype == dtype
        assert (a.float() - b).norm() < 4 * rtol * b.norm()


def test_spectral_by_hand():
    z_a, z_b = two_views(7, 5)
    a, b = (z / z.norm(dim=1, keepdim=True).clamp_min(1) for z in (z_a, z_b))
    pairs = [(a[i] @ b[j]) ** 2 for i in range(7) for j in range(7) if i != j]
    expected = -2 * 3 * (a * b).sum(1).mean() + 9 * torch.stack(pairs).mean()
    torch.testing.assert_close(losses.SpectralContrastiveLoss(3.0)(z_a, z_b), expected)


def test_coding_rate_takes_either_side():
    loss = losses.TCRLoss(0, eps=0.7)
    for shape in ((5, 9), (9, 5)):
        z, _ = two_views(*shape)
        u = F.normalize(z, dim=1)
        singular = torch.linalg.svdvals(u)
        n, d = shape
        expected = -0.5 * torch.log1p(d / (n * 0.49) * singular.square()).sum()
        torch.testing.assert_close(loss(z, z), expected)


@pytest.mark.parametrize("name", TWO_VIEWS)
def test_what_is_refused(name):
    loss, (z_a, z_b) = TWO_VIEWS[name](), two_views()
    for a, b, words in (
        (z_a[None], z_b[None], "must be a floating-point tensor of shape"),
        (z_a, z_b[:-1], "two views of one batch"),
        (z_a, z_b.float(), "two views of one batch"),
        (z_a[:1], z_b[:1], "at least 2 images"),
        (z_a.long(), z_b.long(), "must be a floating-point tensor"),
    ):
        with pytest.raises(ValueError, match=words):
            loss(a, b)


def test_settings_are_refused_by_name():
    for make, words in (
        (lambda: losses.NTXentLoss(0), "temperature must be > 0"),
        (lambda: losses.NTXentLoss(similarity="dot"), "similarity must be one of"),
        (lambda: losses.NTXentLoss(chunk_size=0), "chunk_size must be >= 1"),
        (lambda: losses.VICRegLoss(repulsion="exp", method="gram"), "sums of squares"),
        (lambda: losses.BarlowTwinsLoss(method="fast"), "method must be one of"),
        (lambda: losses.SFRIKLoss(()), "one to four numbers"),
        (lambda: losses.SFRIKLoss((1, -1)), "one to four numbers"),
        (lambda: dino("vmf", "mean"), "center must be one of"),
        (lambda: dino("vmf", "unbalanced", rho=-1), "rho must be >= 0"),
    ):
        with pytest.raises(ValueError, match=words):
            make()


def test_inputs_are_left_as_they_are():
    z_a, z_b = two_views()
    copies = z_a.clone(), z_b.clone()
    for make in TWO_VIEWS.values():
        make()(z_a, z_b)
    assert torch.equal(z_a, copies[0])
    assert torch.equal(z_b, copies[1])
