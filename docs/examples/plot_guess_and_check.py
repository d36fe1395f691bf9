r"""
Classifiers drawn at random
===========================

How do classifiers that fit the examples, drawn at random, differ from the one that gradient
descent finds? :func:`otopt.optimize.networks.guess_and_check` draws lines in the plane until 400 of
them tell the two classes apart, for few and for more examples, and beside them stands the line of
gradient descent on the cross entropy.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch

from otopt.optimize import networks

rng = np.random.default_rng(0)
net = networks.Linear(2)
side = np.linspace(-1.5, 1.5, 121)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)


def examples(n):
    """n points of two classes by turns."""
    y = np.arange(n) % 2
    centre = np.array([0.5, 0.3]) * np.where(y, 1, -1)[:, None]
    return centre + 0.3 * rng.normal(size=(n, 2)), y


def descended(X, y, steps=2000, rate=0.5):
    """Weights and offset of logistic regression after gradient descent from zero."""
    X, signs = torch.tensor(X), torch.tensor(2.0 * y - 1)
    theta = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        loss = torch.nn.functional.softplus(-signs * (X @ theta[:2] + theta[2])).mean()
        (gradient,) = torch.autograd.grad(loss, theta)
        with torch.no_grad():
            theta -= rate * gradient
    return theta.detach().numpy()


# %%
# The shade is the share of the accepted classifiers that say "orange". With two examples they
# disagree in much of the plane; further examples rule most of them out, and what is left gathers
# round the line that gradient descent takes.

figure, axes = plt.subplots(1, 3, figsize=(10, 3.5), sharey=True, layout="constrained")
for axis, n in zip(axes, (2, 6, 20), strict=True):
    X, y = examples(n)
    found = networks.guess_and_check(net, X, y, n_accept=400, rng=n)
    votes = np.mean([net.logits(found.theta(i), grid).argmax(axis=1) for i in range(400)], axis=0)
    image = axis.contourf(side, side, votes.reshape(121, 121), 20, cmap="PuOr_r", vmin=0, vmax=1)
    w1, w2, offset = descended(X, y)
    axis.plot(side, -(w1 * side + offset) / w2, "k--", lw=1)
    axis.scatter(*X.T, c=np.where(y, "darkorange", "indigo"), edgecolors="white", zorder=3)
    axis.set(title=f"{n} examples: {found.rate:.2g} of all fit", ylim=(-1.5, 1.5), aspect="equal")
figure.colorbar(image, ax=axes, label="share of classifiers", ticks=[0, 0.5, 1])
plt.show()
