"""Batches of scores as events: a place, a group, a mass."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.distributed as dist

from otopt._backend import check_dense
from otopt._core.validation import as_floats
from otopt.ot._groups import as_labels

__all__ = [
    "Events",
    "gather",
    "joins_processes",
    "read_events",
    "read_scores",
    "scale_gradient",
    "soft_histogram",
]

MANY = 1 << 20  # labels without `groups` are counted in an array of that length at most


class Events(NamedTuple):
    """Masses at places, each of one group: a batch of scores without its shape.

    places (E,) or (E, C); group (E,), numbers from 0; mass (E,), or None for ones.
    """

    places: torch.Tensor
    group: torch.Tensor
    mass: torch.Tensor | None

    def masses(self):
        """Mass (E,), ones where they are not stored."""
        return self.places.new_ones(len(self.group)) if self.mass is None else self.mass


def read_scores(name, scores):
    """Scores (N,) or (N, C) as float32 or float64."""
    if not (isinstance(scores, torch.Tensor) and scores.is_floating_point()):
        kind = getattr(scores, "dtype", type(scores).__name__)
        message = f"{name}: `scores` must be a tensor of floats; got {kind}."
        raise TypeError(message)
    if scores.ndim not in (1, 2):
        shape = tuple(scores.shape)
        message = f"{name}: `scores` must have shape (N,) or (N, C); got {shape}."
        raise ValueError(message)
    if scores.ndim == 2 and scores.shape[1] == 0:
        message = (
            f"{name}: `scores` must have at least one column; got shape {tuple(scores.shape)}."
        )
        raise ValueError(message)
    check_dense(name, "scores", scores)
    return scores if scores.dtype in (torch.float32, torch.float64) else scores.float()


def read_events(name, scores, groups, sample_weight, labels):
    """Check and cast a batch; `labels` are the groups known in advance, or None."""
    N = len(scores)
    group = read_groups(name, groups, N, labels).to(scores.device)
    mass = None
    if sample_weight is not None:
        mass = sample_weight
        if not isinstance(mass, torch.Tensor):
            mass = torch.from_numpy(as_floats(name, "sample_weight", mass))
        check_dense(name, "sample_weight", mass)
        mass = mass.detach().to(scores)
        if mass.shape != (N,) or not ((mass >= 0) & mass.isfinite()).all():
            message = (
                f"{name}: `sample_weight` must hold one finite number >= 0 for each of the {N} "
                f"scores; got shape {tuple(mass.shape)}."
            )
            raise ValueError(message)
    if group.ndim == 1:
        return Events(scores, group, mass)
    shares = group.to(scores.dtype)
    shares = shares if mass is None else shares * mass[:, None]
    sample, column = shares.nonzero(as_tuple=True)
    return Events(scores[sample], column, shares[sample, column])


def read_groups(name, groups, N, labels):
    """Numbers (N,) or shares (N, G) as a tensor."""
    if not isinstance(groups, torch.Tensor):
        array = as_labels(name, groups)
        if array.dtype.kind not in "iufb":
            array = _number(name, array, labels)
        groups = torch.as_tensor(array)
    check_dense(name, "groups", groups)
    count = None if labels is None else len(labels)
    if groups.ndim == 2 and groups.shape[0] == N and groups.shape[1] > 1:
        if not ((groups >= 0) & groups.isfinite()).all():
            message = f"{name}: shares in `groups` must be finite and >= 0; got others."
            raise ValueError(message)
        if count not in (None, groups.shape[1]):
            message = (
                f"{name}: `groups` must have one column for each of the {count} groups; "
                f"got {groups.shape[1]}."
            )
            raise ValueError(message)
        return groups.detach()
    if groups.numel() != N:
        message = (
            f"{name}: `groups` must hold a label for each of the {N} scores, or a row of shares; "
            f"got shape {tuple(groups.shape)}."
        )
        raise ValueError(message)
    groups = groups if groups.ndim == 1 else groups.reshape(N)
    if groups.is_floating_point() and not (groups == groups.round()).all():
        message = f"{name}: labels in `groups` must be integers or strings; got fractions or NaN."
        raise ValueError(message)
    groups = groups.to(torch.int64)
    host = groups.cpu().numpy()  # on the CPU the same memory; NumPy is quicker on small arrays
    if N and not 0 <= host.min() <= host.max() < (MANY if count is None else count):
        top = MANY - 1 if count is None else count - 1
        message = (
            f"{name}: integer labels in `groups` must be 0..{top}; got {host.min()} to "
            f"{host.max()}; map others with torch.unique(..., return_inverse=True)."
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


def joins_processes(name, distributed):
    """Whether the batch is that of all processes; by default, if there are several."""
    has_group = dist.is_available() and dist.is_initialized()
    if distributed and not has_group:
        message = (
            f"{name}: `distributed` needs a process group; got none; call "
            "torch.distributed.init_process_group first."
        )
        raise ValueError(message)
    return distributed or (distributed is None and has_group and dist.get_world_size() > 1)


def gather(events):
    """The events of all processes, in the order of their ranks.

    Only our own places carry a gradient. Every process computes the same loss; since data-parallel
    training averages gradients over processes, ours has to count `world size` times.
    """
    rank, world = dist.get_rank(), dist.get_world_size()
    E = len(events.group)
    sizes = [torch.zeros(1, dtype=torch.int64, device=events.group.device) for _ in range(world)]
    dist.all_gather(sizes, sizes[0].new_full((1,), E))
    counts = [int(size) for size in sizes]

    def together(x):
        padded = x.new_zeros(max(counts), *x.shape[1:])
        padded[:E] = x.detach()
        parts = [torch.empty_like(padded) for _ in range(world)]
        dist.all_gather(parts, padded)
        return [part[:count] for part, count in zip(parts, counts, strict=True)]

    places = together(events.places)
    places[rank] = scale_gradient(events.places, float(world))
    mass = torch.cat(together(events.masses()))  # one process may have masses, another none
    return Events(torch.cat(places), torch.cat(together(events.group)), mass)


def soft_histogram(places, members, ends, bins):
    """Masses (bins, G) of the groups: every place is split between the two bins around it."""
    low, high = ends
    group = torch.as_tensor(members.group, device=places.device)
    mass = members.unit[members.group] if members.mass is None else members.mass
    mass = torch.as_tensor(mass, device=places.device).to(places.dtype)
    t = ((places - low) / (high - low)).clamp(0.0, 1.0) * (bins - 1)
    left = t.detach().floor().clamp(max=bins - 2)
    right_mass = (t - left) * mass
    count = len(members.labels)
    flat = left.long() * count + group
    masses = torch.cat([mass - right_mass, right_mass])
    where = torch.cat([flat, flat + count])
    return masses.new_zeros(bins * count).index_add(0, where, masses).reshape(bins, count)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, outer):  # pyright: ignore[reportIncompatibleMethodOverride]
        return outer * ctx.factor, None


def scale_gradient(x, factor):
    """Return x; its gradient counts `factor` times (a number or a tensor that broadcasts)."""
    return _ScaleGradient.apply(x, factor)
