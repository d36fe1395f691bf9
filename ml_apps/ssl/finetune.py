"""Fine-tuning a pre-trained encoder on labelled images, with or without a contrastive term.

A run that can stop and go on, as those of `ml_apps.ssl.training`. Its other end, the linear probe
of an encoder that stays as it is, is `ml_apps.ssl.evaluate.linear_probe`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from ml_apps.ssl import _check, models
from ml_apps.ssl.losses import ContrastiveRegularizer
from ml_apps.ssl.recipes import LOSSES
from ml_apps.ssl.training import Config, Run

__all__ = ["Classifier", "Finetuning", "FinetuningConfig"]


@dataclass(frozen=True)
class FinetuningConfig(Config):
    """How an encoder is fine-tuned: `Config`, of which `encoder` and `crops` are not used.

    Attributes
    ----------
    method : str
        The contrastive loss, one of `recipes.LOSSES`; `settings` are its parameters.
    theta : float
        Its weight, >= 0; 0 is plain fine-tuning.
    classes : int

    Examples
    --------
    >>> from ml_apps.ssl.finetune import FinetuningConfig
    >>> FinetuningConfig(classes=2, theta=0.0).steps
    100
    """

    method: str = "simclr"
    theta: float = 0.1
    classes: int = 10
    steps: int = 100
    batch: int = 32
    lr: float = 1e-2


class Classifier(nn.Module):
    """Encoder, linear head and regularised loss; batch statistics are those of both views.

    Parameters
    ----------
    encoder : nn.Module
        With the dimension of its features as ``dim``.
    head : nn.Module
        Features to logits.
    regularizer : ContrastiveRegularizer
    """

    def __init__(self, encoder, head, regularizer):
        super().__init__()
        self.encoder, self.head, self.regularizer = encoder, head, regularizer

    def forward(self, views, labels):
        """Value of the loss on two views; the first one is classified."""
        h_a, h_b = self.encoder(torch.cat(list(views))).chunk(2)
        return self.regularizer(self.head(h_a), labels, h_a, h_b)

    def after_step(self, share):
        """Nothing moves besides the parameters."""

    def features(self, x):
        """Features of the encoder, shape (n, dim)."""
        return self.encoder(x)


class Finetuning(Run):
    """An encoder in fine-tuning.

    Parameters
    ----------
    config : FinetuningConfig
    images : Tensor, shape (n, c, h, w)
    labels : Tensor of int64, shape (n,)
        In [0, config.classes).
    encoder : nn.Module
        Pre-trained, with ``dim``; a copy of it is trained.
    folder : Path, optional
        Of checkpoint and metrics; nothing is written without one.
    projector : nn.Module, optional
        That the encoder was pre-trained with, which is copied, too; a new one by default.

    Raises
    ------
    ValueError
        If labels are missing or out of range, images are not finite, there is no such method, or
        theta is negative.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl import models
    >>> from ml_apps.ssl.finetune import Finetuning, FinetuningConfig
    >>> labels = torch.arange(64) % 2
    >>> images = torch.rand(64, 1, 8, 8) * 0.1 + 0.8 * labels[:, None, None, None]
    >>> config = FinetuningConfig(classes=2, steps=20, batch=16, theta=0.0)
    >>> run = Finetuning(config, images, labels, models.MLPEncoder(1, 8, dim=16))
    >>> _ = run.train()
    >>> run.accuracy(images, labels)
    1.0
    """

    def __init__(self, config, images, labels, encoder, folder=None, *, projector=None):
        _refuse(config, images, labels)
        self._pretrained = encoder, projector
        super().__init__(config, images, folder)
        del self._pretrained
        self.labels = labels.to(config.device)

    def _build(self, images):
        del images
        config, (encoder, projector) = self.config, self._pretrained
        contrastive = LOSSES[config.method](**config.settings)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            if projector is None:
                projector = models.projector(encoder.dim, config.widths)
            # Standardised features, as the linear probe has them.
            head = nn.Sequential(
                nn.BatchNorm1d(encoder.dim, affine=False), nn.Linear(encoder.dim, config.classes)
            )
        loss = ContrastiveRegularizer(contrastive, config.theta, projector=copy.deepcopy(projector))
        return Classifier(copy.deepcopy(encoder), head, loss)

    def _loss(self, views, chosen):
        return self.model(views, self.labels[chosen])

    @torch.no_grad()
    def calibrate(self):
        """Take batch statistics from the labelled images as they are, not from views of them.

        Views are cropped and turned, images that are classified are not. Training does not look
        at these statistics, so it can go on.
        """
        norms = [m for m in self.model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        usual = [m.momentum for m in norms]
        for m in norms:
            m.reset_running_stats()
            m.momentum = None  # a plain mean over batches
        self.model.train()
        for x in self.images.split(1024):
            self.model.head(self.model.encoder(x))
        for m, momentum in zip(norms, usual, strict=True):
            m.momentum = momentum

    @torch.no_grad()
    def accuracy(self, images, labels):
        """Share of images whose label has the largest logit, after `calibrate`.

        Parameters
        ----------
        images : Tensor, shape (n, c, h, w)
        labels : Tensor of int64, shape (n,)

        Returns
        -------
        float
        """
        self.calibrate()
        features = self.features(images).to(self.config.device)
        found = self.model.head(features).argmax(dim=1).cpu()
        return float((found == labels.cpu()).double().mean())


def _refuse(config, images, labels):
    who = "Finetuning"
    _check.choice(who, "method", config.method, tuple(LOSSES))
    _check.labels(who, "labels", labels, len(images), config.classes)
    _check.finite(who, "images", images)
