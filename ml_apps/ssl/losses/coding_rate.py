"""Total coding rate: the volume that embeddings fill."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ml_apps.ssl import terms
from ml_apps.ssl._check import positive
from ml_apps.ssl.losses._base import TwoViewLoss

__all__ = ["TCR", "TCRLoss"]


class TCR(NamedTuple):
    """The loss and its terms.

    Attributes
    ----------
    total, invariance : Tensor
    coding_rate : Tensor
        Mean over both views; the loss subtracts it.
    """

    total: Tensor
    invariance: Tensor
    coding_rate: Tensor


class TCRLoss(TwoViewLoss):
    r"""Invariance minus total coding rate.

    .. math::
        \frac\lambda n \sum_i \|a_i - b_i\|^2 - \frac{R(a) + R(b)}{2},\qquad
        R(z) = \tfrac12 \log\det\Big(I + \frac{d}{n \epsilon^2} z^\top z\Big)

    with rows of norm 1.

    Parameters
    ----------
    lambda_param : float
        Weight of the invariance. Ours: the scale of R grows with min(n, d).
    eps : float
        Distortion, > 0.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.

    Notes
    -----
    O(n d min(n, d) + min(n, d)^3) time.

    References
    ----------
    Y. Yu et al., Learning Diverse and Discriminative Representations via the Principle of Maximal
    Coding Rate Reduction, NeurIPS 2020, arXiv:2006.08558.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import TCRLoss
    >>> loss = TCRLoss(eps=1.0).components(torch.eye(2), torch.eye(2))
    >>> round(loss.coding_rate.item(), 4)  # log det(2 I) / 2
    0.6931
    """

    def __init__(self, lambda_param=1.0, *, eps=0.5, gather_distributed=False):
        super().__init__(gather_distributed=gather_distributed)
        positive("TCRLoss", eps=eps)
        self.lambda_param, self.eps = lambda_param, eps

    def _terms(self, z_a, z_b):
        z_a, z_b = F.normalize(z_a, dim=1), F.normalize(z_b, dim=1)
        invariance = terms.invariance(z_a, z_b, reduction="sum")
        rate = sum(terms.coding_rate(z, eps=self.eps) for z in (z_a, z_b)) / 2
        return TCR(self.lambda_param * invariance - rate, invariance, rate)
