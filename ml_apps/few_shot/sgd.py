"""Stochastic gradient descent on many networks at once, laid out as `otopt.optimize.networks` does.

Recipes after Chiang et al. (ICLR 2023): the paper's for pairs of classes (prior of
guess-and-check, small steps, batches of two), its recipe for ten classes, and what is usual.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch.func import grad, vmap

__all__ = ["RECIPES", "Recipe", "start", "train"]


class Recipe(NamedTuple):
    """Settings of a run."""

    init: str  # "prior": U[-1, 1]; "torch": U[-1, 1] / sqrt(inputs of the unit)
    lr: float
    momentum: float
    batch: int  # at most; half of the examples where these are few
    epochs: int


RECIPES = {
    "sgd_paper": Recipe("prior", 1e-3, 0.0, 2, 60),
    "sgd": Recipe("torch", 1e-2, 0.9, 8, 400),
    "sgd_ten": Recipe("torch", 1e-2, 0.5, 64, 400),
}


def start(net, recipe, count, seed):
    """Parameters (count, size) to start from."""
    thetas = np.stack([net.draw(seed, i) for i in range(count)])
    if recipe.init == "torch":
        for theta in thetas:
            arrays = net.parameters(theta)
            fan = 1
            for name, array in arrays.items():
                if name.endswith("weight"):
                    is_dense = array.ndim == 2 and name != list(arrays)[-2]
                    fan = array.shape[0] if is_dense else array[0].size
                array[...] = array / np.sqrt(fan)
    return thetas


def logits(p, x, channels, side):
    """Logits (n, classes) of one network."""
    if "weight" in p:
        return x @ p["weight"].T + p["bias"]
    if "conv1.weight" in p:
        x = x.reshape(-1, channels, side, side)
        x = F.max_pool2d(F.relu(F.conv2d(x, p["conv1.weight"], p["conv1.bias"])), 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, p["conv2.weight"], p["conv2.bias"])), 2).flatten(1)
    dense = [name for name in p if name.startswith("fc") and name.endswith("weight")]
    for name in dense[:-1]:
        x = F.relu(x @ p[name] + p[name.replace("weight", "bias")])
    last = dense[-1]
    return x @ p[last].T + p[last.replace("weight", "bias")]


def train(net, recipe, problem, thetas, seed, visit):
    """Train until `visit(thetas, epoch)`, called before the first and after every epoch, is true.

    Every network sees the examples in an order of its own.
    """
    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
    n, M = len(y), len(thetas)
    size = min(recipe.batch, max(1, n // 2))
    thetas = torch.from_numpy(thetas)

    def loss(theta, x, labels):
        z = logits(net.parameters(theta), x, problem.channels, problem.side)
        return F.cross_entropy(z, labels)

    gradients = vmap(grad(loss))
    velocity = torch.zeros_like(thetas)
    generator = torch.Generator().manual_seed(seed)
    for epoch in range(recipe.epochs):
        if visit(thetas.numpy(), epoch):
            return
        order = torch.rand(M, n, generator=generator).argsort(dim=1)
        for first in range(0, n, size):
            rows = order[:, first : first + size]
            velocity = recipe.momentum * velocity + gradients(thetas, X[rows], y[rows])
            thetas -= recipe.lr * velocity
    visit(thetas.numpy(), recipe.epochs)
