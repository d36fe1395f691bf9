"""A linear model or a small network: torch while it learns, NumPy when it predicts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch

__all__ = ["arrays_of", "build", "forward"]


def build(widths, generator, dtype):
    """Layers of these widths with rectifiers between them, drawn from the generator.

    Nothing is drawn from torch's global state. The last layer starts at zero: a linear model is
    then the same for every seed.
    """
    layers = []
    for i, (inputs, outputs) in enumerate(pairwise(widths)):
        layer = torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs, dtype=dtype)
        if i < len(widths) - 2:
            torch.nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        else:
            torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def arrays_of(network):
    """Weights (inputs, outputs) and biases of its layers, as NumPy arrays of their own."""
    layers = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    return (
        [layer.weight.detach().numpy().T.copy() for layer in layers],
        [layer.bias.detach().numpy().copy() for layer in layers],
    )


def forward(X, weights, biases):
    """Output (N,) of the network for rows X."""
    for W, b in zip(weights[:-1], biases[:-1], strict=True):
        X = np.maximum(X @ W + b, 0)
    return (X @ weights[-1] + biases[-1])[:, 0]
