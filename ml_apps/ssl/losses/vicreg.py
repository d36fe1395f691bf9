"""Variance, invariance, covariance, and what becomes of them between VICReg and SimCLR."""

from typing import NamedTuple

from torch import Tensor

from ml_apps.ssl import terms
from ml_apps.ssl._check import choice, positive
from ml_apps.ssl.losses._base import TwoViewLoss

__all__ = ["VICReg", "VICRegLoss"]


class VICReg(NamedTuple):
    """The loss and its terms.

    Attributes
    ----------
    total, invariance : Tensor
    variance : Tensor
        Mean over both views.
    covariance : Tensor
        Sum over both views.
    """

    total: Tensor
    invariance: Tensor
    variance: Tensor
    covariance: Tensor


class VICRegLoss(TwoViewLoss):
    r"""VICReg, VICReg-exp and VICReg-ctr.

    .. math::
        \lambda\,\mathrm{mse}(a, b) + \mu\,\frac{v(a) + v(b)}{2} + \nu\,(c(a) + c(b)),\qquad
        v(z) = \frac1d \sum_j \max\big(0, 1 - \sqrt{\mathrm{Var}\, z_{\cdot j} + \epsilon}\big)

    with ``c(z) = sum_{i != j} C_ij^2 / d`` of the covariance C, or with ``repulsion="exp"``
    ``c(z) = sum_i log sum_{j != i} exp(C_ij / tau) / d``.

    Parameters
    ----------
    lambda_param, mu_param, nu_param : float
        Weights of invariance, variance and covariance, scaled as in the authors' code.
    repulsion : {"square", "exp"}
        "exp" is VICReg-exp, the logarithm of a sum over other dimensions: it needs two.
    axis : {"dim", "sample"}
        "sample" applies variance and covariance to the transposed embeddings; with "exp" this is
        VICReg-ctr, a contrastive loss: the variance then controls the norms of embeddings. It is
        one over dimensions, and needs two.
    tau : float
        Temperature of "exp". Ours: set it for your data.
    method : {"auto", "cov", "gram"}
        How "square" is computed: see `ml_apps.ssl.terms.off_diagonal_covariance`. The value is the
        same; at d = 8192 and n = 1024 "gram" needs a small part of the time and of the memory.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.
    eps : float
        Added to variances, > 0.

    Notes
    -----
    O(n d min(n, d)) time and O(min(n, d)^2 + n d) memory with "auto" and "square".

    References
    ----------
    A. Bardes, J. Ponce, Y. LeCun, VICReg, ICLR 2022, arXiv:2105.04906; Q. Garrido et al., ICLR
    2023, arXiv:2206.02574, Eq. 10 to 13.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import VICRegLoss
    >>> z = torch.tensor([[1.0, -1.0], [-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    >>> VICRegLoss()(z, z).item()  # spread, and uncorrelated
    0.0
    """

    def __init__(
        self,
        lambda_param=25.0,
        mu_param=25.0,
        nu_param=1.0,
        *,
        repulsion="square",
        axis="dim",
        tau=0.1,
        method="auto",
        gather_distributed=False,
        eps=1e-4,
    ):
        super().__init__(gather_distributed=gather_distributed)
        choice("VICRegLoss", "repulsion", repulsion, ("square", "exp"))
        choice("VICRegLoss", "axis", axis, ("dim", "sample"))
        choice("VICRegLoss", "method", method, ("auto", "cov", "gram"))
        positive("VICRegLoss", tau=tau, eps=eps)
        if repulsion == "exp" and method == "gram":
            raise ValueError(
                'VICRegLoss: method must be "auto" or "cov" with repulsion="exp"; got "gram"; '
                "only sums of squares can be read from the Gram matrix"
            )
        self.lambda_param, self.mu_param, self.nu_param = lambda_param, mu_param, nu_param
        self.repulsion, self.axis, self.tau = repulsion, axis, tau
        self.method, self.eps = method, eps

    def _terms(self, z_a, z_b):
        if z_a.shape[1] < 2 and (self.repulsion == "exp" or self.axis == "sample"):
            raise ValueError(
                'VICRegLoss: embeddings must have d >= 2 for repulsion="exp" and axis="sample"; '
                f"got d = {z_a.shape[1]}; widen them, or use the defaults"
            )
        invariance = terms.invariance(z_a, z_b)
        if self.axis == "sample":
            z_a, z_b = z_a.T, z_b.T
        variance = sum(terms.variance_hinge(z, eps=self.eps) for z in (z_a, z_b)) / 2
        covariance = self._covariance(z_a) + self._covariance(z_b)
        total = (
            self.lambda_param * invariance + self.mu_param * variance + self.nu_param * covariance
        )
        return VICReg(total, invariance, variance, covariance)

    def _covariance(self, z):
        if self.repulsion == "exp":
            return terms.log_repulsion(z, tau=self.tau)
        return terms.off_diagonal_covariance(z, method=self.method) / z.shape[1]
