r"""Targets of a teacher: its posterior over prototypes, kept from collapsing onto few of them.

All four are a softmax of shifted logits, ``softmax(l - c)``, and differ in where c comes from.

- "logit": the moving average of the logits' mean (DINO).
- "prob": the moving average of ``log mean_b softmax(l)``, the logarithm of how much each prototype
  is used: one column step of Sinkhorn, remembered.
- "sinkhorn": ``sinkhorn_iterations`` of Sinkhorn's on this batch: every prototype gets the same
  mass (SwAV, DINOv2). With logits ``kappa_k mu_k . y + log C(kappa_k)`` it is the E-step of a vMF
  mixture that uses all components alike.
- "unbalanced": the same, with ``rho KL(use | uniform)`` in place of the constraint. rho = 0 is the
  plain softmax and rho = inf is "sinkhorn".

Sinkhorn's is carried out on logarithms. In the exponential domain, as in SwAV and DINOv2, it
overflows for logits of prototypes that are not normalised; subtracting the maximum of each sample
avoids that but changes the result of three iterations.
"""

import math

import torch
from torch import nn

from ml_apps.ssl import processes
from ml_apps.ssl._check import choice, positive
from ml_apps.ssl.terms import widened

__all__ = ["CENTERS", "Centering", "sinkhorn_posterior"]

CENTERS = ("logit", "prob", "sinkhorn", "unbalanced")


@torch.no_grad()
def sinkhorn_posterior(logits, *, rho=math.inf, iterations=3, gather_distributed=False):
    """Log of the entropic transport plan between samples and prototypes, rows of mass 1.

    Parameters
    ----------
    logits : Tensor, shape (n, K)
        Over the temperature already: the regularisation is 1.
    rho : float
        Penalty of unequal use of the prototypes; inf demands equal use.
    iterations : int
        Rounds of a step by columns and a step by rows; rows have mass 1 exactly, columns in
        the limit.
    gather_distributed : bool
        Whether the columns are summed over the processes of torch.distributed, by log-sum-exp.

    Returns
    -------
    Tensor, shape (n, K)
        ``exp`` of it is the plan.

    Notes
    -----
    O(iterations n K). `otopt.sinkhorn` finds the limit for any rho, with a certificate.
    """
    logits = widened(logits)
    damping = 1.0 if rho == math.inf else rho / (1 + rho)
    rows, columns = 0.0, 0.0
    for _ in range(iterations):
        # The target log(1 / K) is the same for all columns, and rows make up for constants.
        columns = -damping * processes.logsumexp(logits + rows, 0, active=gather_distributed)
        rows = -torch.logsumexp(logits + columns, 1, keepdim=True)
    return torch.log_softmax(logits + columns, 1)


class Centering(nn.Module):
    """Logits of a teacher to log-targets; remembers what moves.

    Parameters
    ----------
    count : int
        Prototypes.
    center : {"logit", "prob", "sinkhorn", "unbalanced"}
        See the module.
    momentum : float
        Of the moving averages, in [0, 1).
    rho : float
        Of "unbalanced", >= 0.
    sinkhorn_iterations : int
        >= 1.
    gather_distributed : bool
        Whether the batch is that of all processes of torch.distributed.

    Raises
    ------
    ValueError
        If a setting is not as said here.
    """

    def __init__(
        self,
        count,
        center="logit",
        *,
        momentum=0.9,
        rho=1.0,
        sinkhorn_iterations=3,
        gather_distributed=False,
    ):
        super().__init__()
        choice("Centering", "center", center, CENTERS)
        positive("Centering", sinkhorn_iterations=sinkhorn_iterations)
        if not rho >= 0:
            raise ValueError(f"Centering: rho must be >= 0; got {rho!r}; 0 is no centring")
        if not 0 <= momentum < 1:
            raise ValueError(f"Centering: momentum must be in [0, 1); got {momentum!r}")
        self.center, self.momentum, self.rho = center, momentum, rho
        self.sinkhorn_iterations = sinkhorn_iterations
        self.gather_distributed = gather_distributed
        self.register_buffer("offset", torch.zeros(count))

    @torch.no_grad()
    def forward(self, logits, temperature=1.0):
        """Log-targets; in training mode the moving average is brought up to date afterwards.

        Parameters
        ----------
        logits : Tensor, shape (n, K)
            Over the temperature already; no rows change no average.
        temperature : float
            What they were divided by: the mean logit is remembered without it, so that it stays
            right where the temperature changes.

        Returns
        -------
        Tensor, shape (n, K)
        """
        if self.center in ("sinkhorn", "unbalanced"):
            return sinkhorn_posterior(
                logits,
                rho=math.inf if self.center == "sinkhorn" else self.rho,
                iterations=self.sinkhorn_iterations,
                gather_distributed=self.gather_distributed,
            )
        unit = temperature if self.center == "logit" else 1.0
        targets = torch.log_softmax(logits - self.offset / unit, dim=1)
        if self.training:
            self.offset.lerp_(self._batch_offset(logits, unit), 1 - self.momentum)
        return targets

    def _batch_offset(self, logits, unit):
        """Offset of this batch alone; the one that is remembered where it has no samples."""
        active = self.gather_distributed
        samples = processes.total(self.offset.new_tensor(len(logits)), active=active)
        if self.center == "logit":
            offset = processes.total(logits.sum(dim=0), active=active) * unit / samples
        else:
            log_posterior = torch.log_softmax(logits, dim=1)
            offset = processes.logsumexp(log_posterior, 0, active=active) - torch.log(samples)
        return torch.where(samples > 0, offset.to(self.offset), self.offset)
