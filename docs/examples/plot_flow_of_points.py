r"""
Points that flow to a target
============================

A transport cost is a loss: its gradient says where every point has to go. Here 150 points move
to 100 others along the gradient of :class:`otopt.nn.SparseOTLoss`, in which every target is
fed by at most k points.
"""

import matplotlib.pyplot as plt
import torch

from otopt.nn import SparseOTLoss

generator = torch.Generator().manual_seed(0)
n, m = 150, 100
source = 0.3 * torch.randn(n, 2, generator=generator)
angle = 2 * torch.pi * torch.arange(m) / m
target = 2.0 * torch.stack([angle.cos(), torch.sin(2 * angle) / 2], dim=1)

# %%
# With squared distances a unit of mass at x that is sent to y pulls x towards y with force 2 (x -
# y). A point has mass 1/n: with steps of n/2 times a rate in (0, 1) it goes that share of the way
# to the mean of its targets. ``objective="bound"`` is the convex relaxation, continuous in the
# points.


def flow(k, steps=25, rate=0.2):
    """Positions and losses on the way."""
    loss = SparseOTLoss(k, reg=200.0, metric="sqeuclidean", objective="bound")
    x = source.clone().requires_grad_()
    optimizer = torch.optim.SGD([x], lr=rate * n / 2)
    path, losses = [source], []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss(x, target)
        value.backward()
        optimizer.step()
        path.append(x.detach().clone())
        losses.append(value.item())
    return torch.stack(path), losses


ks = (2, 6, None)
flows = {k: flow(k) for k in ks}
for k, (_, losses) in flows.items():
    print(f"k={k}: loss {losses[0]:.4f} -> {losses[-1]:.4f}")

# %%
# A small k sends the points to the curve itself. Without limit the quadratic term spreads every
# target over many points, and a point that feeds many targets ends at their mean, inside the
# curve. The limit costs something too: what is left of the loss is mostly the quadratic term, and
# mass on few entries has the larger one.

figure, axes = plt.subplots(
    1, 4, figsize=(14, 3.6), layout="constrained", width_ratios=[1, 1, 1, 0.8]
)
for ax, (k, (path, _)) in zip(axes, flows.items(), strict=False):
    ax.plot(path[:, :, 0], path[:, :, 1], color="0.85", linewidth=0.7, zorder=0)
    ax.scatter(*target.T, s=12, color="tab:orange", label="target")
    ax.scatter(*path[-1].T, s=12, color="tab:blue", label="points")
    ax.set(title="no limit" if k is None else f"k = {k}", aspect="equal", xticks=[], yticks=[])
axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False)
for k, (_, losses) in flows.items():
    axes[-1].plot(losses, label="no limit" if k is None else f"k = {k}")
axes[-1].set(title="loss", xlabel="step", ylim=(0, None))
_ = axes[-1].legend(frameon=False)
