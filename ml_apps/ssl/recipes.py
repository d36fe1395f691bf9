"""Losses by name, each with parameters that train small encoders, and how a step is taken."""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import nn

from ml_apps.ssl import losses, models, optim
from ml_apps.ssl._check import choice
from ml_apps.ssl.prototypes import VMFPrototypes
from ml_apps.ssl.psco import PsCoNetwork
from ml_apps.ssl.queue import MomentumQueue

__all__ = ["LOSSES", "METHODS", "QUEUED", "Distilled", "Joint", "build"]

# SFRIK's alignment is a mean over dimensions: its weight is set for "sum", so that the dimension
# of the embedding can change.
LOSSES = {
    "simclr": losses.NTXentLoss,
    "simclr-abs": partial(losses.NTXentLoss, similarity="abs"),
    "simclr-sq": partial(losses.NTXentLoss, similarity="sq"),
    "dcl": partial(losses.NTXentLoss, decoupled=True),
    "vicreg": losses.VICRegLoss,
    "vicreg-exp": partial(losses.VICRegLoss, repulsion="exp"),
    "vicreg-ctr": partial(losses.VICRegLoss, repulsion="exp", axis="sample"),
    "barlow": losses.BarlowTwinsLoss,
    "spectral": partial(losses.SpectralContrastiveLoss, mu=4.0),
    "tcr": partial(losses.TCRLoss, lambda_param=20.0),
    "sfrik": partial(losses.SFRIKLoss, lambda_param=1.0, alignment="sum"),
    "uniformity": losses.UniformityLoss,
}
KINDS = {"dino": "normalized", "dino-vmf": "vmf"}
# With a queue, a strong and a weak view; MoCo is what PsCo is without pseudo-labels.
QUEUED = {"psco": losses.PsCoLoss, "moco": partial(losses.PsCoLoss, weight=0.0)}
METHODS = (*LOSSES, *KINDS, *QUEUED)


class Joint(nn.Module):
    """Both views through one network; batch statistics are those of both views together.

    Parameters
    ----------
    encoder, projector : nn.Module
    loss : nn.Module
        ``loss(z_a, z_b)``.
    """

    def __init__(self, encoder, projector, loss):
        super().__init__()
        self.encoder, self.projector, self.criterion = encoder, projector, loss

    def forward(self, views):
        """Value of the loss on two views."""
        z_a, z_b = self.projector(self.encoder(torch.cat(views))).chunk(2)
        return self.criterion(z_a, z_b)

    def after_step(self, share):
        """Nothing moves besides the parameters."""

    def features(self, x):
        """What is evaluated: the encoder's features, shape (n, dim)."""
        return self.encoder(x)


class Distilled(nn.Module):
    """A student and a teacher that is its moving average.

    Parameters
    ----------
    encoder, head : nn.Module
    prototypes : VMFPrototypes
    momentum : float
        Of the teacher at the start; it rises to 1.
    **settings
        Of `DINOLoss`.
    """

    def __init__(self, encoder, head, prototypes, *, momentum=0.99, **settings):
        super().__init__()
        self.encoder, self.head, self.momentum = encoder, head, momentum
        self.teacher = copy.deepcopy(nn.ModuleList([encoder, head, prototypes]))
        self.teacher.requires_grad_(False)
        self.criterion = losses.DINOLoss(prototypes, self.teacher[2], **settings)

    def forward(self, views):
        """Value of the loss on views, the first two of which are global."""
        student = [self.head(self.encoder(v)) for v in views]
        with torch.no_grad():
            teacher = [self.teacher[1](self.teacher[0](v)) for v in views[:2]]
        return self.criterion(student, teacher)

    def after_step(self, share):
        """Move the teacher; `share` of the training is done."""
        momentum = optim.cosine(share, 1.0, start=self.momentum, end=1.0)
        student = nn.ModuleList([self.encoder, self.head, self.criterion.prototypes])
        optim.ema_update(self.teacher, student, momentum)

    def features(self, x):
        """What is evaluated: features of the teacher's encoder, shape (n, dim)."""
        return self.teacher[0](x)


def build(
    method,
    *,
    encoder="conv",
    channels=1,
    size=28,
    widths=(256, 64),
    prototypes=256,
    queue=1024,
    seed=0,
    **settings,
):
    """A network and its loss.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    encoder : str
        One of `ml_apps.ssl.models.ENCODERS`.
    channels, size : int
        Of the images.
    widths : sequence of int
        Of the projector.
    prototypes : int
        Of DINO.
    queue : int
        Embeddings that PsCo and MoCo remember.
    seed : int
        Of the weights; torch's global generator is left as it was.
    **settings
        Of the loss.

    Returns
    -------
    Joint, Distilled or PsCoNetwork

    Raises
    ------
    ValueError
        If there is no such method or encoder, or the loss refuses its settings.
    """
    choice("build", "method", method, METHODS)
    choice("build", "encoder", encoder, tuple(models.ENCODERS))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = models.ENCODERS[encoder](channels, size)
        if method in LOSSES:
            return Joint(
                backbone, models.projector(backbone.dim, widths), LOSSES[method](**settings)
            )
        if method in QUEUED:
            loss = QUEUED[method](MomentumQueue(queue, widths[-1]), **settings)
            return PsCoNetwork(backbone, widths, loss)
        head = models.bottleneck(backbone.dim, *widths[-2:])
        components = VMFPrototypes(widths[-1], prototypes, kind=KINDS[method])
        return Distilled(backbone, head, components, **settings)
