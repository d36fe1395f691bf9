"""Sample-contrastive losses: other images are pushed away, through their n x n similarities."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_apps.ssl import terms
from ml_apps.ssl._check import choice, positive
from ml_apps.ssl.losses._base import TwoViewLoss
from ml_apps.ssl.losses._chunks import sum_over_chunks

__all__ = ["Contrastive", "NTXentLoss", "SpectralContrastiveLoss"]


class Contrastive(NamedTuple):
    """A contrastive loss and its parts.

    Attributes
    ----------
    total : Tensor
    attraction : Tensor
        Of the two views of one image.
    repulsion : Tensor
        Of different images.
    """

    total: Tensor
    attraction: Tensor
    repulsion: Tensor


class NTXentLoss(TwoViewLoss):
    r"""Normalised temperature-scaled cross entropy: SimCLR, DCL, and their abs and sq variants.

    .. math::
        \frac{1}{2n} \sum_i \Big(-\frac{s_{i p(i)}}{\tau}
        + \log \sum_{j \ne i} \exp\frac{r(s_{ij})}{\tau}\Big),
        \qquad s = z z^\top,\ z = \text{both views, rows of norm 1}

    with p(i) the other view of the same image.

    Parameters
    ----------
    temperature : float
        The scale of similarities, > 0.
    similarity : {"cos", "abs", "sq"}
        What repels: s itself (SimCLR), ``|s|`` or ``s^2``. With the latter two the loss vanishes at
        orthogonal and not at opposite embeddings, which makes it sample-contrastive in the sense
        of Garrido et al. (2023).
    decoupled : bool
        Leave the positive pair out of the sum (DCL).
    transform_positive : bool
        Whether `similarity` applies to the positive pair too.
    chunk_size : int or None
        Rows of the similarity matrix that are held at once; the backward pass computes them
        again. Memory O(chunk_size n) in place of O(n^2); worth it for n >= 2 d.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.

    Notes
    -----
    O(n^2 d) time. Where the components are reported, `attraction` is the mean of -s over positive
    pairs, over the temperature, and `repulsion` the mean of the logarithms.

    References
    ----------
    T. Chen et al., ICML 2020, arXiv:2002.05709; C.-H. Yeh et al., Decoupled Contrastive Learning,
    arXiv:2110.06848; Q. Garrido et al., ICLR 2023, arXiv:2206.02574.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import NTXentLoss
    >>> z = torch.eye(2)
    >>> round(NTXentLoss(temperature=1.0)(z, z).item(), 4)  # log(1 + 2 / e)
    0.5514
    """

    def __init__(
        self,
        temperature=0.15,
        *,
        similarity="cos",
        decoupled=False,
        transform_positive=False,
        chunk_size=None,
        gather_distributed=False,
    ):
        super().__init__(gather_distributed=gather_distributed)
        positive("NTXentLoss", temperature=temperature)
        choice("NTXentLoss", "similarity", similarity, ("cos", "abs", "sq"))
        if chunk_size is not None and not chunk_size >= 1:
            raise ValueError(f"NTXentLoss: chunk_size must be >= 1 or None; got {chunk_size!r}")
        self.temperature, self.similarity, self.decoupled = temperature, similarity, decoupled
        self.transform_positive, self.chunk_size = transform_positive, chunk_size

    def _terms(self, z_a, z_b):
        z_a, z_b = F.normalize(z_a, dim=1), F.normalize(z_b, dim=1)
        z, n = torch.cat([z_a, z_b]), len(z_a)
        positives = (z_a * z_b).sum(dim=1)
        if self.transform_positive:
            positives = self._transform(positives)
        positives = positives.repeat(2) / self.temperature
        size = min(self.chunk_size or 2 * n, 2 * n)
        if size < 2 * n:
            repulsion = sum_over_chunks(self._repulsion, z, positives, size)
        else:
            repulsion = self._repulsion(z, positives, z, 0)
        attraction, repulsion = -positives.mean(), repulsion / (2 * n)
        return Contrastive(attraction + repulsion, attraction, repulsion)

    def _transform(self, s):
        return {"cos": lambda: s, "abs": s.abs, "sq": s.square}[self.similarity]()

    def _repulsion(self, block, positives, z, start):
        """Sum of ``log sum_j exp(r(s_ij) / tau)`` over a block of rows of z, from `start` on."""
        if self.similarity == "cos":  # the temperature costs no pass over the matrix
            scores = (block / self.temperature) @ z.T
        else:
            scores = self._transform(block @ z.T) / self.temperature
        scores = terms.widened(scores)  # half precision can hold a product, but no sum of so many
        own = torch.arange(start, start + len(block), device=z.device)[:, None]
        twin = (own + len(z) // 2) % len(z)
        scores.scatter_(1, own, -math.inf)
        if self.decoupled:
            scores.scatter_(1, twin, -math.inf)
        elif self.similarity != "cos":
            scores.scatter_(1, twin, positives[:, None].to(scores.dtype))
        return torch.logsumexp(scores, dim=1).sum()


class SpectralContrastiveLoss(TwoViewLoss):
    r"""Spectral contrastive loss: a low-rank factorisation of the graph of augmentations.

    .. math::
        -\frac{2\mu}{n} \sum_i a_i^\top b_i
        + \frac{\mu^2}{n (n - 1)} \sum_{i \ne j} (a_i^\top b_j)^2

    with a and b projected onto the unit ball.

    Parameters
    ----------
    mu : float
        Squared radius of the ball that the embeddings live in, > 0.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.

    Notes
    -----
    O(n^2 d) time, O(n^2) memory.

    References
    ----------
    J. HaoChen et al., Provable Guarantees for Self-Supervised Deep Learning with Spectral
    Contrastive Loss, NeurIPS 2021, arXiv:2106.04156.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import SpectralContrastiveLoss
    >>> SpectralContrastiveLoss()(torch.eye(2), torch.eye(2)).item()
    -2.0
    """

    def __init__(self, mu=1.0, *, gather_distributed=False):
        super().__init__(gather_distributed=gather_distributed)
        positive("SpectralContrastiveLoss", mu=mu)
        self.mu = mu

    def _terms(self, z_a, z_b):
        n = len(z_a)
        z_a, z_b = (z / z.norm(dim=1, keepdim=True).clamp_min(1) for z in (z_a, z_b))
        attraction = -2 * (z_a * z_b).sum(dim=1).mean()
        repulsion = terms.without_diagonal(z_a @ z_b.T).square().sum() / (n * (n - 1))
        total = self.mu * attraction + self.mu**2 * repulsion
        return Contrastive(total, attraction, repulsion)
