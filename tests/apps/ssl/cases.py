"""Every loss, by name; importable by the processes of a test."""

import torch

from ml_apps.ssl import losses
from ml_apps.ssl.centering import CENTERS
from ml_apps.ssl.prototypes import VMFPrototypes

TWO_VIEWS = {
    "NTXent": lambda **g: losses.NTXentLoss(0.3, **g),
    "NTXent chunked": lambda **g: losses.NTXentLoss(0.3, chunk_size=5, **g),
    "NTXent abs": lambda **g: losses.NTXentLoss(0.3, similarity="abs", **g),
    "NTXent sq": lambda **g: losses.NTXentLoss(0.3, similarity="sq", transform_positive=True, **g),
    "DCL": lambda **g: losses.NTXentLoss(0.3, decoupled=True, **g),
    "DCL sq chunked": lambda **g: losses.NTXentLoss(
        0.3, similarity="sq", decoupled=True, chunk_size=3, **g
    ),
    "VICReg": lambda **g: losses.VICRegLoss(method="cov", **g),
    "VICReg gram": lambda **g: losses.VICRegLoss(method="gram", **g),
    "VICReg-exp": lambda **g: losses.VICRegLoss(repulsion="exp", tau=0.5, **g),
    "VICReg-ctr": lambda **g: losses.VICRegLoss(repulsion="exp", axis="sample", tau=0.5, **g),
    "VICReg samples": lambda **g: losses.VICRegLoss(axis="sample", **g),
    "Barlow": lambda **g: losses.BarlowTwinsLoss(0.3, method="cov", **g),
    "Barlow gram": lambda **g: losses.BarlowTwinsLoss(0.3, method="gram", **g),
    "Spectral": lambda **g: losses.SpectralContrastiveLoss(2.0, **g),
    "TCR": lambda **g: losses.TCRLoss(3.0, **g),
    "SFRIK 1": lambda **g: losses.SFRIKLoss((1,), 10, **g),
    "SFRIK 2 u": lambda **g: losses.SFRIKLoss((1, 4), 10, estimator="u", **g),
    "SFRIK 3": lambda **g: losses.SFRIKLoss((1, 4, 4), 10, alignment="sum", **g),
    "SFRIK 4": lambda **g: losses.SFRIKLoss((1, 4, 4, 2), 10, **g),
    "Uniformity": losses.UniformityLoss,
    "Uniformity gegenbauer": lambda **g: losses.UniformityLoss(kernel="gegenbauer", **g),
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
