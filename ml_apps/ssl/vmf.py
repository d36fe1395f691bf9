r"""Von Mises-Fisher distributions on the sphere of R^p, in any dimension and at any concentration.

.. math:: f(x) = C_p(\kappa) \exp(\kappa\,\mu^\top x),\qquad
    \log C_p(\kappa) = (p/2 - 1) \log\kappa - (p/2) \log 2\pi - \log I_{p/2-1}(\kappa)

In high dimensions I underflows where it is evaluated as such; here its logarithm is, and kappa = 0
is an ordinary point. Everything is computed in float64 and returned in the dtype of `kappa`.
"""

import math

import torch
from torch.nn import functional as F

from ml_apps.ssl._debye import log_bessel, ratio_over_argument

__all__ = [
    "entropy",
    "kappa_from_resultant",
    "kl",
    "log_density",
    "log_normalizer",
    "mean_resultant",
    "mixture_log_posterior",
    "sample",
]


def log_normalizer(kappa, p):
    """``log C_p(kappa)``, whose derivative is minus the mean resultant.

    Parameters
    ----------
    kappa : Tensor
        Concentrations, >= 0.
    p : int
        Dimension of the space, >= 2.

    Returns
    -------
    Tensor
        Of the shape and dtype of `kappa`.

    Raises
    ------
    ValueError
        If p < 2 or a concentration is negative.

    Notes
    -----
    Six terms of Debye's expansion, and a recurrence below p = 50: exact to 1e-8.

    Examples
    --------
    >>> import math, torch
    >>> from ml_apps.ssl.vmf import log_normalizer
    >>> bool(abs(log_normalizer(torch.tensor(0.0), 3) + math.log(4 * math.pi)) < 1e-6)
    True
    """
    _check("log_normalizer", kappa, p)
    return _log_normalizer(kappa, p)


def _log_normalizer(kappa, p):
    value = -(p / 2) * math.log(2 * math.pi) - log_bessel(p / 2 - 1, kappa.double())
    return value.to(kappa.dtype)


def mean_resultant(kappa, p):
    """``A_p(kappa)``: the mean of ``mu . x``.

    Parameters
    ----------
    kappa : Tensor
        Concentrations, >= 0.
    p : int
        Dimension of the space, >= 2.

    Returns
    -------
    Tensor
        In [0, 1), of the shape and dtype of `kappa`.

    Raises
    ------
    ValueError
        As `log_normalizer`.

    Examples
    --------
    >>> import math, torch
    >>> from ml_apps.ssl.vmf import mean_resultant
    >>> kappa = torch.tensor(2.0)
    >>> bool(abs(mean_resultant(kappa, 3) - (1 / math.tanh(2) - 1 / 2)) < 1e-6)
    True
    """
    _check("mean_resultant", kappa, p)
    k = kappa.double()
    return (k * ratio_over_argument(p / 2 - 1, k)).to(kappa.dtype)


def kappa_from_resultant(resultant, p, *, iterations=25):
    """The concentration whose mean resultant is given: the maximum-likelihood estimate.

    Parameters
    ----------
    resultant : Tensor
        Norms of the mean of unit vectors, in [0, 1).
    p : int
        Dimension of the space, >= 2.
    iterations : int
        Newton steps.

    Returns
    -------
    Tensor
        Of the shape and dtype of `resultant`; differentiable once, implicitly.

    Raises
    ------
    ValueError
        If a norm is not in [0, 1).

    Notes
    -----
    Newton's method from the approximation of Banerjee et al., Clustering on the Unit Hypersphere
    using von Mises-Fisher Distributions, JMLR 6, 2005.
    """
    if not bool(((resultant >= 0) & (resultant < 1)).all()):
        raise ValueError(
            "kappa_from_resultant: resultant must lie in [0, 1); got "
            f"{resultant.min().item():g} to {resultant.max().item():g}; for points all alike no "
            "finite concentration is the best"
        )
    R = resultant.double()
    with torch.no_grad():
        kappa = R * (p - R.square()) / (1 - R.square())
        for _ in range(iterations):
            A, slope = _resultant_and_slope(kappa, p)
            kappa = torch.maximum(kappa - (A - R) / slope, kappa / 8)
        A, slope = _resultant_and_slope(kappa, p)
    # One more step, recorded: its derivative by R is that of the solution.
    return (kappa - (A - R) / slope).to(resultant.dtype)


def _resultant_and_slope(kappa, p):
    ratio = ratio_over_argument(p / 2 - 1, kappa)
    A = kappa * ratio
    # A' = 1 - A^2 - (p - 1) A / kappa; in this form regular at 0.
    return A, 1 - A.square() - (p - 1) * ratio


