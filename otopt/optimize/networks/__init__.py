"""Networks without gradients: guess-and-check, pattern search and greedy search on their weights.

After P.-y. Chiang, R. Ni, D. Y. Miller, A. Bansal, J. Geiping, M. Goldblum, T. Goldstein, "Loss
landscapes are all you need: neural network generalization can be explained without the implicit
bias of gradient descent", ICLR 2023 (openreview.net/forum?id=QC10RmRbZy9).
"""

from ._run import NetworkSearch
from .architectures import MLP, LeNet, Linear
from .greedy import greedy_search
from .guessing import NetworkSamples, guess_and_check
from .pattern import pattern_search

__all__ = [
    "MLP",
    "LeNet",
    "Linear",
    "NetworkSamples",
    "NetworkSearch",
    "greedy_search",
    "guess_and_check",
    "pattern_search",
]
