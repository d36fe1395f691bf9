"""Embeddings of the last batches, in a ring."""

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["MomentumQueue"]


class MomentumQueue(nn.Module):
    """The last `size` embeddings; new ones take the places of the oldest.

    Parameters
    ----------
    size, dim : int
        Items and their dimension, >= 1. Batches need not divide the size.
    generator : torch.Generator, optional
        Of the random unit rows that the queue starts with.

    Attributes
    ----------
    items : Tensor, shape (size, dim)
    cursor : Tensor of int, shape ()
        Place of the oldest item. Both are buffers, so a checkpoint holds them.

    Raises
    ------
    ValueError
        If a size is not an integer >= 1.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.queue import MomentumQueue
    >>> queue = MomentumQueue(3, 1)
    >>> queue.enqueue(torch.tensor([[1.0], [2.0]]))
    >>> queue.enqueue(torch.tensor([[3.0], [4.0]]))
    >>> queue.items.ravel().tolist(), queue.cursor.item()
    ([4.0, 2.0, 3.0], 1)
    """

    def __init__(self, size, dim, *, generator=None):
        super().__init__()
        for name, value in (("size", size), ("dim", dim)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"MomentumQueue: {name} must be an integer >= 1; got {value!r}")
        start = F.normalize(torch.randn(size, dim, generator=generator), dim=1)
        self.register_buffer("items", start)
        self.register_buffer("cursor", torch.zeros((), dtype=torch.int64))

    def __len__(self):
        return len(self.items)

    @torch.no_grad()
    def enqueue(self, z):
        """Put a batch in the place of the oldest items, in place.

        Parameters
        ----------
        z : Tensor, shape (n, dim)
            Finite; n is at most the size.

        Raises
        ------
        ValueError
            If the batch does not fit, or is not finite.
        """
        self.refuse(z)
        place = (self.cursor + torch.arange(len(z), device=z.device)) % len(self)
        self.items[place] = z.to(self.items)
        self.cursor.add_(len(z)).remainder_(len(self))

    def refuse(self, z):
        """Raise as `enqueue` does, without touching the queue.

        Parameters
        ----------
        z : Tensor, shape (n, dim)
        """
        if z.ndim != 2 or z.shape[1] != self.items.shape[1]:
            raise ValueError(
                f"MomentumQueue: a batch must have shape (n, {self.items.shape[1]}); got "
                f"{tuple(z.shape)}"
            )
        if len(z) > len(self):
            raise ValueError(
                f"MomentumQueue: the queue must hold at least a batch of {len(z)}; its size is "
                f"{len(self)}; make it larger, or the batch smaller"
            )
        if not (good := z.isfinite().all(dim=1)).all():
            raise ValueError(
                f"MomentumQueue: embeddings must be finite; row {int((~good).nonzero()[0])} is "
                "not; the network diverged, or its input is not finite"
            )
