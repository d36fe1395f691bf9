r"""
Loads of experts while a mixture learns
=======================================

A small mixture of experts learns to reproduce forty linear maps, one for each cluster of its
tokens; a few clusters are large, most are small. Its router may send tokens to their favourites,
pay a loss for imbalance, or charge a price for every expert.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from ml_apps import moe

clusters, experts, d, batch, steps = 40, 8, 16, 512, 200
world = torch.Generator().manual_seed(0)
centres = 2 * torch.randn(clusters, d, generator=world)
maps = torch.randn(clusters, d, d, generator=world) / d**0.5
share = 1 / torch.arange(1.0, clusters + 1)


def tokens(generator):
    """A batch, and what is to be answered."""
    which = torch.multinomial(share, batch, replacement=True, generator=generator)
    x = centres[which] + torch.randn(batch, d, generator=generator)
    return x, torch.einsum("ndc,nc->nd", maps[which], x)


def train(router):
    """Loads (steps, experts) and errors."""
    torch.manual_seed(1)
    torch.nn.init.normal_(router.weight, std=d**-0.5)  # the same start for all
    layer = moe.MoE(moe.FeedForwardExperts(experts, d, 32), router)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-2)
    moe.attach(layer, optimizer)
    generator = torch.Generator().manual_seed(2)
    loads, errors = [], []
    for _ in range(steps):
        x, target = tokens(generator)
        y, output = layer(x)
        error = (y - target).square().mean()
        optimizer.zero_grad()
        (error + sum(output.losses.values())).backward()
        optimizer.step()
        loads.append(output.metrics["load"].tolist())
        errors.append(error.item())
    return np.array(loads), errors


# %%
# Nobody drops tokens here: experts have room for whatever comes.

routers = {
    "favourites": moe.TopKRouter(d, experts),
    "favourites, Switch loss": moe.TopKRouter(d, experts, switch_weight=1.0),
    "prices": moe.PriceRouter(d, experts),
}
histories = {name: train(router) for name, router in routers.items()}
for name, (loads, errors) in histories.items():
    spread = loads.max(axis=1) / loads.mean(axis=1)
    print(
        f"{name:24s} largest load over the mean, first and last 20 steps: "
        f"{spread[:20].mean():.2f}, {spread[-20:].mean():.2f}; error at the end "
        f"{np.mean(errors[-20:]):.2f}"
    )

# %%
# Each band is the share of one expert, step by step.

figure, axes = plt.subplots(
    1, 4, figsize=(14, 3.6), layout="constrained", width_ratios=[1, 1, 1, 1.1]
)
colours = plt.colormaps["viridis"](np.linspace(0, 1, experts))
for axis, (name, (loads, errors)) in zip(axes, histories.items(), strict=False):
    axis.stackplot(np.arange(steps), loads.T / batch, colors=colours)
    axis.set(title=name, xlabel="step", xlim=(0, steps - 1), ylim=(0, 1))
    axes[-1].plot(np.convolve(errors, np.ones(10) / 10, "valid"), label=name)
axes[0].set_ylabel("share of the tokens")
axes[-1].set(title="error, mean of ten steps", xlabel="step", yscale="log")
axes[-1].legend()
plt.show()

# %%
# Where a few clusters hold most of the tokens, balance costs accuracy: experts have to learn pieces
# of what one could have had whole. The loss pays for it step by step and gets part of the way,
# prices fill all experts from the first step. What is bought is that no device waits for another.
