"""``python -m ml_apps.ssl.study_vmf``: what the normaliser is worth to a vMF mixture.

Points of a mixture of equal weights whose concentrations differ; the E-step with the normaliser,
without it, and with one concentration for all, as normalised prototypes have it.
"""

import argparse
import math
from typing import NamedTuple

import torch
from torch.nn import functional as F

from ml_apps.ssl import vmf

__all__ = ["Mixture", "accuracies", "main", "mixture"]


class Mixture(NamedTuple):
    """Points and where they came from.

    Attributes
    ----------
    x : Tensor, shape (n, p)
    labels : Tensor of int, shape (n,)
    mu : Tensor, shape (K, p)
    kappa : Tensor, shape (K,)
    """

    x: torch.Tensor
    labels: torch.Tensor
    mu: torch.Tensor
    kappa: torch.Tensor


def mixture(ratio, *, p=64, K=16, n=4000, kappa=60.0, overlap=1.0, seed=0):
    """A mixture on the sphere of R^p.

    Parameters
    ----------
    ratio : float
        Largest concentration over the smallest, >= 1; `kappa` is their geometric mean.
    p, K, n : int
        Dimension, components and points.
    kappa : float
    overlap : float
        Norm of what all mean directions share, beside a part of their own of norm about 1.
    seed : int

    Returns
    -------
    Mixture
        In float64.
    """
    g = torch.Generator().manual_seed(seed)
    own = torch.randn(K, p, generator=g, dtype=torch.float64) / p**0.5
    shared = F.normalize(torch.randn(p, generator=g, dtype=torch.float64), dim=0)
    mu = F.normalize(own + overlap * shared, dim=1)
    spread = torch.linspace(-0.5, 0.5, K, dtype=torch.float64) * math.log(ratio)
    kappas = kappa * torch.exp(spread)
    labels = torch.randint(K, (n,), generator=g)
    x = vmf.sample(mu[labels], kappas[labels], generator=g)
    return Mixture(x, labels, mu, kappas)


def accuracies(mix):
    """Share of points that each posterior gives to their component.

    Parameters
    ----------
    mix : Mixture

    Returns
    -------
    dict of float
        "with", "without" the normaliser, and "equal" concentrations.
    """
    x, labels, mu, kappa = mix
    scores = {
        "with": vmf.mixture_log_posterior(x, mu, kappa),
        "without": kappa * (x @ mu.T),
        "equal": vmf.mixture_log_posterior(x, mu, kappa.mean().expand_as(kappa)),
    }
    return {k: float((s.argmax(dim=1) == labels).double().mean()) for k, s in scores.items()}


def main(argv=None):
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m ml_apps.ssl.study_vmf", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    table = Table(title="accuracy of the E-step, 16 components on the sphere of R^64")
    for head in ("kappa ratio", "with normaliser", "without", "equal kappa"):
        table.add_column(head, justify="right")
    for ratio in (1, 2, 4, 10):
        found = accuracies(mixture(ratio, seed=args.seed))
        table.add_row(str(ratio), *(f"{v:.3f}" for v in found.values()))
    Console().print(table)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
