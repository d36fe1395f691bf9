r"""
Two families of losses, one identity
====================================

Contrastive losses push samples apart, VICReg and Barlow Twins push dimensions apart. Their two
criteria, the off-diagonal parts of the Gram and of the covariance matrix, differ by norms only
(Garrido et al. 2023, Theorem 3.3). This example follows both while one of them is minimised, with
free norms and with norms held fixed.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from ml_apps.ssl import criteria

n, d = 60, 20
g = torch.Generator().manual_seed(0)
start = torch.randn(n, d, generator=g, dtype=torch.float64) + 0.7

# %%
# The identity holds for any embedding, to rounding.

gap = float(criteria.duality_gap(start) / torch.linalg.matrix_norm(start.T @ start) ** 2)
print(f"relative gap of both sides: {abs(gap):.0e}")

# %%
# Minimise one criterion and watch both. Rows and columns keep their norms by
# `double_normalize` after every step; without it, only the rows do.


def descend(criterion, normalise, steps=120, lr=2e-3):
    z, path = normalise(start), []
    for _ in range(steps):
        z = z.detach().requires_grad_()
        criterion(z).backward()
        path.append([float(f(z.detach())) for f in (criteria.sample_contrastive,
                                                    criteria.dimension_contrastive)])  # fmt: skip
        z = normalise((z - lr * z.grad).detach())
    return np.array(path)


def rows(z):
    return torch.nn.functional.normalize(z, dim=1)


def both(z):
    return criteria.double_normalize(z, tol=1e-9)


constant = n * (n / d - 1)
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for axis, normalise, title in zip(
    axes, (rows, both), ("rows of norm 1", "rows and columns of fixed norm"), strict=True
):
    path = descend(criteria.dimension_contrastive, normalise)
    axis.plot(path[:, 0] - constant, label=r"samples, $L_c - n(n/d - 1)$", lw=3, alpha=0.5)
    axis.plot(path[:, 1], "--", color="k", label=r"dimensions, $L_{nc}$ (minimised)")
    axis.set(title=title, xlabel="step", yscale="symlog")
    axis.legend()
    print(f"{title}: largest difference {np.abs(path[:, 0] - constant - path[:, 1]).max():.2g}")

# %%
# On the right the two curves are one: pushing dimensions apart *is* pushing samples apart.

plt.show()
