r"""A data model with a known answer: what pre-training on many tasks keeps, and how strongly.

Inputs are ``x = Q z`` with Q orthogonal and independent Gaussian factors z: some that every task
shares, some private to each task, some spurious. Two views of an input of task t agree in the
shared and in t's private factors; all others are drawn anew. Labels of t depend on the former
alone. A task that is one of k in the mixture has its private factors in common between views with
frequency 1/k, so linear contrastive learning keeps them with weight ``1 / sqrt(k)``.

The idea is that of Shi et al. (2023), arXiv:2303.00106; this Gaussian model is ours.
"""

import torch

from ml_apps.ssl._check import views

__all__ = [
    "HiddenFactors",
    "factor_weights",
    "linear_contrastive_loss",
    "representation",
    "ridge_probe",
    "sample_complexity",
]

PENALTIES = tuple(10.0 ** (e / 2) for e in range(6, -9, -1))  # strongest first


class HiddenFactors:
    """Tasks that share some factors and need some of their own.

    Parameters
    ----------
    shared, private : int
        Factors that all tasks need, and that one task needs; >= 1.
    tasks : int
        Tasks, >= 1.
    spurious : int
        Factors that no task needs, >= 0.
    nuisance : float
        Standard deviation that the private factors of other tasks have in the inputs of a task,
        >= 0. At 0, tasks do not see each other's factors, and a tuned probe hardly notices how
        many tasks were pre-trained on.
    seed : int
        Of Q.

    Attributes
    ----------
    dim : int
        Factors in all, and the dimension of the inputs.
    Q : Tensor of float64, shape (dim, dim)
        Orthogonal. Factors come in the order shared, private of each task, spurious.

    Raises
    ------
    ValueError
        If a number is out of range.

    References
    ----------
    Z. Shi et al., The Trade-off between Universality and Label Efficiency of Representations from
    Contrastive Learning, ICLR 2023, arXiv:2303.00106.

    Examples
    --------
    >>> from ml_apps.ssl.hidden_factors import HiddenFactors, factor_weights, representation
    >>> model = HiddenFactors(shared=1, private=1, tasks=4, spurious=1)
    >>> W = representation(model.cross_covariance(range(4)), rank=5)
    >>> [round(w, 3) for w in factor_weights(W, model).tolist()]
    [1.0, 0.5, 0.5, 0.5, 0.5, 0.0]
    """

    def __init__(self, shared=4, private=6, tasks=8, spurious=10, *, nuisance=1.0, seed=0):
        for name, value, least in (
            ("shared", shared, 1), ("private", private, 1), ("tasks", tasks, 1),
            ("spurious", spurious, 0),
        ):  # fmt: skip
            if not isinstance(value, int) or value < least:
                raise ValueError(
                    f"HiddenFactors: {name} must be an integer >= {least}; got {value!r}"
                )
        if not 0 <= nuisance < float("inf"):
            raise ValueError(
                f"HiddenFactors: nuisance must be a finite number >= 0; got {nuisance!r}; it is a "
                "standard deviation"
            )
        self.shared, self.private, self.tasks, self.nuisance = shared, private, tasks, nuisance
        self.dim = shared + private * tasks + spurious
        g = torch.Generator().manual_seed(seed)
        normal = torch.randn(self.dim, self.dim, generator=g, dtype=torch.float64)
        self.Q = torch.linalg.qr(normal).Q

    def needed(self, task):
        """Which factors the labels of a task depend on, and two of its views agree in.

        Parameters
        ----------
        task : int

        Returns
        -------
        Tensor of bool, shape (dim,)

        Raises
        ------
        ValueError
            If there is no such task.
        """
        if task not in range(self.tasks):
            raise ValueError(
                f"HiddenFactors: task must be one of 0, ..., {self.tasks - 1}; got {task!r}"
            )
        out = torch.zeros(self.dim, dtype=torch.bool)
        out[: self.shared] = True
        start = self.shared + task * self.private
        out[start : start + self.private] = True
        return out

    def _scale(self, task):
        scale = torch.ones(self.dim, dtype=torch.float64)
        scale[self.shared : self.shared + self.tasks * self.private] = self.nuisance
        scale[self.needed(task)] = 1.0
        return scale

    def pairs(self, tasks, n, *, generator):
        """Two views of unlabelled inputs, in equal shares from each of the tasks.

        Parameters
        ----------
        tasks : sequence of int
        n : int
            Inputs; the first ``n % len(tasks)`` tasks give one more.
        generator : torch.Generator

        Returns
        -------
        x_a, x_b : Tensor of float64, shape (n, dim)
        """
        order = torch.arange(n) % len(tasks)
        needed = torch.stack([self.needed(t) for t in tasks])[order]
        scale = torch.stack([self._scale(t) for t in tasks])[order]
        z_a, other = self._factors(n, generator) * scale, self._factors(n, generator) * scale
        return z_a @ self.Q.T, torch.where(needed, z_a, other) @ self.Q.T

    def labelled(self, task, n, direction, *, generator):
        """Inputs of a task, and on which side of a hyperplane of its factors they lie.

        Parameters
        ----------
        task : int
        n : int
        direction : Tensor, shape (shared + private,)
            Normal of the hyperplane, in the factors that the task needs.
        generator : torch.Generator

        Returns
        -------
        x : Tensor of float64, shape (n, dim)
        y : Tensor of float64, shape (n,)
            -1 or 1.
        """
        z = self._factors(n, generator) * self._scale(task)
        y = torch.where(z[:, self.needed(task)] @ direction >= 0, 1.0, -1.0).to(z)
        return z @ self.Q.T, y

    def _factors(self, n, generator):
        return torch.randn(n, self.dim, generator=generator, dtype=torch.float64)

    def cross_covariance(self, tasks, n=None, *, generator=None, chunk=20_000):
        """Covariance of the two views of a mixture of tasks, symmetrised.

        Parameters
        ----------
        tasks : sequence of int
        n : int, optional
            Pairs that it is estimated from, `chunk` at a time; the exact one by default.
        generator : torch.Generator, optional
            Needed with `n`.
        chunk : int

        Returns
        -------
        Tensor of float64, shape (dim, dim)
        """
        if n is None:
            share = torch.stack([self.needed(t) for t in tasks]).double().mean(dim=0)
            return (self.Q * share) @ self.Q.T
        C, sums = torch.zeros_like(self.Q), torch.zeros(2, self.dim, dtype=torch.float64)
        for start in range(0, n, chunk):
            both = self.pairs(tasks, min(chunk, n - start), generator=generator)
            C += both[0].T @ both[1]
            sums += torch.stack([x.sum(dim=0) for x in both])
        C = (C - torch.outer(*sums) / n) / (n - 1)
        return (C + C.T) / 2

    def rank(self, tasks):
        """Factors that at least one of the tasks needs.

        Parameters
        ----------
        tasks : sequence of int

        Returns
        -------
        int
        """
        return self.shared + self.private * len(set(tasks))


