"""The contrastive regulariser against its formula, fine-tuning with it, and what is refused."""

import functools
import math

import pytest
import torch
from torch.nn import functional as F

from ml_apps.ssl import models, recipes
from ml_apps.ssl.finetune import Finetuning, FinetuningConfig
from ml_apps.ssl.losses import ContrastiveRegularizer, NTXentLoss, VICRegLoss
from tests.apps.ssl.cases import two_views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def regularized(theta=0.3, **settings):
    h_a, h_b = two_views(6, 4)
    logits = h_a @ torch.randn(4, 3, generator=generator(), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    return ContrastiveRegularizer(NTXentLoss(0.3), theta, **settings), logits, labels, h_a, h_b


def test_regulariser_is_the_sum_of_its_parts():
    loss, logits, labels, h_a, h_b = regularized()
    found = loss.components(logits, labels, h_a, h_b)
    entropy = -torch.stack(
        [F.log_softmax(row, 0)[c] for row, c in zip(logits, labels, strict=True)]
    ).mean()
    torch.testing.assert_close(found.supervised, entropy)
    torch.testing.assert_close(found.contrastive, NTXentLoss(0.3)(h_a, h_b))
    torch.testing.assert_close(found.total, entropy + 0.3 * NTXentLoss(0.3)(h_a, h_b))
    assert loss(logits, labels, h_a, h_b) == found.total
    plain = regularized(0.0)[0]
    assert plain(logits, labels, h_a, h_b) == found.supervised


def test_gradcheck_of_the_regulariser_with_a_head_and_other_losses():
    _, logits, labels, h_a, h_b = regularized()
    head = torch.nn.Linear(4, 3).double()
    for contrastive in (NTXentLoss(0.3), VICRegLoss()):
        loss = ContrastiveRegularizer(contrastive, 0.7, projector=head)
        inputs = [t.detach().requires_grad_() for t in (logits, h_a, h_b)]
        assert torch.autograd.gradcheck(lambda o, a, b, f=loss: f(o, labels, a, b), inputs)
        loss(inputs[0], labels, *inputs[1:]).backward()
        assert head.weight.grad.abs().sum() > 0
        assert any(p is head.weight for p in loss.parameters())


@pytest.mark.parametrize("theta", [-0.1, math.nan, math.inf, None])
def test_weights_that_are_none_are_refused(theta):
    with pytest.raises(ValueError, match="theta must be a finite number >= 0; got"):
        ContrastiveRegularizer(NTXentLoss(), theta)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, r"labels must be .* >= 0 and < 3 for every row \(6\); got None"),
        ({"labels": torch.ones(6)}, "labels must be .*torch.float32"),
        ({"labels": torch.zeros(5, dtype=torch.int64)}, r"got shape \(5,\).*leave out"),
        ({"labels": torch.tensor([0, 1, 2, -1, 1, 0])}, "got -1 for 1 of them"),
        ({"labels": torch.tensor([0, 1, 3, 0, 1, 0])}, "got 3 for 1 of them"),
        ({"logits": torch.full((6, 3), math.nan)}, r"logits must be finite; got nan at \[0, 0\]"),
        ({"logits": torch.zeros(5, 3)}, r"logits must have shape \(6, classes\).*got \(5, 3\)"),
        ({"h_b": torch.full((6, 4), math.inf).double()}, "h_b must be finite"),
        ({"h_a": torch.full((6, 4), math.nan).double()}, "h_a must be finite"),
        ({"h_b": torch.zeros(6, 5)}, "two views of one batch"),
    ],
)
def test_bad_batches_are_refused(change, message):
    loss, logits, labels, h_a, h_b = regularized()
    given = {"logits": logits, "labels": labels, "h_a": h_a, "h_b": h_b} | change
    with pytest.raises(ValueError, match=message):
        loss(**given)


def test_a_loss_that_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match=r"contrastive must be a loss.*got str"):
        ContrastiveRegularizer("simclr")


def blobs(n=40, seed=0):
    """Images of two classes: bright above, or bright below."""
    labels = torch.arange(n) % 2
    x = 0.3 * torch.rand(n, 1, 8, 8, generator=generator(seed))
    x[labels == 0, :, :4] += 0.6
    x[labels == 1, :, 4:] += 0.6
    return x, labels


def config(**settings):
    usual = {"steps": 6, "batch": 16, "widths": (16, 8), "classes": 2, "data": "mnist"}
    return FinetuningConfig(**(usual | settings))


def encoder(seed=0):
    return recipes.build("simclr", encoder="conv", size=8, widths=(16, 8), seed=seed)


def test_fine_tuning_learns_and_leaves_the_encoder_it_was_given():
    net = encoder()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for theta in (0.0, 0.3):
        run = Finetuning(config(steps=40, theta=theta, lr=3e-3), *blobs(), net.encoder,
                         projector=net.projector)  # fmt: skip
        run.train()
        assert run.accuracy(*blobs(seed=1)) > 0.9
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    moved = run.model.regularizer.projector.state_dict()
    assert any(not torch.equal(moved[k], v) for k, v in net.projector.state_dict().items())


def test_fine_tuning_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    net = encoder()
    make = functools.partial(Finetuning, config(), *blobs(), net.encoder)
    whole = make().train()
    make(tmp_path).train(2)
    again = make(tmp_path).resume()
    assert again.step == 2
    again.train()
    for (name, one), other in zip(
        whole.model.state_dict().items(), again.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    with pytest.raises(ValueError, match="another configuration"):
        Finetuning(config(theta=0.2), *blobs(), net.encoder, tmp_path).resume()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, r"labels must be .* >= 0 and < 2 for every row \(40\); got None"),
        (torch.zeros(39, dtype=torch.int64), r"got shape \(39,\).*leave out"),
        (torch.full((40,), -1), "got -1 for 40 of them"),
    ],
)
def test_fine_tuning_refuses_missing_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        Finetuning(config(), blobs()[0], labels, models.SmallConv(1, 8))


def test_fine_tuning_refuses_images_losses_and_weights_that_are_none():
    x, y = blobs()
    net = models.SmallConv(1, 8)
    with pytest.raises(ValueError, match="images must be finite"):
        Finetuning(config(), x * math.nan, y, net)
    with pytest.raises(ValueError, match="method must be one of"):
        Finetuning(config(method="dino"), x, y, net)
    with pytest.raises(ValueError, match=r"theta must be a finite number >= 0; got -0\.1"):
        Finetuning(config(theta=-0.1), x, y, net)
