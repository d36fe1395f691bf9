"""Self-distillation over prototypes: DINO, iBOT, and both with a von Mises-Fisher mixture."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ml_apps.ssl import processes
from ml_apps.ssl._check import positive, views
from ml_apps.ssl.centering import Centering

__all__ = ["DINOLoss", "Distillation", "IBOTPatchLoss"]


class Distillation(NamedTuple):
    """The cross entropy and its parts.

    Attributes
    ----------
    total : Tensor
        ``teacher_entropy + divergence``.
    teacher_entropy, divergence : Tensor
    """

    total: Tensor
    teacher_entropy: Tensor
    divergence: Tensor


class _Distillation(nn.Module):
    """Prototypes of student and teacher, temperatures and the centring."""

    def __init__(
        self,
        prototypes,
        teacher_prototypes=None,
        *,
        student_temp=0.1,
        teacher_temp=0.04,
        center="logit",
        center_momentum=0.9,
        rho=1.0,
        sinkhorn_iterations=3,
        gather_distributed=False,
    ):
        super().__init__()
        positive(type(self).__name__, student_temp=student_temp, teacher_temp=teacher_temp)
        self.prototypes, self.teacher_prototypes = prototypes, teacher_prototypes
        self.student_temp, self.teacher_temp = student_temp, teacher_temp
        self.gather_distributed = gather_distributed
        self.centering = Centering(
            len(prototypes.weight),
            center,
            momentum=center_momentum,
            rho=rho,
            sinkhorn_iterations=sinkhorn_iterations,
            gather_distributed=gather_distributed,
        )

    def _targets(self, teacher):
        with torch.no_grad():
            prototypes = self.teacher_prototypes or self.prototypes
            return self.centering(prototypes(teacher, self.teacher_temp), self.teacher_temp)

    def _log_student(self, student):
        return torch.log_softmax(self.prototypes(student, self.student_temp), dim=-1)

    def _mean(self, value):
        return processes.mean_scalar(value, active=self.gather_distributed)


class DINOLoss(_Distillation):
    r"""Cross entropy of the student's prototypes under the teacher's, across views.

    .. math::
        -\mathop{\mathrm{mean}}_{u \ne v}\ \frac1n \sum_i \sum_k P^t_{ik}(u) \log P^s_{ik}(v)

    Parameters
    ----------
    prototypes : VMFPrototypes
        Of the student; its kind decides between DINO and DINO-vMF. Its parameters are parameters
        of this loss.
    teacher_prototypes : VMFPrototypes, optional
        A moving average of them. By default the student's own, without gradient.
    student_temp, teacher_temp : float
        Temperatures, > 0. `teacher_temp` may be changed from step to step.
    center : {"logit", "prob", "sinkhorn", "unbalanced"}
        What keeps the teacher from collapsing: see `ml_apps.ssl.centering`.
    center_momentum : float
        Of "logit" and "prob".
    rho : float
        Of "unbalanced": 0 is no centring, inf Sinkhorn.
    sinkhorn_iterations : int
        Of "sinkhorn" and "unbalanced".
    gather_distributed : bool
        Whether centres and values are taken over all processes of torch.distributed.

    Notes
    -----
    ``loss(student, teacher)`` takes the outputs of the bottleneck, of shape (n, p), or sequences of
    them, one a view, of which view i of both is the same crop and is not compared with itself.
    The moving averages change in training mode only.

    References
    ----------
    M. Caron et al., Emerging Properties in Self-Supervised Vision Transformers, ICCV 2021,
    arXiv:2104.14294; H. Govindarajan et al., ICLR 2023, arXiv:2405.10939.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import DINOLoss
    >>> from ml_apps.ssl.prototypes import VMFPrototypes
    >>> loss = DINOLoss(VMFPrototypes(8, 4), center="sinkhorn")
    >>> loss(torch.randn(6, 8), torch.randn(6, 8)).shape
    torch.Size([])
    """

    def forward(self, z_a, z_b):
        """Value of the loss.

        Parameters
        ----------
        z_a : Tensor, shape (n, p), or sequence of them
            Of the student.
        z_b : Tensor, shape (n, p), or sequence of them
            Of the teacher.

        Returns
        -------
        Tensor, shape ()
        """
        return self.components(z_a, z_b).total

    def components(self, z_a, z_b):
        """The loss and its parts.

        Parameters
        ----------
        z_a : Tensor, shape (n, p), or sequence of them
            Of the student.
        z_b : Tensor, shape (n, p), or sequence of them
            Of the teacher.

        Returns
        -------
        Distillation

        Raises
        ------
        ValueError
            If shapes differ, or one of both has no view.
        """
        student = [z_a] if isinstance(z_a, Tensor) else list(z_a)
        teacher = [z_b] if isinstance(z_b, Tensor) else list(z_b)
        if not student or not teacher:
            raise ValueError(
                "DINOLoss: student and teacher must hold at least one view each; got "
                f"{len(student)} and {len(teacher)}"
            )
        for z in (*student, *teacher):
            views("DINOLoss", student[0], z, at_least=1)
        log_student = [self._log_student(z) for z in student]
        cross = entropy = pairs = 0
        for u, log_target in enumerate(self._targets(torch.cat(teacher)).chunk(len(teacher))):
            others = [v for v in range(len(student)) if v != u or len(student) == 1]
            pairs += len(others)
            target = log_target.exp()
            # The student's views are added up first: a target is multiplied with them once.
            cross = cross - (target * sum(log_student[v] for v in others)).sum(dim=1).mean()
            entropy = entropy - len(others) * (target * log_target).sum(dim=1).mean()
        cross, entropy = self._mean(cross / pairs), self._mean(entropy / pairs)
        return Distillation(cross, entropy, cross - entropy)


class IBOTPatchLoss(_Distillation):
    r"""Cross entropy of masked patches: the student sees the mask, the teacher the patch.

    .. math::
        -\frac1n \sum_i \frac{1}{|M_i|} \sum_{j \in M_i} \sum_k P^t_{ijk} \log P^s_{ijk}

    with M_i the masked patches of image i; an image without any counts as 0.

    Parameters
    ----------
    prototypes, teacher_prototypes, student_temp, teacher_temp, center, center_momentum, rho
        As in `DINOLoss`.
    sinkhorn_iterations, gather_distributed
        As in `DINOLoss`.

    References
    ----------
    J. Zhou et al., iBOT: Image BERT Pre-Training with Online Tokenizer, ICLR 2022,
    arXiv:2111.07832.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.losses import IBOTPatchLoss
    >>> from ml_apps.ssl.prototypes import VMFPrototypes
    >>> loss, mask = IBOTPatchLoss(VMFPrototypes(8, 4)), torch.zeros(2, 5, dtype=torch.bool)
    >>> mask[:, :2] = True
    >>> loss(torch.randn(2, 5, 8), torch.randn(2, 5, 8), mask).shape
    torch.Size([])
    """

    def forward(self, z_a, z_b, mask):
        """Value of the loss.

        Parameters
        ----------
        z_a, z_b : Tensor, shape (n, P, p)
            Patches of student and teacher.
        mask : Tensor of bool, shape (n, P)
            Which patches the student did not see.

        Returns
        -------
        Tensor, shape ()
        """
        return self.components(z_a, z_b, mask).total

    def components(self, z_a, z_b, mask):
        """The loss and its parts.

        Parameters
        ----------
        z_a, z_b : Tensor, shape (n, P, p)
            Patches of student and teacher.
        mask : Tensor of bool, shape (n, P)
            Which patches the student did not see.

        Returns
        -------
        Distillation

        Raises
        ------
        ValueError
            If shapes differ or the mask is not of bool.
        """
        if z_a.ndim != 3 or z_a.shape != z_b.shape or mask.shape != z_a.shape[:2]:
            raise ValueError(
                "IBOTPatchLoss: patches must have shape (n, P, p) and the mask (n, P); got "
                f"{tuple(z_a.shape)}, {tuple(z_b.shape)} and {tuple(mask.shape)}"
            )
        if mask.dtype != torch.bool:
            raise ValueError(f"IBOTPatchLoss: mask must be of dtype bool; got {mask.dtype}")
        share = (mask / mask.sum(dim=1, keepdim=True).clamp_min(1)).to(z_a.dtype)[mask] / len(mask)
        targets = self._targets(z_b[mask])
        cross = -(share * (targets.exp() * self._log_student(z_a[mask])).sum(dim=1)).sum()
        entropy = -(share * (targets.exp() * targets).sum(dim=1)).sum()
        cross, entropy = self._mean(cross), self._mean(entropy)
        return Distillation(cross, entropy, cross - entropy)
