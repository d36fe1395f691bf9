"""Fine-tuning with a contrastive term beside the cross entropy."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ml_apps.ssl import _check

__all__ = ["ContrastiveRegularizer", "Regularized"]


class Regularized(NamedTuple):
    """A regularised classification loss and its parts.

    Attributes
    ----------
    total : Tensor
    supervised : Tensor
        Cross entropy.
    contrastive : Tensor
        Without its weight.
    """

    total: Tensor
    supervised: Tensor
    contrastive: Tensor


class ContrastiveRegularizer(nn.Module):
    r"""Cross entropy of a classifier plus a contrastive loss of two views of the same images.

    .. math::
        \mathrm{CE}(\text{logits}, y) + \theta \, \ell(g(h_a), g(h_b))

    with h the features of two views, of which the first gave the logits, and g a head of the
    contrastive loss's own.

    Parameters
    ----------
    contrastive : nn.Module or callable
        ``loss(z_a, z_b) -> scalar``: any loss of `ml_apps.ssl.losses` of two views.
    theta : float
        Weight of the contrastive loss, finite and >= 0. At 0 it is not computed.
    projector : nn.Module, optional
        The head g, trained with the rest; features themselves are contrasted by default.

    Raises
    ------
    ValueError
        If `theta` is negative or not finite.

    Notes
    -----
    The contrastive loss sees the images that the labels belong to, and no others.

    References
    ----------
    Z. Shi et al., The Trade-off between Universality and Label Efficiency of Representations from
    Contrastive Learning, ICLR 2023, arXiv:2303.00106.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import ContrastiveRegularizer, NTXentLoss
    >>> loss = ContrastiveRegularizer(NTXentLoss(temperature=1.0), theta=0.5)
    >>> h, labels = torch.eye(2), torch.tensor([0, 1])
    >>> found = loss.components(torch.zeros(2, 2), labels, h, h)
    >>> [round(float(part), 4) for part in found]  # log 2, log(1 + 2 / e)
    [0.9689, 0.6931, 0.5514]
    """

    def __init__(self, contrastive, theta=0.1, *, projector=None):
        super().__init__()
        if not (isinstance(theta, (int, float)) and 0 <= theta < math.inf):
            raise ValueError(
                f"ContrastiveRegularizer: theta must be a finite number >= 0; got {theta!r}; "
                "0 is fine-tuning without the regulariser"
            )
        if not callable(contrastive):
            raise ValueError(
                "ContrastiveRegularizer: contrastive must be a loss(z_a, z_b); got "
                f"{type(contrastive).__name__}; NTXentLoss() is one"
            )
        self.contrastive, self.theta = contrastive, theta
        self.projector = nn.Identity() if projector is None else projector

    def forward(self, logits, labels, h_a, h_b):
        """Value of the loss; see `components`."""
        return self.components(logits, labels, h_a, h_b).total

    def components(self, logits, labels, h_a, h_b):
        """The loss and its terms, without their weights.

        Parameters
        ----------
        logits : Tensor, shape (n, c)
            Of the classifier, for the images of `h_a`.
        labels : Tensor of int, shape (n,)
            In [0, c); every image has one.
        h_a, h_b : Tensor, shape (n, d)
            Features of two views; row i of all four belongs to image i.

        Returns
        -------
        Regularized

        Raises
        ------
        ValueError
            If shapes disagree, labels are missing or out of range, or logits or features are not
            finite.
        """
        _refuse(logits, labels, h_a, h_b)
        supervised = F.cross_entropy(logits, labels.long())
        if self.theta == 0:
            return Regularized(supervised, supervised, torch.zeros_like(supervised))
        z_a, z_b = self.projector(torch.cat([h_a, h_b])).chunk(2)  # statistics of both views
        contrastive = self.contrastive(z_a, z_b)
        return Regularized(supervised + self.theta * contrastive, supervised, contrastive)


def _refuse(logits, labels, h_a, h_b):
    who = "ContrastiveRegularizer"
    _check.views(who, h_a, h_b)
    if logits.ndim != 2 or len(logits) != len(h_a):
        raise ValueError(
            f"{who}: logits must have shape ({len(h_a)}, classes), as the features have "
            f"{len(h_a)} rows; got {tuple(logits.shape)}"
        )
    _check.labels(who, "labels", labels, len(logits), logits.shape[1])
    for name, x in (("logits", logits), ("h_a", h_a), ("h_b", h_b)):
        _check.finite(who, name, x)
