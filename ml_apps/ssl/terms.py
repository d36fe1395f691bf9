"""The terms that losses are sums of: pure functions of embeddings, rows = samples.

Thm 3.3 of Garrido et al. (2023) is what makes them cheap. For centred Z of shape (n, d),

    sum_{i != j} C_ij^2 = (|Z Z'|_F^2 - sum_j |z_.j|^4) / (n - 1)^2,

so the off-diagonal of the d x d covariance costs an n x n Gram matrix where d > n. Q. Garrido,
Y. Chen, A. Bardes, L. Najman, Y. LeCun, On the duality between contrastive and non-contrastive
self-supervised learning, ICLR 2023, arXiv:2206.02574.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ml_apps.ssl import gegenbauer

__all__ = [
    "coding_rate",
    "cross_correlation",
    "gaussian_potential",
    "invariance",
    "kernel_discrepancy",
    "log_repulsion",
    "off_diagonal_covariance",
    "standardize",
    "supervised_contrast",
    "uses_gram",
    "variance_hinge",
    "widened",
    "without_diagonal",
]


def invariance(z_a, z_b, *, reduction="mean"):
    """Squared distance of two views.

    Parameters
    ----------
    z_a, z_b : Tensor, shape (n, d)
    reduction : {"mean", "sum"}
        Over the d dimensions; over the batch it is always the mean.

    Returns
    -------
    Tensor, shape ()
    """
    return F.mse_loss(z_a, z_b) * (1 if reduction == "mean" else z_a.shape[1])


def without_diagonal(square):
    """A square matrix with zeros on its diagonal, in place: no squares are subtracted afterwards.

    Parameters
    ----------
    square : Tensor, shape (n, n)
        Written to.

    Returns
    -------
    Tensor, shape (n, n)
        `square`.
    """
    square.diagonal().zero_()
    return square


def widened(z):
    """Half precision as float32, the rest as it is: for sums that half precision cannot hold.

    Parameters
    ----------
    z : Tensor

    Returns
    -------
    Tensor
    """
    return z.float() if z.dtype in (torch.float16, torch.bfloat16) else z


def _without_autocast(z):
    return torch.autocast(z.device.type, enabled=False)


def variance_hinge(z, *, eps=1e-4):
    """Mean over dimensions of ``max(0, 1 - sqrt(var + eps))``, with unbiased variances.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    eps : float
        Added to variances: the root has no gradient at 0.

    Returns
    -------
    Tensor, shape ()
    """
    return F.relu(1 - torch.sqrt(z.var(dim=0) + eps)).mean()


def uses_gram(n, d, method):
    """Whether the n x n Gram matrix replaces the d x d covariance.

    Parameters
    ----------
    n, d : int
    method : {"auto", "cov", "gram"}

    Returns
    -------
    bool
    """
    # The Gram route subtracts. Where d >= 1.5 n the rank forces correlations, so that what is
    # left is not small beside what was subtracted: it is well conditioned where it is cheaper.
    return method == "gram" or (method == "auto" and d >= 1.5 * n)


def off_diagonal_covariance(z, *, method="auto"):
    """Sum of the squared covariances of different dimensions.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    method : {"auto", "cov", "gram"}
        "cov" is O(n d^2) time and O(d^2) memory, "gram" O(n^2 d) and O(n^2); "auto" takes "gram"
        where d >= 1.5 n. "gram" loses digits where n is much larger than d and dimensions are
        nearly uncorrelated, and it can be differentiated once. It subtracts squares of sums over
        d, so it works in float32 for half precision, and under autocast.

    Returns
    -------
    Tensor, shape ()
    """
    n, d = z.shape
    if uses_gram(n, d, method):
        return _GramOffDiagonal.apply(z) / (n - 1) ** 2
    z = z - z.mean(dim=0)
    return without_diagonal(z.T @ (z / (n - 1))).square().sum()


def log_repulsion(z, *, tau):
    """Mean over dimensions of ``log sum_{j != i} exp(C_ij / tau)``, C the covariance.

    Eq. 11 of Garrido et al. (2023). Only positive covariances are pushed away: a negative one
    lowers it, so it changes where one dimension changes sign, unlike the sum of squares.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    tau : float

    Returns
    -------
    Tensor, shape ()
    """
    n = len(z)
    z = z - z.mean(dim=0)
    scores = z.T @ (z / ((n - 1) * tau))
    scores.diagonal().fill_(-math.inf)
    return torch.logsumexp(scores, dim=1).mean()


def standardize(z, *, eps=1e-5):
    """Every dimension with mean 0 and (biased) variance 1 over the batch.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    eps : float
        Added to variances.

    Returns
    -------
    Tensor, shape (n, d)
    """
    return F.batch_norm(z, None, None, training=True, eps=eps)


def cross_correlation(z_a, z_b, *, method="auto"):
    """Diagonal of ``C = z_a' z_b / n``, and the sum of squares of the rest.

    Parameters
    ----------
    z_a, z_b : Tensor, shape (n, d)
        Standardised.
    method : {"auto", "cov", "gram"}
        As in `off_diagonal_covariance`; here ``|C|_F^2 = <z_a z_a', z_b z_b'> / n^2``.

    Returns
    -------
    diagonal : Tensor, shape (d,)
    redundancy : Tensor, shape ()
    """
    n, d = z_a.shape
    if uses_gram(n, d, method):
        with _without_autocast(z_a):
            z_a, z_b = widened(z_a), widened(z_b)
            diagonal = (z_a * z_b).sum(dim=0) / n
            squares = ((z_a @ z_a.T) * (z_b @ z_b.T)).sum() / n**2
            return diagonal, squares - diagonal.square().sum()
    correlation = (z_a.T / n) @ z_b
    diagonal = correlation.diagonal().clone()
    return diagonal, without_diagonal(correlation).square().sum()


def coding_rate(z, *, eps):
    r"""Total coding rate ``log det(I + d / (n eps^2) z' z) / 2`` of the smaller Gram matrix.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    eps : float
        Distortion.

    Returns
    -------
    Tensor, shape ()
    """
    n, d = z.shape
    small = z @ z.T if n < d else z.T @ z  # Sylvester's identity: the determinants agree
    eye = torch.eye(len(small), dtype=z.dtype, device=z.device)
    return torch.logdet(eye + d / (n * eps**2) * small) / 2


def gaussian_potential(z, *, t):
    """``log mean_{i != j} exp(-t |z_i - z_j|^2)`` of unit vectors.

    Parameters
    ----------
    z : Tensor, shape (n, d)
        Rows of norm 1.
    t : float

    Returns
    -------
    Tensor, shape ()
    """
    n = len(z)
    scores = (2 * t) * (z @ z.T) - 2 * t
    scores.diagonal().fill_(-math.inf)
    return torch.logsumexp(scores.flatten(), dim=0) - math.log(n * (n - 1))


def kernel_discrepancy(z, weights, *, estimator="v"):
    r"""Squared MMD of unit vectors from the uniform distribution, by a truncated kernel.

    ``E sum_l w_l P_l(z . z')`` with P_l the Gegenbauer polynomial of the sphere, P_l(1) = 1: every
    P_l of order l >= 1 has mean 0 under the uniform distribution.

    Parameters
    ----------
    z : Tensor, shape (n, d)
        Rows of norm 1.
    weights : sequence of float
        w_1, w_2, ...
    estimator : {"v", "u"}
        All pairs, which adds the constant ``sum(w) / n`` on uniform data, or different rows only.

    Returns
    -------
    Tensor, shape ()
    """
    n, d = z.shape
    kernel = gegenbauer.evaluate(z @ z.T, weights, d)
    if estimator == "v":
        return kernel.mean()
    return without_diagonal(kernel).sum() / (n * (n - 1))


class _GramOffDiagonal(torch.autograd.Function):
    """``|Z Z'|_F^2 - sum_j |z_.j|^4`` of centred Z, with its gradient ``4 (Z Z' Z - Z diag)``.

    Written out because the graph would keep, and the backward pass would build, more copies of Z
    than everything else takes together.
    """

    @staticmethod
    def forward(ctx: Any, z):
        with _without_autocast(z):
            z_centred = _centred(z)
            gram, columns = z_centred @ z_centred.T, z_centred.square().sum(dim=0)
            ctx.save_for_backward(z, gram, columns)
            return gram.square().sum() - columns.square().sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients):
        z, gram, columns = ctx.saved_tensors
        with _without_autocast(z):
            z_centred = _centred(z)
            by_z = gram @ z_centred
            # Columns of both parts sum to 0: the centring has nothing left to project away.
            return by_z.sub_(z_centred.mul_(columns)).mul_(4 * gradients[0]).to(z.dtype)


def _centred(z):
    z = widened(z)
    return z - z.mean(dim=0)


def supervised_contrast(logits, positives):
    """Mean over rows of ``log sum_j exp(l_ij) - mean_{j positive for i} l_ij``.

    Parameters
    ----------
    logits : Tensor, shape (n, m)
    positives : Tensor of bool, shape (n, m)
        At least one in every row.

    Returns
    -------
    Tensor, shape ()

    References
    ----------
    P. Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, arXiv:2004.11362.
    """
    attraction = (logits * positives).sum(dim=1) / positives.sum(dim=1)
    return (torch.logsumexp(logits, dim=1) - attraction).mean()
