"""Every loss, by name; importable by the processes of a test."""

from functools import partial

import torch

from ml_apps.ssl import losses
from ml_apps.ssl.centering import CENTERS
from ml_apps.ssl.prototypes import VMFPrototypes

TWO_VIEWS = {
    "NTXent": partial(losses.NTXentLoss, 0.3),
    "NTXent chunked": partial(losses.NTXentLoss, 0.3, chunk_size=5),
    "NTXent abs": partial(losses.NTXentLoss, 0.3, similarity="abs"),
    "NTXent sq": partial(losses.NTXentLoss, 0.3, similarity="sq", transform_positive=True),
    "DCL": partial(losses.NTXentLoss, 0.3, decoupled=True),
    "DCL sq chunked": partial(
        losses.NTXentLoss, 0.3, similarity="sq", decoupled=True, chunk_size=3
    ),
    "VICReg": partial(losses.VICRegLoss, method="cov"),
    "VICReg gram": partial(losses.VICRegLoss, method="gram"),
    "VICReg-exp": partial(losses.VICRegLoss, repulsion="exp", tau=0.5),
    "VICReg-ctr": partial(losses.VICRegLoss, repulsion="exp", axis="sample", tau=0.5),
    "VICReg samples": partial(losses.VICRegLoss, axis="sample"),
    "Barlow": partial(losses.BarlowTwinsLoss, 0.3, method="cov"),
    "Barlow gram": partial(losses.BarlowTwinsLoss, 0.3, method="gram"),
    "Spectral": partial(losses.SpectralContrastiveLoss, 2.0),
    "TCR": partial(losses.TCRLoss, 3.0),
    "SFRIK 1": partial(losses.SFRIKLoss, (1,), 10),
    "SFRIK 2 u": partial(losses.SFRIKLoss, (1, 4), 10, estimator="u"),
    "SFRIK 3": partial(losses.SFRIKLoss, (1, 4, 4), 10, alignment="sum"),
    "SFRIK 4": partial(losses.SFRIKLoss, (1, 4, 4, 2), 10),
    "Uniformity": losses.UniformityLoss,
    "Uniformity gegenbauer": partial(losses.UniformityLoss, kernel="gegenbauer"),
}
DIM = 6
PROTOTYPES = [(kind, center) for kind in ("vmf", "normalized", "free") for center in CENTERS]


def dino(kind, center, family=losses.DINOLoss, **settings):
    generator = torch.Generator().manual_seed(3)
    prototypes = VMFPrototypes(DIM, 5, kind=kind, generator=generator).double()
    with torch.no_grad():
        prototypes.weight *= torch.linspace(0.5, 1.5, 5)[:, None]
    return family(prototypes, center=center, **settings)


def two_views(n=8, d=DIM, seed=0, dtype=torch.float64, noise=0.5):
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(n, d, generator=g, dtype=dtype)
    return z, z + noise * torch.randn(n, d, generator=g, dtype=dtype)


def patches(n=4, P=3, seed=0):
    z_a, z_b = two_views(n * P, seed=seed)
    mask = torch.tensor([[True, False, True], [True, True, True], [False, False, False],
                         [False, True, False]])  # fmt: skip
    return z_a.view(n, P, -1), z_b.view(n, P, -1), mask[:n]
