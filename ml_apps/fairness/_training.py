"""The training loop: loss of the task plus lam times the multi-marginal cost between groups."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
import torch

from otopt.nn import MMOTLoss, StratifiedBatchSampler

from ._groups import FairnessWarning

__all__ = ["Penalty", "Schedule", "train", "without_level"]


class Penalty:
    """Differences between groups of a batch, overall or within each class.

    Parameters
    ----------
    given : tuple of int or None
        Classes within which groups are compared; (None,) compares them overall.
    codes : list of ndarray of int, shape (d,)
        For each of `given` the number of each group among those that take part, -1 for the others.
    shares : list of ndarray or None
        For each of `given` the weights of the groups that take part; None for equal ones.
    squash : callable
        From the network's output, and what its rows count for in the loss of the task (None:
        equally), to scores.
    cost, memory, slack
        As for `otopt.nn.MMOTLoss`.
    """

    def __init__(self, given, codes, shares, squash, cost, memory, slack):
        self.given, self.squash = given, squash
        self.codes = [torch.as_tensor(code) for code in codes]
        self.losses = [
            MMOTLoss(
                cost, groups=int(code.max()) + 1, weights=share, memory=memory, slack=slack,
                distributed=False,
            )
            for code, share in zip(codes, shares, strict=True)
        ]  # fmt: skip

    def __call__(self, output, y, number, weight, importance):
        """Mean over the classes in `given`."""
        scores = self.squash(output, importance)
        total = scores.new_zeros(())
        for c, codes, loss in zip(self.given, self.codes, self.losses, strict=True):
            code = codes[number]
            rows = None if c is None else y == c
            if codes.min() < 0:
                rows = code >= 0 if rows is None else rows & (code >= 0)
            if rows is None:
                total = total + loss(scores, code, weight)
            elif rows.any():
                part = None if weight is None else weight[rows]
                total = total + loss(scores[rows], code[rows], part)
        return total / len(self.given)


def without_level(output, importance):
    """The output, without a gradient for a shift that all of it shares.

    Probabilities near 0 or 1 differ less, so a penalty on their differences can gain by lowering
    (or raising) those of all groups together. That costs accuracy and is not what was asked for.
    The level is left to the loss of the task, whose rows count by `importance` (None: equally).
    """
    level = output.mean() if importance is None else (importance * output).sum() / importance.sum()
    return output - level + level.detach()


@dataclass(frozen=True)
class Schedule:
    """How to learn: steps, first step size (falling to zero along a cosine), batches."""

    steps: int
    learning_rate: float
    alpha: float
    batch_size: int | None  # None: all rows in each step
    min_per_group: int  # 0: plain batches


def train(network, X, y, weight, number, task, penalty, lam, schedule, generator):
    """Train in place; the losses of the steps, and whether it ran to its end.

    Parameters
    ----------
    network : torch.nn.Module
    X, y : Tensor, shape (N, p), (N,)
    weight : Tensor, shape (N,), or None
        Of mean one.
    number : Tensor of int, shape (N,)
        Groups.
    task : callable
        (output, y) -> losses (N,).
    penalty : Penalty or None
    lam : float
    schedule : Schedule
    generator : torch.Generator

    Returns
    -------
    losses : list of float
    complete : bool
        False where Ctrl-C cut it short: the network is as it was then.
    """
    matrices = [p for p in network.parameters() if p.ndim == 2]
    learned = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learned, lr=schedule.learning_rate, fused=True)
    losses = []
    try:
        for step, (rows, share) in enumerate(_batches(y, number, penalty, schedule, generator)):
            for group in optimiser.param_groups:
                turn = math.pi * step / schedule.steps
                group["lr"] = schedule.learning_rate * (1 + math.cos(turn)) / 2
            batch = X if rows is None else X[rows]
            target = y if rows is None else y[rows]
            mass = weight if rows is None or weight is None else weight[rows]
            importance = mass if share is None else share if mass is None else mass * share
            output = network(batch)[:, 0]
            each = task(output, target)
            loss = each.mean() if importance is None else (importance * each).mean()
            loss = loss + schedule.alpha / 2 * sum((W**2).sum() for W in matrices)
            if penalty is not None and lam > 0:
                groups = number if rows is None else number[rows]
                loss = loss + lam * penalty(output, target, groups, mass, importance)
            losses.append(loss.item())
            if not math.isfinite(losses[-1]):
                message = (
                    f"fit: the loss became {losses[-1]} in step {step + 1}; look for extreme "
                    f"values in X, or lower learning_rate from {schedule.learning_rate:g}."
                )
                raise FloatingPointError(message)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    except KeyboardInterrupt:
        message = f"fit: stopped after {len(losses)} of {schedule.steps} steps; the model is kept."
        warnings.warn(message, FairnessWarning, stacklevel=4)
        return losses, False
    return losses, True


def _batches(y, number, penalty, schedule, generator):
    """Rows of each step and what they count for in the loss of the task (None: all, equally)."""
    if schedule.batch_size is None:
        for _ in range(schedule.steps):
            yield None, None
        return
    count, done = len(y), 0
    sampler = None
    if schedule.min_per_group and penalty is not None:
        strata = number.numpy()
        if penalty.given != (None,):
            strata = 2 * strata + (y.numpy() > 0)
        sampler = StratifiedBatchSampler(
            strata, schedule.batch_size, min_per_group=schedule.min_per_group, generator=generator
        )
        shares = sampler.weights.to(y.dtype)
    while True:
        if sampler is None:
            order = torch.randperm(count, generator=generator)
            epoch = [c for c in order.split(schedule.batch_size) if len(c) == schedule.batch_size]
        else:
            epoch = (torch.as_tensor(np.array(rows)) for rows in sampler)
        for rows in epoch:
            yield rows, None if sampler is None else shares[rows]
            done += 1
            if done == schedule.steps:
                return
