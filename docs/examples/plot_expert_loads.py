r"""
Loads of experts, before and after prices
=========================================

Four thousand tokens come in clusters of very different sizes, and each takes the expert with the
highest score. Most experts are idle, a few are overrun. With a price for every expert the same rule
fills all of them.
"""

import matplotlib.pyplot as plt
import numpy as np

import otopt

rng = np.random.default_rng(0)
n, m = 4096, 64
share = 1 / np.arange(1, 201)
cluster = rng.choice(200, n, p=share / share.sum())
tokens = rng.normal(size=(200, 64))[cluster] + rng.normal(size=(n, 64))
scores = tokens @ rng.normal(size=(64, m)) * 2 / np.sqrt(128)

result = otopt.solve_prices(scores)
print(result)

# %%
# Prices alone come within a few tokens of the share of 64; `assign` moves those that lose least.

repaired = otopt.assign(scores, result, capacity=n // m, policy="repair")
loads = {
    "best score": np.bincount(scores.argmax(axis=1), minlength=m),
    "best score less price": result.load,
    "repaired": repaired.load,
}
order = np.argsort(-loads["best score"])
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained", sharey=True)
for axis, (name, load) in zip(axes, loads.items(), strict=True):
    axis.bar(np.arange(m), load[order], width=1.0)
    axis.axhline(n / m, color="k", lw=0.8, ls="--")
    axis.set(xlabel="expert", title=f"{name}: max / mean {load.max() / (n / m):.2f}")
_ = axes[0].set_ylabel("tokens")

# %%
# What balance costs, in score a token, and the bound that no balanced routing can exceed.

for name, value in {
    "unbalanced": scores.max(axis=1).mean(),
    "bound": result.dual_bound / n,
    "repaired": np.take_along_axis(scores, repaired.indices, axis=1).mean(),
}.items():
    print(f"{name:>10}: {value:.4f}")
