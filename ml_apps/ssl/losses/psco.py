"""PsCo: items of a queue are the shots of a task, and every image of the batch is a class."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ml_apps.ssl import _check, assignments, processes, terms
from ml_apps.ssl.losses._base import TwoViewLoss

__all__ = ["PsCo", "PsCoLoss"]


class PsCo(NamedTuple):
    """The loss and its terms.

    Attributes
    ----------
    total : Tensor
    few_shot : Tensor
        Of the pseudo-labelled shots.
    instance : Tensor
        Of the other view of the same image, as in MoCo.
    """

    total: Tensor
    few_shot: Tensor
    instance: Tensor


class PsCoLoss(TwoViewLoss):
    r"""Pseudo-supervised contrast: K items of a queue as the shots of every image, and MoCo.

    .. math::
        \frac\lambda n \sum_i \Big(\log \sum_{j,k} \exp\frac{p_i^\top s_{jk}}{\tau}
        - \frac1K \sum_k \frac{p_i^\top s_{ik}}{\tau}\Big)
        + \frac1n \sum_i \Big(\log\big(e^{p_i^\top z_i / \tau'}
        + \sum_q e^{p_i^\top q / \tau'}\big) - \frac{p_i^\top z_i}{\tau'}\Big)

    with p the predictions of the strong views and z the momentum embeddings of the weak ones, rows
    of norm 1; q the items of the queue, and s_ik those that are assigned to z_i.

    Parameters
    ----------
    queue : MomentumQueue
        Its buffers are buffers of this loss. In training mode z joins it after the loss is taken.
    num_shots : int
        K, in 1..len(queue).
    temperature, instance_temperature : float
        tau and tau', > 0.
    weight : float
        lambda, >= 0; at 0 nothing is assigned, and this is MoCo with a predictor.
    assignment : {"sinkhorn", "bmatch", "cosine"} or callable
        See `ml_apps.ssl.assignments`; "sinkhorn" with three iterations is the paper's.
    eps, iterations : float, int
        Of "sinkhorn".
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed. Each then holds the same
        queue and labels the whole batch alike: B M similarities of the global batch B.

    Raises
    ------
    ValueError
        If a setting is not as said here.

    Notes
    -----
    O(n M d + n^2 K d) time. ``loss(z_a, z_b)`` takes p and z, in that order; z gets no gradient.
    An item that is taken by two rows stands twice in the first sum.

    References
    ----------
    H. Jang, H. Lee, J. Shin, Unsupervised Meta-learning via Few-shot Pseudo-supervised Contrastive
    Learning, ICLR 2023, arXiv:2303.00996; K. He et al., Momentum Contrast for Unsupervised Visual
    Representation Learning, CVPR 2020, arXiv:1911.05722.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import PsCoLoss
    >>> from ml_apps.ssl.queue import MomentumQueue
    >>> loss = PsCoLoss(MomentumQueue(16, 2), num_shots=2, assignment="bmatch")
    >>> loss(torch.randn(3, 2), torch.randn(3, 2)).shape, loss.queue.cursor.item()
    (torch.Size([]), 3)
    """

    def __init__(
        self,
        queue,
        *,
        num_shots=4,
        temperature=1.0,
        instance_temperature=0.2,
        weight=1.0,
        assignment="sinkhorn",
        eps=0.05,
        iterations=3,
        gather_distributed=False,
    ):
        super().__init__(gather_distributed=gather_distributed)
        _check.positive(
            "PsCoLoss", temperature=temperature, instance_temperature=instance_temperature,
            eps=eps, iterations=iterations,
        )  # fmt: skip
        if not weight >= 0:
            raise ValueError(f"PsCoLoss: weight must be >= 0; got {weight!r}; 0 is MoCo")
        if not callable(assignment):
            _check.choice("PsCoLoss", "assignment", assignment, assignments.ASSIGNMENTS)
        assignments.shots("PsCoLoss", num_shots, len(queue))
        self.queue, self.num_shots, self.weight = queue, num_shots, weight
        self.temperature, self.instance_temperature = temperature, instance_temperature
        self.assignment, self.eps, self.iterations = assignment, eps, iterations

    def components(self, z_a, z_b):
        """The loss and its terms, without the weight.

        Parameters
        ----------
        z_a : Tensor, shape (n, d)
            Predictions of the online network for one view.
        z_b : Tensor, shape (n, d)
            Embeddings of the momentum network for the other.

        Returns
        -------
        PsCo

        Raises
        ------
        ValueError
            If these are not floating-point matrices of one shape; if the queue holds less than a
            batch or less than the assignment needs; if z_b is not finite. The queue is then left as
            it was.
        """
        _check.views("PsCoLoss", z_a, z_b, at_least=1)
        p, z = F.normalize(z_a, dim=1), F.normalize(z_b.detach(), dim=1)
        everyone = processes.gather(z, active=self.gather_distributed)
        self.queue.refuse(everyone)
        items = self.queue.items.to(p.dtype, copy=True)  # the queue changes before the way back
        few_shot = p.new_zeros(())
        if self.weight:
            indices = self.pseudo_labels(everyone, items).indices
            few_shot = self._mean(self._few_shot(p, items[indices]))
        logits = torch.cat([(p * z).sum(dim=1, keepdim=True), p @ items.T], dim=1)
        target = torch.zeros(len(p), dtype=torch.int64, device=p.device)
        instance = self._mean(F.cross_entropy(logits / self.instance_temperature, target))
        if self.training:
            self.queue.enqueue(everyone)
        return PsCo(self.weight * few_shot + instance, few_shot, instance)

    def pseudo_labels(self, z, items=None):
        """Items of the queue that are taken for the shots of each embedding.

        Parameters
        ----------
        z : Tensor, shape (n, d)
            Of norm 1.
        items : Tensor, shape (M, d), optional
            Those of the queue by default.

        Returns
        -------
        PseudoLabels
        """
        items = self.queue.items.to(z.dtype) if items is None else items
        return assignments.assign(
            z @ items.T, self.num_shots, self.assignment, eps=self.eps, iterations=self.iterations
        )

    def _few_shot(self, p, shots):
        """Contrast of own rows p (n, d) with the shots (N, K, d) of the rows of all processes."""
        classes = torch.arange(len(shots), device=p.device).repeat_interleave(self.num_shots)
        first = processes.rank() * len(p) if self.gather_distributed else 0
        own = torch.arange(first, first + len(p), device=p.device)
        logits = p @ shots.flatten(0, 1).T / self.temperature
        return terms.supervised_contrast(logits, own[:, None] == classes)

    def _mean(self, value):
        return processes.mean_scalar(value, active=self.gather_distributed)
