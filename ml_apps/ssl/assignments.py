r"""Pseudo-labels: the items of a queue that are taken to be of an embedding's own class.

- "cosine": the K most similar items. Nothing keeps rows from sharing them.
- "sinkhorn": the K largest entries in a row of the entropic transport plan after a few iterations
  (Jang et al. 2023). Its columns are all to carry the same mass, so that a row is spread over
  M / B items where only K are wanted.
- "bmatch": K items for every row and no item twice, at the largest total similarity, exact and with
  a proof of it: `otopt.bmatch`.
"""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from ml_apps.ssl import _check
from ml_apps.ssl.centering import sinkhorn_posterior

__all__ = ["ASSIGNMENTS", "Overlap", "PseudoLabels", "assign", "overlap"]

ASSIGNMENTS = ("cosine", "sinkhorn", "bmatch")


class PseudoLabels(NamedTuple):
    """Items of a queue for every row.

    Attributes
    ----------
    indices : Tensor of int, shape (B, K)
    certified : bool or None
        Whether they are proven to be the best matching; None where nothing of the kind was asked.
    """

    indices: Tensor
    certified: bool | None


@torch.no_grad()
def assign(similarity, num_shots, assignment="sinkhorn", *, eps=0.05, iterations=3):
    """Choose `num_shots` columns for every row.

    Parameters
    ----------
    similarity : Tensor, shape (B, M)
        Of embeddings and items of the queue, finite.
    num_shots : int
        Columns K of every row, in 1..M; with "bmatch" B K <= M.
    assignment : {"sinkhorn", "bmatch", "cosine"} or callable
        See the module. A callable is called as ``f(similarity, num_shots)`` and returns indices of
        shape (B, K).
    eps : float
        Of "sinkhorn": the entropy's weight, > 0.
    iterations : int
        Of "sinkhorn": rounds of a step by columns and a step by rows, >= 1.

    Returns
    -------
    PseudoLabels

    Raises
    ------
    ValueError
        If the similarities are not a finite matrix, K does not fit, there is no such assignment,
        or a callable returns something else.

    Notes
    -----
    O(iterations B M) for "sinkhorn", in the log domain, on the device of `similarity`. "bmatch"
    runs on the CPU and is copied there and back: a scan of the matrix, and B K shortest paths that
    are short where M is several times B K.

    References
    ----------
    H. Jang, H. Lee, J. Shin, Unsupervised Meta-learning via Few-shot Pseudo-supervised Contrastive
    Learning, ICLR 2023, arXiv:2303.00996.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.assignments import assign
    >>> S = torch.tensor([[0.9, 0.8, 0.1], [0.9, 0.5, 0.2]])
    >>> assign(S, 1, "cosine").indices.ravel().tolist()
    [0, 0]
    >>> assign(S, 1, "bmatch")
    PseudoLabels(indices=tensor([[1],
            [0]]), certified=True)
    """
    if not callable(assignment):
        _check.choice("assign", "assignment", assignment, ASSIGNMENTS)
    _check.positive("assign", eps=eps, iterations=iterations)
    if similarity.ndim != 2:
        raise ValueError(
            f"assign: similarity must have shape (B, M); got {tuple(similarity.shape)}"
        )
    _check.finite("assign", "similarity", similarity)
    n, m = similarity.shape
    shots("assign", num_shots, m)
    if callable(assignment):
        indices = torch.as_tensor(assignment(similarity, num_shots), device=similarity.device)
        return PseudoLabels(_refuse(indices, (n, num_shots), m), None)
    if assignment == "bmatch":
        return _matched(similarity, num_shots)
    if assignment == "sinkhorn":
        similarity = sinkhorn_posterior(similarity / eps, iterations=iterations)
    return PseudoLabels(similarity.topk(num_shots, dim=1).indices, None)


def shots(function, num_shots, items):
    """Refuse a number of shots that is no integer in 1..items."""
    if not isinstance(num_shots, int) or not 1 <= num_shots <= items:
        raise ValueError(
            f"{function}: num_shots must be an integer in 1..{items}, the size of the queue; got "
            f"{num_shots!r}"
        )


def _matched(similarity, num_shots):
    import otopt

    n, m = similarity.shape
    if n * num_shots > m:
        raise ValueError(
            f'assign: with "bmatch" the queue must hold B num_shots = {n * num_shots} items, as '
            f"none is taken twice; got {m}; enlarge the queue, or lower num_shots or the batch"
        )
    found = otopt.bmatch(similarity.cpu(), num_shots)
    if not found.certified:
        warnings.warn(
            f"assign: the matching is not proven to be the best: its value is {found.value}, the "
            f"bound {found.dual_bound}",
            stacklevel=3,
        )
    return PseudoLabels(found.indices.to(similarity.device), found.certified)


def _refuse(indices, shape, items):
    is_integer = indices.dtype in (torch.int64, torch.int32)
    if indices.shape != shape or not is_integer:
        raise ValueError(
            f"assign: assignment must return integers of shape {shape}; got "
            f"{tuple(indices.shape)}, {indices.dtype}"
        )
    if indices.min() < 0 or indices.max() >= items:
        raise ValueError(
            f"assign: assignment must return places in 0..{items - 1}; got "
            f"{indices.min()}..{indices.max()}"
        )
    return indices.long()


class Overlap(NamedTuple):
    """How good pseudo-labels are.

    Attributes
    ----------
    purity : float
        Share of the picks that are of the row's class.
    distinct : int
        Different items among all picks.
    """

    purity: float
    distinct: int


def overlap(indices, labels, item_labels):
    """Compare pseudo-labels with the true ones.

    Parameters
    ----------
    indices : Tensor of int, shape (B, K)
    labels : Tensor of int, shape (B,)
        Of the rows, >= 0.
    item_labels : Tensor of int, shape (M,)
        Of the queue's items, >= 0.

    Returns
    -------
    Overlap

    Raises
    ------
    ValueError
        If labels are missing.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.assignments import overlap
    >>> overlap(torch.tensor([[0], [0]]), torch.tensor([1, 2]), torch.tensor([1, 2, 2]))
    Overlap(purity=0.5, distinct=1)
    """
    _check.labels("overlap", "labels", labels, len(indices))
    items = None if item_labels is None else len(item_labels)
    _check.labels("overlap", "item_labels", item_labels, items)
    right = item_labels[indices] == labels[:, None]
    return Overlap(float(right.double().mean()), len(indices.unique()))
