"""Batches in which no group is missing."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Sampler

from otopt._backend import as_numpy
from otopt._core.validation import as_positive_int
from otopt.ot._groups import as_labels

__all__ = ["StratifiedBatchSampler"]

NAME = "StratifiedBatchSampler"


class StratifiedBatchSampler(Sampler):
    """Batches that hold every group in its share, but never fewer than `min_per_group` of it.

    Parameters
    ----------
    groups : array_like, shape (N,)
        Labels of the samples, none missing.
    batch_size : int
        Samples in a batch, at least `min_per_group` times the number of groups.
    min_per_group : int
        Least number of samples of a group; small groups are gone through several times an epoch.
    generator : torch.Generator, optional
        Source of the shuffling; by default torch's own.

    Attributes
    ----------
    quotas : ndarray of int, shape (d,)
        Samples of each group, by ascending label, in every batch.
    weights : Tensor, shape (N,)
        Share of the sample's group in the data over its share in the batches: weights that make
        the loss of the task that of the data again.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Examples
    --------
    >>> from otopt.nn import StratifiedBatchSampler
    >>> sampler = StratifiedBatchSampler([0] * 90 + [1] * 10, batch_size=20, min_per_group=5)
    >>> sampler.quotas, len(sampler)
    (array([15,  5]), 6)
    """

    def __init__(self, groups, batch_size, *, min_per_group=32, generator=None):
        array = as_labels(NAME, as_numpy(groups))
        if array.ndim != 1 or len(array) == 0:
            message = f"{NAME}: `groups` must be a non-empty vector; got shape {array.shape}."
            raise ValueError(message)
        if any(label is None or label != label for label in array.tolist()):
            message = f"{NAME}: `groups` must not have missing labels; got NaN or None."
            raise ValueError(message)
        batch_size = as_positive_int(NAME, "batch_size", batch_size)
        least = as_positive_int(NAME, "min_per_group", min_per_group)
        if generator is not None and not isinstance(generator, torch.Generator):
            kind = type(generator).__name__
            message = f"{NAME}: `generator` must be a torch.Generator or None; got {kind}."
            raise TypeError(message)
        labels, number = np.unique(array, return_inverse=True)
        if least * len(labels) > batch_size:
            message = (
                f"{NAME}: `batch_size` must be at least min_per_group times the number of groups, "
                f"{least} * {len(labels)}; got {batch_size}; lower min_per_group."
            )
            raise ValueError(message)
        self.members = [torch.as_tensor(np.flatnonzero(number == k)) for k in range(len(labels))]
        counts = np.array([len(m) for m in self.members])
        self.quotas = _quotas(counts, batch_size, least)
        self.generator = generator
        share = (counts / counts.sum()) / (self.quotas / batch_size)
        self.weights = torch.as_tensor(share[number], dtype=torch.get_default_dtype())

    def __len__(self):
        """Batches in an epoch: every sample of every group is seen at least once, or nearly so."""
        counts = np.array([len(m) for m in self.members])
        return int(max(1, np.ceil((counts / self.quotas).max() - 1e-9)))

    def __iter__(self):
        """Yield one list of indices for each batch."""
        streams = [self._stream(members) for members in self.members]
        for _ in range(len(self)):
            yield [
                next(stream)
                for stream, quota in zip(streams, self.quotas, strict=True)
                for _ in range(quota)
            ]

    def _stream(self, members):
        """A group in random order, shuffled anew whenever it is used up."""
        while True:
            yield from members[torch.randperm(len(members), generator=self.generator)].tolist()


def _quotas(counts, batch_size, least):
    """Shares of the data, at least `least`, adding up to the batch size."""
    quotas = np.full(len(counts), least)
    free = batch_size - quotas.sum()
    wish = np.maximum(counts / counts.sum() * batch_size - least, 0.0)
    extra = wish / wish.sum() * free if wish.sum() > 0 else np.full(len(counts), free / len(counts))
    quotas += np.floor(extra).astype(int)
    rest = np.argsort(np.floor(extra) - extra, kind="stable")[: batch_size - quotas.sum()]
    quotas[rest] += 1
    return quotas
