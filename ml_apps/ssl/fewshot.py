"""Tasks of few shots: n ways, k labelled images each, and the images to be told apart."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ml_apps.ssl import _check
from ml_apps.ssl.evaluate import Accuracies, logistic, t_interval

__all__ = ["Episode", "accuracy", "fewshot_episodes", "linear", "nearest_prototype"]


class Episode(NamedTuple):
    """A task.

    Attributes
    ----------
    support : Tensor, shape (way * shot, ...)
    support_labels : Tensor of int, shape (way * shot,)
        Classes are 0..way - 1 in every task.
    query : Tensor, shape (way * query, ...)
    query_labels : Tensor of int, shape (way * query,)
    """

    support: Tensor
    support_labels: Tensor
    query: Tensor
    query_labels: Tensor


def fewshot_episodes(features, labels, way, shot, query, rng, *, tasks=600):
    """Draw tasks: classes without replacement, then images of each.

    Parameters
    ----------
    features : Tensor, shape (n, ...)
        What an episode is made of, finite: features, or the images themselves.
    labels : Tensor of int, shape (n,)
        >= 0.
    way, shot, query : int
        Classes of a task; images of a class with labels, and to be classified; all >= 1.
    rng : int, numpy.random.Generator or None
        The same seed draws the same tasks whatever the features are, so encoders can be compared
        in pairs.
    tasks : int
        How many.

    Returns
    -------
    iterator of Episode

    Raises
    ------
    ValueError
        Before anything is drawn, if labels are missing, features are not finite, there are fewer
        than `way` classes, or one of them has less than ``shot + query`` images.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.fewshot import fewshot_episodes
    >>> x, y = torch.arange(12.0)[:, None], torch.arange(12) % 3
    >>> episode = next(fewshot_episodes(x, y, way=2, shot=1, query=3, rng=0))
    >>> episode.support.shape, episode.query_labels.tolist()
    (torch.Size([2, 1]), [0, 0, 0, 1, 1, 1])
    """
    name = "fewshot_episodes"
    for key, value in {"way": way, "shot": shot, "query": query, "tasks": tasks}.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"{name}: {key} must be an integer >= 1; got {value!r}")
    _check.labels(name, "labels", labels, len(features))
    _check.finite(name, "features", features)
    classes, sizes = labels.unique(return_counts=True)
    if way > len(classes):
        raise ValueError(
            f"{name}: way must be at most the number of classes, {len(classes)}; got {way}"
        )
    if (small := sizes < shot + query).any():
        raise ValueError(
            f"{name}: every class must hold shot + query = {shot + query} images; got "
            f"{int(sizes.min())} of class {int(classes[sizes.argmin()])} ({int(small.sum())} of "
            f"{len(classes)} classes are too small); lower query, or leave these classes out"
        )
    groups = [(labels == c).nonzero()[:, 0].cpu().numpy() for c in classes]
    return _draw(features, groups, way, shot, query, np.random.default_rng(rng), tasks)


def _draw(features, groups, way, shot, query, rng, tasks):
    device = features.device
    support_labels, query_labels = (
        torch.arange(way, device=device).repeat_interleave(k) for k in (shot, query)
    )
    for _ in range(tasks):
        chosen = rng.choice(len(groups), way, replace=False)
        drawn = np.stack([rng.choice(groups[c], shot + query, replace=False) for c in chosen])
        places = torch.as_tensor(drawn, device=device)
        support, asked = places[:, :shot].ravel(), places[:, shot:].ravel()
        yield Episode(features[support], support_labels, features[asked], query_labels)


def nearest_prototype(support, support_labels, query):
    """Class of the most similar mean of normalised shots.

    Parameters
    ----------
    support : Tensor, shape (s, d)
    support_labels : Tensor of int, shape (s,)
        All of 0..way - 1.
    query : Tensor, shape (q, d)
        Rows of both are normalised here.

    Returns
    -------
    Tensor of int, shape (q,)

    References
    ----------
    J. Snell, K. Swersky, R. Zemel, Prototypical Networks for Few-shot Learning, NeurIPS 2017,
    arXiv:1703.05175; with cosines in place of distances.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.fewshot import nearest_prototype
    >>> query = torch.tensor([[1.0, 3.0], [2.0, 1.0]])
    >>> nearest_prototype(torch.eye(2), torch.tensor([0, 1]), query)
    tensor([1, 0])
    """
    membership = F.one_hot(support_labels).to(support.dtype)
    prototypes = F.normalize(membership.T @ F.normalize(support.flatten(1), dim=1), dim=1)
    return (F.normalize(query.flatten(1), dim=1) @ prototypes.T).argmax(dim=1)


def linear(support, support_labels, query, *, l2=1e-3):
    """Class by logistic regression on the shots, rows normalised.

    Parameters
    ----------
    support : Tensor, shape (s, d)
    support_labels : Tensor of int, shape (s,)
        All of 0..way - 1.
    query : Tensor, shape (q, d)
    l2 : float
        Weight of half the squared norm of the weights.

    Returns
    -------
    Tensor of int, shape (q,)

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.fewshot import linear
    >>> query = torch.tensor([[1.0, 3.0], [2.0, 1.0]])
    >>> linear(torch.eye(2), torch.tensor([0, 1]), query)
    tensor([1, 0])
    """
    way = int(support_labels.max()) + 1
    weight, bias = logistic(F.normalize(support, dim=1), support_labels, way, l2=l2)
    return (F.normalize(query, dim=1) @ weight.T + bias).argmax(dim=1)


def accuracy(episodes, classify=nearest_prototype):
    """Share of the queries that are given to their class, over tasks.

    Parameters
    ----------
    episodes : iterable of Episode
    classify : callable
        ``classify(support, support_labels, query)`` returns a class for every query.

    Returns
    -------
    Accuracies

    Raises
    ------
    ValueError
        If there is no episode.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.fewshot import accuracy, fewshot_episodes
    >>> y = torch.arange(40) % 4
    >>> accuracy(fewshot_episodes(torch.eye(4)[y], y, 3, 1, 5, 0, tasks=10)).mean
    1.0
    """
    accuracies = []
    for e in episodes:
        found = classify(e.support, e.support_labels, e.query)
        accuracies.append(float((found == e.query_labels).double().mean()))
    if not accuracies:
        raise ValueError("accuracy: there must be at least one episode; got none")
    return Accuracies(*t_interval(accuracies), accuracies)
