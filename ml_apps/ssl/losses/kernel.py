"""Uniformity on the sphere as a kernel discrepancy: SFRIK and the Gaussian potential."""

from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from ml_apps.ssl import terms
from ml_apps.ssl._check import choice, positive
from ml_apps.ssl.losses._base import TwoViewLoss

__all__ = ["AlignedUniform", "SFRIKLoss", "UniformityLoss"]


class AlignedUniform(NamedTuple):
    """The loss and its terms.

    Attributes
    ----------
    total, alignment : Tensor
    uniformity : Tensor
        Mean over both views.
    """

    total: Tensor
    alignment: Tensor
    uniformity: Tensor


class SFRIKLoss(TwoViewLoss):
    r"""Self-supervised learning with a rotation-invariant kernel, truncated.

    .. math::
        \lambda\,\mathrm{mse}(a, b) + \mu\,\frac{R(a) + R(b)}{2},\qquad
        R(z) = \mathop{\mathrm{mean}}_{i,j} \sum_{l=1}^L w_l P_l(z_i^\top z_j)

    with rows of norm 1 and P_l the Gegenbauer polynomials of the sphere: R is the squared maximum
    mean discrepancy from the uniform distribution.

    Parameters
    ----------
    weights : sequence of float
        w_1 to w_L, >= 0, with 1 <= L <= 4.
    lambda_param : float
        Weight of the alignment. With ``alignment="mean"`` it acts as lambda_param / d on squared
        distances: keep lambda_param / d where you change d, or take "sum".
    mu_param : float
        Weight of the uniformity.
    alignment : {"mean", "sum"}
        Over the d dimensions.
    estimator : {"v", "u"}
        All pairs, as published, or pairs of different rows, which is 0 on average for uniform
        data. They differ by a factor n / (n - 1) and a constant.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.

    Notes
    -----
    O(n^2 d) time and O(n^2 + n d) memory. VICReg as published takes O(n d^2) and O(d^2), but by the
    duality it can be had at the cost of this one: `VICRegLoss` with ``method="gram"``. A kernel
    truncated at L does not see structure of higher order: order 1 alone is content with any
    cloud whose mean is 0.

    References
    ----------
    L. Zheng, G. Puy, E. Riccietti, P. Perez, R. Gribonval, Self-supervised learning with
    rotation-invariant kernels, ICLR 2023, arXiv:2208.00789.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import SFRIKLoss
    >>> z = torch.eye(2)
    >>> loss = SFRIKLoss([0.0, 1.0]).components(torch.cat([z, -z]), torch.cat([z, -z]))
    >>> loss.uniformity.item()  # a square is uniform up to order 3
    0.0
    """

    def __init__(
        self,
        weights=(1.0, 40.0, 40.0),
        lambda_param=4000.0,
        mu_param=1.0,
        *,
        alignment="mean",
        estimator="v",
        gather_distributed=False,
    ):
        super().__init__(gather_distributed=gather_distributed)
        weights = tuple(map(float, weights))
        if not 1 <= len(weights) <= 4 or min(weights) < 0 or max(weights) == 0:
            raise ValueError(
                "SFRIKLoss: weights must be one to four numbers >= 0, not all 0; "
                f"got {weights!r}; a kernel of order 3 is (1, 40, 40)"
            )
        choice("SFRIKLoss", "alignment", alignment, ("mean", "sum"))
        choice("SFRIKLoss", "estimator", estimator, ("v", "u"))
        self.weights, self.lambda_param, self.mu_param = weights, lambda_param, mu_param
        self.alignment, self.estimator = alignment, estimator

    def _terms(self, z_a, z_b):
        z_a, z_b = F.normalize(z_a, dim=1), F.normalize(z_b, dim=1)
        alignment = terms.invariance(z_a, z_b, reduction=self.alignment)
        uniformity = (
            sum(
                terms.kernel_discrepancy(z, self.weights, estimator=self.estimator)
                for z in (z_a, z_b)
            )
            / 2
        )
        total = self.lambda_param * alignment + self.mu_param * uniformity
        return AlignedUniform(total, alignment, uniformity)


class UniformityLoss(TwoViewLoss):
    r"""Alignment and uniformity.

    .. math::
        \frac\lambda n \sum_i \|a_i - b_i\|^2 + \frac{U(a) + U(b)}{2},\qquad
        U(z) = \log \mathop{\mathrm{mean}}_{i \ne j} \exp(-t \|z_i - z_j\|^2)

    with rows of norm 1, or with ``kernel="gegenbauer"`` the U-statistic of the truncated kernel.

    Parameters
    ----------
    lambda_param : float
        Weight of the alignment.
    kernel : {"rbf", "gegenbauer"}
        The Gaussian kernel is characteristic: it is content with the uniform distribution alone.
    t : float
        Of the Gaussian kernel, > 0.
    weights : sequence of float
        w_1, w_2, ... of the truncated kernel, any number of them.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.

    References
    ----------
    T. Wang, P. Isola, Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere, ICML 2020, arXiv:2005.10242.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import UniformityLoss
    >>> z = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> UniformityLoss(t=1.0)(z, z).item()
    -4.0
    """

    def __init__(
        self,
        lambda_param=1.0,
        *,
        kernel="rbf",
        t=2.0,
        weights=(1.0, 1.0, 1.0),
        gather_distributed=False,
    ):
        super().__init__(gather_distributed=gather_distributed)
        choice("UniformityLoss", "kernel", kernel, ("rbf", "gegenbauer"))
        positive("UniformityLoss", t=t)
        self.lambda_param, self.kernel, self.t = lambda_param, kernel, t
        self.weights = tuple(map(float, weights))

    def _terms(self, z_a, z_b):
        z_a, z_b = F.normalize(z_a, dim=1), F.normalize(z_b, dim=1)
        alignment = terms.invariance(z_a, z_b, reduction="sum")
        uniformity = sum(map(self._uniformity, (z_a, z_b))) / 2
        return AlignedUniform(self.lambda_param * alignment + uniformity, alignment, uniformity)

    def _uniformity(self, z):
        if self.kernel == "rbf":
            return terms.gaussian_potential(z, t=self.t)
        return terms.kernel_discrepancy(z, self.weights, estimator="u")
