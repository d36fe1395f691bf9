r"""
What many pre-training tasks cost, and how to win it back
=========================================================

Contrastive pre-training on data of many tasks keeps the features of all of them, each with less
weight. So one of these tasks then needs more labels (Shi et al. 2023). In a Gaussian model with
factors that all tasks share, factors private to each, and spurious ones, the weight is known:
:math:`1 / \sqrt k` for private factors after pre-training on k tasks.
"""

import matplotlib.pyplot as plt
import torch

from ml_apps.ssl.evaluate import t_interval
from ml_apps.ssl.hidden_factors import (
    HiddenFactors,
    factor_weights,
    representation,
    sample_complexity,
)

model = HiddenFactors(shared=4, private=6, tasks=8, spurious=10)
ks, labels = (1, 2, 4, 8), (10, 20, 40, 80, 200)
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")

# %%
# Linear contrastive learning is principal component analysis of the covariance of the two views.
# Learnt from 100,000 pairs, the weights are those of the theory.

g = torch.Generator().manual_seed(0)
covariance = {k: model.cross_covariance(range(k), 100_000, generator=g) for k in ks}
features = {f"k = {k}": representation(C, model.rank(range(k))) for k, C in covariance.items()}
private = {k: float(factor_weights(features[f"k = {k}"], model)[4 : 4 + 6 * k].mean()) for k in ks}
left.plot(ks, private.values(), "o", label="measured")
line = torch.linspace(1, 8, 100)
left.plot(line, line**-0.5, "k--", lw=1, label=r"$1/\sqrt{k}$")
left.set(title="weight of private factors", xlabel="tasks in pre-training, k", ylim=0)
left.legend()
print({k: f"{w * k**0.5 - 1:+.1%}" for k, w in private.items()}, "from the theory")

# %%
# Probes of all representations meet the same labels, and each has its best penalty. The first task
# loses with every further one. A contrastive term on its own unlabelled pairs, with weight
# :math:`\theta = 1` beside the pre-training loss, wins most of it back.

both = covariance[8] + covariance[1]
features["k = 8, regularised"] = representation(both, model.rank(range(8)))
target = sample_complexity(model, features, 0, labels, repetitions=40, generator=g)
for name, accuracy in target.items():
    mean, half = zip(*(t_interval(column) for column in accuracy.T.tolist()), strict=True)
    style = "s--" if "regularised" in name else "o-"
    right.errorbar(labels, mean, half, fmt=style, capsize=3, label=name)
right.set(title="accuracy on the first task", xlabel="labels", xscale="log")
right.legend()
lost, back = (
    float((target[name] - target["k = 8"])[:, 1].mean()) for name in ("k = 1", "k = 8, regularised")
)
print(f"20 labels: {lost:.3f} lost from k = 1 to k = 8, {back:.3f} won back")

# %%
# What is lost on one task is gained over all: the trade-off.

few = {name: W for name, W in features.items() if "regularised" not in name}
others = [
    sample_complexity(model, few, task, [20], repetitions=10, generator=g) for task in range(1, 8)
]
rows = {"the first task": [target[name][:, 1] for name in few]}
rows["the other seven"] = [torch.cat([a[name][:, 0] for a in others]) for name in few]
for label, accuracies in rows.items():
    mean, half = zip(*(t_interval(a.tolist()) for a in accuracies), strict=True)
    middle.errorbar(ks, mean, half, fmt="o-", capsize=3, label=label)
middle.set(title="accuracy with 20 labels", xlabel="tasks in pre-training, k")
middle.legend()
plt.show()
