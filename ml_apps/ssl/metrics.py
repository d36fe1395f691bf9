"""What an embedding is like, without labels."""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from ml_apps.ssl import gegenbauer, terms

__all__ = [
    "UniformityTest",
    "alignment",
    "prototype_utilization",
    "rankme",
    "uniformity",
    "uniformity_test",
]


def alignment(z_a, z_b):
    """Mean squared distance of the two views of an image, on the sphere.

    Parameters
    ----------
    z_a, z_b : Tensor, shape (n, d)
        Normalised here.

    Returns
    -------
    Tensor, shape ()
    """
    return terms.invariance(F.normalize(z_a, dim=1), F.normalize(z_b, dim=1), reduction="sum")


def uniformity(z, *, t=2.0):
    """``log mean_{i != j} exp(-t |z_i - z_j|^2)`` on the sphere; small is uniform.

    Parameters
    ----------
    z : Tensor, shape (n, d)
        Normalised here.
    t : float

    Returns
    -------
    Tensor, shape ()
    """
    return terms.gaussian_potential(F.normalize(z, dim=1), t=t)


class UniformityTest(NamedTuple):
    """A statistic and the probability of a larger one under the uniform distribution.

    Attributes
    ----------
    statistic : float
    pvalue : float
    """

    statistic: float
    pvalue: float


def uniformity_test(z, weights=(1.0, 1.0, 1.0)):
    r"""Test of the uniform distribution on the sphere.

    The statistic is the U-statistic of the kernel ``sum_l w_l P_l``, 0 on average under the uniform
    distribution.

    Parameters
    ----------
    z : Tensor, shape (n, d)
        Independent points, normalised here. Different views of one image are not independent.
    weights : sequence of float
        w_1, w_2, ... >= 0: the orders that are tested; what shows in others only is not seen.

    Returns
    -------
    UniformityTest

    Notes
    -----
    Under the null hypothesis n times the statistic tends to
    ``sum_l w_l / N_l (chi2(N_l) - N_l)`` with N_l the dimension of the harmonics of order l. The
    p-value is that of a shifted gamma distribution (Pearson III) with mean 0, the exact variance
    ``2 n / (n - 1) sum_l w_l^2 / N_l`` and the limit's skewness. One-sided: evenly spread points,
    more regular than chance, do not count against the hypothesis.

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.metrics import uniformity_test
    >>> z = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    >>> uniformity_test(z).pvalue > 0.01, uniformity_test(z + 0.5).pvalue < 1e-6
    (True, True)
    """
    n, d = z.shape
    z = F.normalize(z.detach().double(), dim=1)
    statistic = float(terms.kernel_discrepancy(z, weights, estimator="u"))
    sizes = [gegenbauer.dimension(d, order) for order in range(1, len(weights) + 1)]
    variance = 2 * n / (n - 1) * sum(w**2 / N for w, N in zip(weights, sizes, strict=True))
    third = 8 * sum(w**3 / N**2 for w, N in zip(weights, sizes, strict=True))
    # A gamma variable of shape k and scale s has variance k s^2 and third cumulant 2 k s^3.
    scale = third / (2 * variance)
    shape = variance / scale**2
    x = max(shape + n * statistic / scale, 0.0)
    tail = torch.special.gammaincc(
        torch.tensor(shape, dtype=torch.float64), torch.tensor(x, dtype=torch.float64)
    )
    return UniformityTest(statistic, float(tail))


def rankme(z, *, eps=1e-7):
    """Effective rank: the exponential of the entropy of the normalised singular values.

    Parameters
    ----------
    z : Tensor, shape (n, d)
        As they are, neither centred nor normalised.
    eps : float
        Added to the shares, as published.

    Returns
    -------
    Tensor, shape ()
        From 1 to min(n, d).

    References
    ----------
    Q. Garrido, R. Balestriero, L. Najman, Y. LeCun, RankMe, ICML 2023, arXiv:2210.02885.
    """
    singular = torch.linalg.svdvals(z)
    p = singular / singular.sum() + eps
    return torch.exp(-(p * p.log()).sum())


def prototype_utilization(weight, *, cosine=0.975):
    """Share of prototypes that no earlier one of the kept stands for.

    Parameters
    ----------
    weight : Tensor, shape (K, p)
        Normalised here.
    cosine : float
        From which similarity on two prototypes are one.

    Returns
    -------
    float
        In (0, 1]; 1 where all are different.

    Notes
    -----
    Prototypes collapse onto one another in part: H. Govindarajan, P. Siden, J. Roll, F. Lindsten,
    On partial prototype collapse in the DINO family, arXiv:2410.14060.
    """
    w = F.normalize(weight.detach(), dim=1)
    left = torch.ones(len(w), dtype=torch.bool, device=w.device)
    kept = 0
    for k in range(len(w)):
        if left[k]:
            kept += 1
            left &= w @ w[k] < cosine
    return kept / len(w)
