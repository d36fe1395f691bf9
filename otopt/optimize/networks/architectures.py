"""The networks: what their parameters are, and how they are evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from otopt._backend import kernels
from otopt._core.validation import as_integer, as_positive_int, as_real
from otopt._kernels import reference_mlp
from otopt._kernels.reference_mlp import DEEPEST

from .models import Network

__all__ = ["MLP", "LeNet", "Linear"]


@dataclass(frozen=True)
class _Dense(Network):
    """What networks of dense layers share; `_sizes` are inputs and hidden units."""

    features: int
    _unit = 1.0

    def __post_init__(self):
        name = type(self).__name__
        as_positive_int(name, "features", self.features)
        as_integer(name, "classes", self.classes, low=2)

    @property
    def inputs(self) -> int:
        """How many numbers an example has."""
        return self.features

    def _logits(self, theta, X):
        return reference_mlp.logits(theta, X, self._sizes, self.classes)


@dataclass(frozen=True)
class Linear(_Dense):
    """A linear classifier.

    Attributes
    ----------
    features : int
        Numbers in an example.
    classes : int
        At least 2.

    Raises
    ------
    ValueError, TypeError
        For numbers that break these rules.

    Examples
    --------
    >>> from otopt.optimize import networks
    >>> net = networks.Linear(784)
    >>> net.size
    1570
    """

    classes: int = 2
    _kind = "linear"

    @property
    def shapes(self) -> dict:
        """The shapes of the arrays of parameters, by name, in their order."""
        return {"weight": (self.classes, self.features), "bias": (self.classes,)}

    @property
    def _sizes(self):
        return (self.features,)


@dataclass(frozen=True)
class MLP(_Dense):
    """Dense layers, rectified but for the last.

    Attributes
    ----------
    features : int
        Numbers in an example.
    hidden : sequence of int
        Units of the hidden layers: one, two or three of them.
    classes : int
        At least 2.

    Raises
    ------
    ValueError, TypeError
        For numbers that break these rules.

    Examples
    --------
    >>> from otopt.optimize import networks
    >>> net = networks.MLP(784, (64, 32))
    >>> net.size
    52386
    >>> net.shapes["fc1.weight"], net.shapes["fc3.weight"]
    ((784, 64), (2, 32))
    """

    hidden: tuple = (64,)
    classes: int = 2
    _kind = "mlp"

    def __post_init__(self):
        super().__post_init__()
        if np.ndim(self.hidden) != 1 or not 1 <= len(self.hidden) <= DEEPEST:
            message = (
                f"MLP: `hidden` must be the units of 1 to {DEEPEST} hidden layers; got "
                f"{self.hidden!r}; use `Linear` for none."
            )
            raise ValueError(message)
        hidden = tuple(as_positive_int("MLP", "hidden", units) for units in self.hidden)
        object.__setattr__(self, "hidden", hidden)

    @property
    def shapes(self) -> dict:
        """The shapes of the arrays of parameters, by name, in their order."""
        shapes = {}
        for layer, (inputs, units) in enumerate(pairwise(self._sizes), start=1):
            shapes |= {f"fc{layer}.weight": (inputs, units), f"fc{layer}.bias": (units,)}
        last = len(self.hidden) + 1
        shapes[f"fc{last}.weight"] = self.classes, self.hidden[-1]
        return shapes | {f"fc{last}.bias": (self.classes,)}

    @property
    def _sizes(self):
        return (self.features, *self.hidden)


@dataclass(frozen=True)
class LeNet(Network):
    """LeNet: two 5 x 5 convolutions with 2 x 2 maxima, three dense layers, rectified.

    Attributes
    ----------
    width : float
        Factor of the numbers of units, 6, 16, 120 and 84, which are rounded down.
    side : int
        Of the square images, such that both poolings come out even: 16, 20, 24, 28, 32, ...
    channels : int
        Of the images, which come first in an example.
    classes : int
        At least 2.

    Raises
    ------
    ValueError, TypeError
        For numbers that break these rules.

    Examples
    --------
    >>> from otopt.optimize import networks
    >>> net = networks.LeNet(width=0.5)
    >>> net.size
    11074
    >>> net.shapes["conv2.weight"]
    (8, 3, 5, 5)
    """

    width: float = 1.0
    side: int = 28
    channels: int = 1
    classes: int = 2
    _unit = 3.0
    _kind = "lenet"

    def __post_init__(self):
        as_positive_int("LeNet", "channels", self.channels)
        as_positive_int("LeNet", "side", self.side)
        as_real("LeNet", "width", self.width, low=1 / 6)
        as_integer("LeNet", "classes", self.classes, low=2)
        if self.side < 16 or self.side % 4:
            message = (
                "LeNet: `side` must be a multiple of 4 and at least 16; "
                f"got {self.side}; pad or crop the images."
            )
            raise ValueError(message)

    @property
    def shapes(self) -> dict:
        """The shapes of the arrays of parameters, by name, in their order."""
        channels, side, C1, C2, F1, F2 = self._sizes
        features = C2 * (((side - 4) // 2 - 4) // 2) ** 2
        return {
            "conv1.weight": (C1, channels, 5, 5), "conv1.bias": (C1,),
            "conv2.weight": (C2, C1, 5, 5), "conv2.bias": (C2,),
            "fc1.weight": (features, F1), "fc1.bias": (F1,),
            "fc2.weight": (F1, F2), "fc2.bias": (F2,),
            "fc3.weight": (self.classes, F2), "fc3.bias": (self.classes,),
        }  # fmt: skip

    @property
    def inputs(self) -> int:
        """How many numbers an example has."""
        return self.channels * self.side**2

    @property
    def _sizes(self):
        units = (int(self.width * k + 1e-9) for k in (6, 16, 120, 84))
        return (self.channels, self.side, *units)

    def _logits(self, theta, X):
        return kernels("lenet").logits(theta, X, self._sizes, self.classes)

    def _search(self, theta, X, y):
        return kernels("lenet").Search(theta, X, y, self._sizes, self.classes)
