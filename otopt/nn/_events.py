"""Batches of scores as events: a place, a group, a mass, and what its gradient is worth."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist

__all__ = ["Batch", "gather", "read_labels", "scale_gradient"]


class Batch(NamedTuple):
    """Scores (N, C) with groups, either a number (N,) or shares (N, G), and weights (N,) or None."""

    scores: torch.Tensor
    groups: torch.Tensor
    weight: torch.Tensor | None

    def shares(self, count):
        """Masses (N, count) of every sample in every group."""
        if self.groups.ndim == 2:
            shares = self.groups.to(self.scores.dtype)
        else:
            shares = torch.nn.functional.one_hot(self.groups, count).to(self.scores.dtype)
        return shares if self.weight is None else shares * self.weight[:, None]


def read_labels(name, groups, N, labels, device):
    """Numbers (N,) or shares (N, G) as a tensor; `labels` are those known in advance, or None."""
    if not isinstance(groups, torch.Tensor):
        array = np.asarray(groups)
        if array.dtype.kind not in "iufb":
            array = _number(name, array, labels)
        groups = torch.as_tensor(array)
    if groups.ndim == 2 and groups.shape[0] == N and groups.shape[1] > 1:
        if not (groups >= 0).all() or not torch.isfinite(groups).all():
            message = f"{name}: shares in `groups` must be finite and >= 0; got others."
            raise ValueError(message)
        if labels is not None and len(labels) != groups.shape[1]:
            message = (
                f"{name}: `groups` must have one column for each of the {len(labels)} groups; "
                f"got {groups.shape[1]}."
            )
            raise ValueError(message)
        return groups.to(device)
    if groups.numel() != N:
        message = (
            f"{name}: `groups` must hold a label for each of the {N} scores, or a row of shares; "
            f"got shape {tuple(groups.shape)}."
        )
        raise ValueError(message)
    groups = groups.reshape(N)
    if groups.is_floating_point() and not (groups == groups.round()).all():
        message = f"{name}: labels in `groups` must be integers or strings; got fractions or NaN."
        raise ValueError(message)
    groups = groups.to(device=device, dtype=torch.int64)
    count = None if labels is None else len(labels)
    if N and (groups.min() < 0 or (count is not None and groups.max() >= count)):
        top = "" if count is None else f"..{count - 1}"
        message = (
            f"{name}: integer labels in `groups` must be 0{top}; got {int(groups.min())} to "
            f"{int(groups.max())}; map others with torch.unique(..., return_inverse=True)."
        )
        raise ValueError(message)
    return groups


def _number(name, array, labels):
    if any(label is None or label != label for label in array.ravel()):
        message = (
            f"{name}: `groups` must not have missing labels; got NaN or None; "
            "drop those samples or give them a label of their own."
        )
        raise ValueError(message)
    if labels is None:
        return np.unique(array, return_inverse=True)[1]
    number = {label: k for k, label in enumerate(labels)}
    unknown = sorted({str(label) for label in array.ravel()} - {str(label) for label in number})
    if unknown:
        message = f"{name}: labels in `groups` must be among {list(labels)}; got {unknown}."
        raise ValueError(message)
    return np.array([number[label] for label in array.ravel()])


def gather(batch):
    """The batch of all processes, in the order of their ranks, and the slice that is ours.

    Only our own scores carry a gradient. Every process computes the same loss; since data-parallel
    training averages gradients over processes, ours has to count `world size` times.
    """
    rank, world = dist.get_rank(), dist.get_world_size()
    N = len(batch.scores)
    sizes = [torch.zeros(1, dtype=torch.int64, device=batch.scores.device) for _ in range(world)]
    dist.all_gather(sizes, sizes[0].new_full((1,), N))
    counts = [int(size) for size in sizes]

    def together(x):
        padded = x.new_zeros(max(counts), *x.shape[1:])
        padded[:N] = x.detach()
        parts = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(parts, padded)
        return [part[:count] for part, count in zip(parts, counts, strict=True)]

    scores = together(batch.scores)
    scores[rank] = scale_gradient(batch.scores, float(world))
    weight = None if batch.weight is None else torch.cat(together(batch.weight))
    return Batch(torch.cat(scores), torch.cat(together(batch.groups)), weight)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, outer):
        return outer * ctx.factor, None


def scale_gradient(x, factor):
    """Return x; its gradient counts `factor` times (a number or a tensor shaped as x)."""
    return _ScaleGradient.apply(x, factor)