def linear_contrastive_loss(W, x_a, x_b):
    r"""Contrastive loss with a linear loss function, of linear features.

    .. math::
        -\frac1n \sum_i f(a_i)^\top f(b_i) + \frac{1}{n(n-1)} \sum_{i \ne j} f(a_i)^\top f(b_j)
        + \frac12 \|W W^\top\|_F^2, \qquad f(x) = W x

    Its first two terms are minus the trace of ``W C W^T``, with C the sample covariance of the two
    views; the last keeps W finite. The minimum is `representation` of C.

    Parameters
    ----------
    W : Tensor, shape (r, d)
    x_a, x_b : Tensor, shape (n, d)
        Two views; n >= 2.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the views are not two floating-point matrices of one shape.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.hidden_factors import linear_contrastive_loss
    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> linear_contrastive_loss(torch.zeros(1, 2), x, x).item()  # no features, no loss
    0.0
    """
    views("linear_contrastive_loss", x_a, x_b)
    n = len(x_a)
    f_a, f_b = (x - x.mean(dim=0) for x in (x_a @ W.T, x_b @ W.T))
    return -(f_a * f_b).sum() / (n - 1) + (W @ W.T).square().sum() / 2


def representation(C, rank):
    """Principal components of a cross-view covariance, each times the root of its eigenvalue.

    That is the minimum of `linear_contrastive_loss`, up to a rotation of the features.

    Parameters
    ----------
    C : Tensor, shape (d, d)
        Symmetric. For a sum of losses, the sum of their covariances.
    rank : int
        Features, in [1, d]; those with negative eigenvalues are 0.

    Returns
    -------
    Tensor, shape (rank, d)

    Raises
    ------
    ValueError
        If `rank` is out of range or C holds NaN.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.hidden_factors import representation
    >>> representation(torch.diag(torch.tensor([4.0, 1.0])), 1).abs()
    tensor([[2., 0.]])
    """
    if not 1 <= rank <= len(C):
        raise ValueError(f"representation: rank must be in [1, {len(C)}]; got {rank!r}")
    if not torch.isfinite(C).all():
        raise ValueError("representation: C must be finite; got NaN or infinity")
    values, vectors = torch.linalg.eigh(C)
    return values[-rank:].clamp_min(0).sqrt()[:, None] * vectors[:, -rank:].T


