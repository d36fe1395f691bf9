"""Losses for self-supervised learning: ``loss(z_a, z_b)``, ``loss.components(z_a, z_b)``."""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "barlow": ["BarlowTwinsLoss"],
        "coding_rate": ["TCRLoss"],
        "contrastive": ["NTXentLoss", "SpectralContrastiveLoss"],
        "kernel": ["SFRIKLoss", "UniformityLoss"],
        "prototype": ["DINOLoss", "IBOTPatchLoss"],
        "psco": ["PsCoLoss"],
        "regularizer": ["ContrastiveRegularizer"],
        "vicreg": ["VICRegLoss"],
    },
)
