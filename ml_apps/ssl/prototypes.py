r"""Prototypes as components of a von Mises-Fisher mixture.

A softmax of ``w_k . y / tau`` over unit vectors y is the posterior of a vMF mixture with mean
directions ``w_k / |w_k|`` and concentrations ``kappa_k = |w_k| / tau``, if all concentrations are
equal. Where they are not, the normaliser belongs to it: ``w_k . y / tau + log C_p(kappa_k)``.
H. Govindarajan, P. Siden, J. Roll, F. Lindsten, DINO as a von Mises-Fisher mixture model, ICLR
2023, arXiv:2405.10939.
"""

import torch
from torch import nn
from torch.nn import functional as F

from ml_apps.ssl._check import choice
from ml_apps.ssl.vmf import _log_normalizer

__all__ = ["VMFPrototypes", "koleo"]


class VMFPrototypes(nn.Module):
    """Unit vectors to logits over K prototypes.

    Parameters
    ----------
    dim, count : int
        Dimension p of the embeddings, number K of prototypes.
    kind : {"vmf", "normalized", "free"}
        "normalized" is DINO's: rows of norm 1, equal concentrations. "vmf" learns the norms and
        adds the normaliser. "free" learns them without it, which is no mixture.
    generator : torch.Generator, optional
        Source of the directions at the start, uniform on the sphere.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.prototypes import VMFPrototypes
    >>> prototypes = VMFPrototypes(8, 4)
    >>> prototypes(torch.eye(8)[:2], temperature=0.1).shape
    torch.Size([2, 4])
    """

    def __init__(self, dim, count, *, kind="vmf", generator=None):
        super().__init__()
        choice("VMFPrototypes", "kind", kind, ("vmf", "normalized", "free"))
        self.kind = kind
        self.weight = nn.Parameter(F.normalize(torch.randn(count, dim, generator=generator), dim=1))

    def forward(self, y, temperature=0.1):
        """Logits, which already are over the temperature.

        Parameters
        ----------
        y : Tensor, shape (n, p)
            Embeddings, normalised here.
        temperature : float
            > 0. Student and teacher have their own, and with it their own concentrations.

        Returns
        -------
        Tensor, shape (n, K)
        """
        y = F.normalize(y, dim=-1)
        weight = F.normalize(self.weight, dim=1) if self.kind == "normalized" else self.weight
        logits = y @ (weight / temperature).T
        if self.kind == "vmf":
            # Norms need no check of their sign, for which a GPU would have to be waited for.
            kappa = weight.norm(dim=1) / temperature
            logits = logits + _log_normalizer(kappa, weight.shape[1])
        return logits


def koleo(weight, *, eps=1e-8):
    """Minus the mean log-distance of every direction to its nearest other: spreads prototypes.

    Parameters
    ----------
    weight : Tensor, shape (K, p)
        Normalised here.
    eps : float
        Added to distances.

    Returns
    -------
    Tensor, shape ()

    References
    ----------
    A. Sablayrolles et al., Spreading vectors for similarity search, ICLR 2019, arXiv:1806.03198.
    """
    w = F.normalize(weight, dim=1)
    with torch.no_grad():
        similarity = w @ w.T
        similarity.fill_diagonal_(-2)
        nearest = similarity.argmax(dim=1)
    return -torch.log((w - w[nearest]).norm(dim=1) + eps).mean()