def log_density(x, mu, kappa):
    """Log-density of unit vectors under one distribution or several.

    Parameters
    ----------
    x : Tensor, shape (n, p)
        Unit vectors.
    mu : Tensor, shape (p,) or (K, p)
        Mean directions, unit vectors.
    kappa : Tensor, shape () or (K,)
        Concentrations, >= 0.

    Returns
    -------
    Tensor, shape (n,) or (n, K)

    Raises
    ------
    ValueError
        As `log_normalizer`.
    """
    return kappa * (x @ mu.T if mu.ndim == 2 else x @ mu) + log_normalizer(kappa, x.shape[-1])


def entropy(kappa, p):
    """Differential entropy ``-log C_p(kappa) - kappa A_p(kappa)``.

    Parameters
    ----------
    kappa : Tensor
        Concentrations, >= 0.
    p : int
        Dimension of the space, >= 2.

    Returns
    -------
    Tensor
        Of the shape and dtype of `kappa`.

    Raises
    ------
    ValueError
        As `log_normalizer`.
    """
    return -log_normalizer(kappa, p) - kappa * mean_resultant(kappa, p)


def kl(mu, kappa, other_mu, other_kappa):
    """Kullback-Leibler divergence of the second distribution from the first.

    ``log C_p(k) - log C_p(k') + A_p(k) (k - k' mu . mu')``.

    Parameters
    ----------
    mu, other_mu : Tensor, shape (..., p)
        Mean directions, unit vectors.
    kappa, other_kappa : Tensor, shape (...)
        Concentrations, >= 0.

    Returns
    -------
    Tensor, shape (...)

    Raises
    ------
    ValueError
        As `log_normalizer`.
    """
    p = mu.shape[-1]
    cosine = (mu * other_mu).sum(dim=-1)
    return (
        log_normalizer(kappa, p)
        - log_normalizer(other_kappa, p)
        + mean_resultant(kappa, p) * (kappa - other_kappa * cosine)
    )


def sample(mu, kappa, *, generator=None):
    """One unit vector for every mean direction, by rejection.

    Parameters
    ----------
    mu : Tensor, shape (n, p)
        Mean directions, unit vectors.
    kappa : Tensor, shape () or (n,)
        Concentrations, >= 0.
    generator : torch.Generator, optional
        Source of randomness, on the device of `mu`.

    Returns
    -------
    Tensor, shape (n, p)
        Without gradient.

    Raises
    ------
    ValueError
        As `log_normalizer`.

    References
    ----------
    A. T. A. Wood, Simulation of the von Mises Fisher distribution, Communications in Statistics 23,
    1994, :doi:`10.1080/03610919408813161`.
    """
    n, p = mu.shape
    _check("sample", kappa, p)
    mu, k = mu.detach(), kappa.detach().double().expand(n)
    b = (p - 1) / (2 * k + torch.sqrt(4 * k.square() + (p - 1) ** 2))
    x0 = (1 - b) / (1 + b)
    c = k * x0 + (p - 1) * torch.log1p(-x0.square())
    cosine = torch.empty(n, dtype=torch.float64, device=mu.device)
    left = torch.arange(n, device=mu.device)
    while len(left):
        g = torch.randn(len(left), p, dtype=torch.float64, device=mu.device, generator=generator)
        z = (1 + F.normalize(g, dim=1)[:, 0]) / 2  # Beta((p - 1) / 2, (p - 1) / 2)
        w = (1 - (1 + b[left]) * z) / (1 - (1 - b[left]) * z)
        u = torch.rand(len(left), dtype=torch.float64, device=mu.device, generator=generator)
        accepted = k[left] * w + (p - 1) * torch.log1p(-x0[left] * w) - c[left] >= u.log()
        cosine[left[accepted]] = w[accepted]
        left = left[~accepted]
    tangent = torch.randn(n, p, dtype=torch.float64, device=mu.device, generator=generator)
    mu64 = mu.double()
    tangent = F.normalize(tangent - (tangent * mu64).sum(dim=1, keepdim=True) * mu64, dim=1)
    sine = torch.sqrt((1 - cosine.square()).clamp_min(0))
    return (cosine[:, None] * mu64 + sine[:, None] * tangent).to(mu.dtype)


def mixture_log_posterior(x, mu, kappa, log_weights=None):
    """Log-probabilities of the components given the points: the E-step of a mixture.

    Parameters
    ----------
    x : Tensor, shape (n, p)
        Unit vectors.
    mu : Tensor, shape (K, p)
        Mean directions, unit vectors.
    kappa : Tensor, shape (K,)
        Concentrations, >= 0.
    log_weights : Tensor, shape (K,), optional
        Equal weights by default.

    Returns
    -------
    Tensor, shape (n, K)

    Raises
    ------
    ValueError
        As `log_normalizer`.
    """
    scores = log_density(x, mu, kappa)
    return torch.log_softmax(scores if log_weights is None else scores + log_weights, dim=1)


def _check(function, kappa, p):
    if not p >= 2:
        raise ValueError(f"{function}: p must be an integer >= 2; got {p!r}")
    if not bool((kappa >= 0).all()):
        raise ValueError(
            f"{function}: kappa must be >= 0; got {kappa.min().item():g}; for a direction with a "
            "negative concentration turn mu around"
        )
