"""Barlow Twins: the cross-correlation of two views becomes the identity."""

from typing import NamedTuple

from torch import Tensor

from ml_apps.ssl import terms
from ml_apps.ssl._check import choice, positive
from ml_apps.ssl.losses._base import TwoViewLoss

__all__ = ["BarlowTwins", "BarlowTwinsLoss"]


class BarlowTwins(NamedTuple):
    """The loss and its terms.

    Attributes
    ----------
    total, invariance, redundancy : Tensor
    """

    total: Tensor
    invariance: Tensor
    redundancy: Tensor


class BarlowTwinsLoss(TwoViewLoss):
    r"""Barlow Twins.

    .. math::
        \sum_i (1 - C_{ii})^2 + \lambda \sum_{i \ne j} C_{ij}^2,\qquad C = \tfrac1n a^\top b

    with every dimension of a and b standardised over the batch.

    Parameters
    ----------
    lambda_param : float
        Weight of the redundancy.
    method : {"auto", "cov", "gram"}
        "gram" takes ``|C|_F^2 = <a a', b b'> / n^2``, O(n^2 d) time and O(n^2) memory in place of
        O(n d^2) and O(d^2); "auto" takes it where d >= 1.5 n.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.
    eps : float
        Added to variances, > 0.

    References
    ----------
    J. Zbontar et al., Barlow Twins, ICML 2021, arXiv:2103.03230.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import BarlowTwinsLoss
    >>> z = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    >>> round(BarlowTwinsLoss()(z, z).item(), 6)
    0.0
    """

    def __init__(self, lambda_param=5e-3, *, method="auto", gather_distributed=False, eps=1e-5):
        super().__init__(gather_distributed=gather_distributed)
        choice("BarlowTwinsLoss", "method", method, ("auto", "cov", "gram"))
        positive("BarlowTwinsLoss", eps=eps)
        self.lambda_param, self.method, self.eps = lambda_param, method, eps

    def _terms(self, z_a, z_b):
        z_a, z_b = (terms.standardize(z, eps=self.eps) for z in (z_a, z_b))
        diagonal, redundancy = terms.cross_correlation(z_a, z_b, method=self.method)
        invariance = (1 - diagonal).square().sum()
        return BarlowTwins(invariance + self.lambda_param * redundancy, invariance, redundancy)