def factor_weights(W, model):
    """How strongly each factor appears in the features ``W x``.

    Parameters
    ----------
    W : Tensor, shape (r, dim)
    model : HiddenFactors

    Returns
    -------
    Tensor, shape (dim,)
        Norm of the change of the features by one unit of a factor.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.hidden_factors import HiddenFactors, factor_weights
    >>> model = HiddenFactors(shared=1, private=1, tasks=1, spurious=1)
    >>> factor_weights(3 * torch.eye(model.dim, dtype=torch.float64), model)  # a multiple of x
    tensor([3.0000, 3.0000, 3.0000], dtype=torch.float64)
    """
    return torch.linalg.vector_norm(W @ model.Q, dim=0)


def ridge_probe(train, y, validation, y_validation, test, y_test, *, penalties=PENALTIES):
    """Accuracy of ridge regression on labels -1 and 1, with the penalty that validates best.

    Parameters
    ----------
    train, validation, test : Tensor, shape (n, d), (m, d), (l, d)
    y, y_validation, y_test : Tensor, shape (n,), (m,), (l,)
    penalties : sequence of float
        Of the squared norm beside the mean squared error; the first of equals is taken.

    Returns
    -------
    float

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.hidden_factors import ridge_probe
    >>> x = torch.tensor([[-1.0], [1.0], [-2.0], [2.0]])
    >>> ridge_probe(x, x[:, 0].sign(), x, x[:, 0].sign(), x, x[:, 0].sign())
    1.0
    """
    values, vectors = torch.linalg.eigh(train.T @ train / len(train))
    slope = vectors.T @ (train.T @ y) / len(train)
    grid = torch.as_tensor(penalties, dtype=train.dtype)
    w = vectors @ (slope[:, None] / (values.clamp_min(0)[:, None] + grid))
    right = ((validation @ w >= 0) == (y_validation > 0)[:, None]).double().mean(dim=0)
    best = w[:, right.argmax()]
    return float(((test @ best >= 0) == (y_test > 0)).double().mean())


def sample_complexity(
    model, representations, task, labels, *, repetitions, generator, validation=500, test=1000
):
    """Accuracies of tuned probes by the number of labels, on the same draws for all.

    Parameters
    ----------
    model : HiddenFactors
    representations : dict of str to Tensor, shape (r, dim)
    task : int
    labels : sequence of int
        Numbers of labels; the smaller sets are parts of the larger ones.
    repetitions : int
        Draws of a hyperplane and of all inputs.
    generator : torch.Generator
    validation, test : int
        Further labelled inputs, that choose the penalty and measure the accuracy. So many
        validation labels give every representation about its best penalty.

    Returns
    -------
    dict of str to Tensor of float64, shape (repetitions, len(labels))

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.hidden_factors import HiddenFactors, sample_complexity
    >>> model = HiddenFactors(shared=1, private=1, tasks=1, spurious=1)
    >>> features = {"all": torch.eye(model.dim, dtype=torch.float64)}
    >>> g = torch.Generator().manual_seed(0)
    >>> sample_complexity(model, features, 0, [10, 100], repetitions=3, generator=g)["all"].shape
    torch.Size([3, 2])
    """
    out = {
        name: torch.empty(repetitions, len(labels), dtype=torch.float64) for name in representations
    }
    for i in range(repetitions):
        direction = torch.randn(
            model.shared + model.private, generator=generator, dtype=torch.float64
        )
        sizes = (max(labels), validation, test)
        x, y = model.labelled(task, sum(sizes), direction, generator=generator)
        (y_train, y_valid, y_test) = y.split(sizes)
        for name, W in representations.items():
            train, valid, tested = (x @ W.T).split(sizes)
            for j, n in enumerate(labels):
                out[name][i, j] = ridge_probe(
                    train[:n], y_train[:n], valid, y_valid, tested, y_test
                )
    return out
