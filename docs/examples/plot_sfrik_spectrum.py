r"""
What a truncated kernel sees
============================

SFRIK (Zheng et al. 2023) keeps embeddings spread over the sphere by a kernel that is cut off at a
few orders of spherical harmonics. Points on the sphere move down its loss here, and their spectrum
shows what the kernel asks of them, and what it cannot see.
"""

import matplotlib.pyplot as plt
import torch
from torch.nn import functional as F

from ml_apps.ssl import terms
from ml_apps.ssl.losses import SFRIKLoss

n, orders = 150, range(1, 9)
generator = torch.Generator().manual_seed(0)
corners = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.6, -0.6, 0.5]])
start = F.normalize(corners.repeat(n // 3, 1) + 0.15 * torch.randn(n, 3, generator=generator))


def spectrum(z):
    """Share of each order: 1 if all points were one, about 1 / n if they are drawn uniformly."""
    return [float(terms.kernel_discrepancy(z, [0.0] * (order - 1) + [1.0])) for order in orders]


def spread(weights, steps=400):
    """The points after gradient descent on the uniformity of the kernel."""
    loss = SFRIKLoss(weights, lambda_param=0.0)
    z = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(z, z).backward()
        optimizer.step()
    return F.normalize(z.detach())


# %%
# An order of weight 0 is not asked for. Order 1 is the mean of the points, order 2 their covariance
# (what VICReg looks at), and so on: each kernel empties its own orders and leaves the others.

kernels = {"order 1": [1.0], "orders 1 and 2": [1.0, 1.0], "orders 1 to 4": [1.0] * 4}
found = {"start": start} | {name: spread(weights) for name, weights in kernels.items()}
figure = plt.figure(figsize=(14, 5.4), layout="constrained")
for column, (name, z) in enumerate(found.items(), start=1):
    sphere = figure.add_subplot(2, 4, column, projection="mollweide")
    sphere.scatter(torch.atan2(z[:, 1], z[:, 0]), torch.asin(z[:, 2].clamp(-1, 1)), s=6)
    sphere.set(title=name, xticklabels=[], yticklabels=[])
    sphere.grid(visible=True, lw=0.4)
    bars = figure.add_subplot(2, 4, 4 + column)
    power = spectrum(z)
    bars.bar(orders, power)
    bars.axhline(1 / n, color="k", lw=0.8, ls="--")
    bars.set(yscale="log", ylim=(1e-3, 1), xlabel="order")
    print(f"{name:15s}", " ".join(f"{p:.0e}" for p in power))
figure.axes[1].set_ylabel("power; dashed: uniform draws")
plt.show()
