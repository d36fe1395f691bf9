"""Self-supervised losses and the theory that links them, on torch alone.

Submodules are loaded on first use:

- `losses`: contrastive, covariance, kernel and prototype losses, ``loss(z_a, z_b) -> scalar``.
- `terms`: the pure functions that the losses are sums of.
- `criteria`: both sides of the duality of Garrido et al. (2023), as functions.
- `vmf`: von Mises-Fisher distributions in any dimension, with autograd.
- `metrics`, `evaluate`: what an embedding is like, and what it is good for.
- `assignments`, `queue`, `psco`, `fewshot`: pseudo-labels by transport, and tasks of few shots.
- `hidden_factors`: a data model that shows what pre-training on many tasks costs and brings.
- `finetune`: linear probe, fine-tuning, and fine-tuning with a contrastive term.
- `augment`, `models`, `optim`, `recipes`, `training`: enough to train one.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach(
    __name__,
    submodules=[
        "assignments",
        "augment",
        "centering",
        "criteria",
        "evaluate",
        "fewshot",
        "finetune",
        "gegenbauer",
        "hidden_factors",
        "losses",
        "metrics",
        "models",
        "optim",
        "processes",
        "prototypes",
        "psco",
        "queue",
        "recipes",
        "terms",
        "training",
        "vmf",
    ],
)
