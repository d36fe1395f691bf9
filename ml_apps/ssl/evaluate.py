"""What features are good for: neighbours, a linear probe, and a probe with few labels."""

from typing import NamedTuple

import torch
from torch.nn import functional as F

__all__ = [
    "Accuracies", "crossed_interval", "draw_labels", "few_labels", "knn", "linear_probe",
    "logistic", "t_interval", "tuned_probe",
]  # fmt: skip


def knn(train, train_labels, test, test_labels, *, k=20, temperature=0.07):
    """Accuracy of a vote of the k most similar images, weighted by ``exp(cosine / T)``.

    Parameters
    ----------
    train : Tensor, shape (n, d)
    train_labels : Tensor of int, shape (n,)
    test : Tensor, shape (m, d)
    test_labels : Tensor of int, shape (m,)
    k : int
    temperature : float

    Returns
    -------
    float
    """
    train, test = F.normalize(train, dim=1), F.normalize(test, dim=1)
    classes = int(train_labels.max()) + 1
    right = 0
    for x, y in zip(test.split(1024), test_labels.split(1024), strict=True):
        similarity, place = (x @ train.T).topk(min(k, len(train)), dim=1)
        votes = torch.zeros(len(x), classes, dtype=x.dtype, device=x.device)
        votes.scatter_add_(1, train_labels[place], torch.exp((similarity - 1) / temperature))
        right += int((votes.argmax(dim=1) == y).sum())
    return right / len(test)


def linear_probe(train, train_labels, test, test_labels, *, l2=1e-3, maxiter=200):
    """Accuracy of multinomial logistic regression on standardised features.

    Parameters
    ----------
    train : Tensor, shape (n, d)
    train_labels : Tensor of int, shape (n,)
    test : Tensor, shape (m, d)
    test_labels : Tensor of int, shape (m,)
    l2 : float
        Weight of half the squared norm of the weights; the loss is a mean.
    maxiter : int
        Of L-BFGS.

    Returns
    -------
    float
    """
    mean, std = train.mean(dim=0), train.std(dim=0).clamp_min(1e-6)
    train, test = ((x - mean) / std for x in (train, test))
    classes = int(max(train_labels.max(), test_labels.max())) + 1
    weight, bias = logistic(train, train_labels, classes, l2=l2, maxiter=maxiter)
    return float(((test @ weight.T + bias).argmax(1) == test_labels).double().mean())


def logistic(x, labels, classes, *, l2=1e-3, maxiter=200):
    """Multinomial logistic regression by L-BFGS.

    Parameters
    ----------
    x : Tensor, shape (n, d)
    labels : Tensor of int, shape (n,)
        In 0..classes - 1.
    classes : int
    l2 : float
        Weight of half the squared norm of the weights; the loss is a mean.
    maxiter : int

    Returns
    -------
    weight : Tensor, shape (classes, d)
    bias : Tensor, shape (classes,)
    """
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device)
    bias = torch.zeros(classes, dtype=x.dtype, device=x.device)
    parameters = [weight.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.LBFGS(parameters, max_iter=maxiter, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(x @ weight.T + bias, labels)
        loss = loss + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return weight.detach(), bias.detach()


class Accuracies(NamedTuple):
    """Accuracies over draws of labels, or over tasks.

    Attributes
    ----------
    mean, half_width : float
        Of the 95 % interval over the draws. It knows nothing of other seeds of the training.
    accuracies : list of float
    """

    mean: float
    half_width: float
    accuracies: list


def few_labels(train, train_labels, test, test_labels, *, per_class=5, draws=10, seed=0, l2=1e-2):
    """Linear probes with `per_class` labels a class, over draws of these labels.

    Parameters
    ----------
    train : Tensor, shape (n, d)
    train_labels : Tensor of int, shape (n,)
    test : Tensor, shape (m, d)
    test_labels : Tensor of int, shape (m,)
    per_class, draws : int
    seed : int
        The same seed draws the same labels, so that encoders can be compared in pairs.
    l2 : float
        As in `linear_probe`.

    Returns
    -------
    Accuracies

    Raises
    ------
    ValueError
        If a class has fewer than `per_class` images.
    """
    generator = torch.Generator().manual_seed(seed)
    accuracies = []
    for _ in range(draws):
        chosen = draw_labels(train_labels, per_class, generator=generator)
        accuracies.append(
            linear_probe(train[chosen], train_labels[chosen], test, test_labels, l2=l2)
        )
    return Accuracies(*t_interval(accuracies), accuracies)


def draw_labels(labels, per_class, *, generator):
    """Places of `per_class` images of every class.

    Parameters
    ----------
    labels : Tensor of int, shape (n,)
    per_class : int
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    Tensor of int64, shape (classes * per_class,)

    Raises
    ------
    ValueError
        If a class has fewer than `per_class` images.
    """
    groups = [(labels == c).nonzero()[:, 0] for c in labels.unique()]
    if min(map(len, groups)) < per_class:
        raise ValueError(
            f"draw_labels: every class needs per_class = {per_class} images; the smallest has "
            f"{min(map(len, groups))}"
        )
    return torch.cat(
        [g[torch.randperm(len(g), generator=generator)[:per_class].to(g.device)] for g in groups]
    )


def tuned_probe(train, train_labels, validation, validation_labels, test, test_labels, *, l2s):
    """`linear_probe` with the l2 that is best on validation images; the largest of equals.

    Parameters
    ----------
    train, validation, test : Tensor, shape (n, d), (m, d), (l, d)
    train_labels, validation_labels, test_labels : Tensor of int, shape (n,), (m,), (l,)
    l2s : sequence of float

    Returns
    -------
    float
        Accuracy on the test images.
    """
    l2s = sorted(l2s, reverse=True)
    found = [linear_probe(train, train_labels, validation, validation_labels, l2=l2) for l2 in l2s]
    best = l2s[found.index(max(found))]
    return linear_probe(train, train_labels, test, test_labels, l2=best)


def crossed_interval(table):
    """Mean of a table, and half the width of its 95 % interval over both rows and columns.

    Parameters
    ----------
    table : sequence of sequence of float, shape (r, c)
        Crossed: row i is one seed of training, column j one draw of labels, say.

    Returns
    -------
    tuple of float
        The half width is that of independent variations of rows and columns, with Satterthwaite's
        degrees of freedom; what is left varies with both, and is counted twice, on the safe side.
        It is infinite with a single row or column.
    """
    x = torch.as_tensor(table, dtype=torch.float64)
    if min(x.shape) < 2:
        return float(x.mean()), float("inf")
    from scipy.stats import t

    parts = [(float(x.mean(dim=1 - i).var()) / n, n - 1) for i, n in enumerate(x.shape)]
    variance = sum(v for v, _ in parts)
    if variance == 0:
        return float(x.mean()), 0.0
    freedom = variance**2 / sum(v**2 / f for v, f in parts)
    return float(x.mean()), float(t.ppf(0.975, freedom)) * variance**0.5


def t_interval(values):
    """Mean, and half the width of its 95 % confidence interval by Student's t.

    Parameters
    ----------
    values : sequence of float

    Returns
    -------
    tuple of float
        The half width of a single value is infinite.
    """
    x = torch.tensor(values, dtype=torch.float64)
    if len(x) < 2:
        return float(x.mean()), float("inf")
    from scipy.stats import t

    return float(x.mean()), float(t.ppf(0.975, len(x) - 1) * x.std() / len(x) ** 0.5)
