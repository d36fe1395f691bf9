"""Networks as flat vectors of parameters: the prior, logits, the normalised loss."""

from __future__ import annotations

from math import prod

import numpy as np

from otopt._backend import is_tensor, kernels
from otopt._core.validation import as_array, as_flag, as_integer
from otopt._kernels.reference_lenet import FullSearch, normalised_loss

__all__ = ["Network"]


class Network:
    """A network whose parameters are one float32 vector of length `size`.

    Weights and biases come by turns, layer by layer. Convolutions are (maps, channels, 5, 5), dense
    layers (inputs, units), the last layer (classes, inputs).
    """

    classes: int
    _unit: float  # norms are divided by it
    _kind: str

    @property
    def shapes(self) -> dict:
        """The shapes of the arrays of parameters, by name, in their order."""
        raise NotImplementedError

    @property
    def _sizes(self) -> tuple:
        raise NotImplementedError

    def logits(self, theta, X):
        """Evaluate the network before the softmax.

        Parameters
        ----------
        theta : array_like, shape (size,)
            Parameters.
        X : array_like, shape (n, ...)
            Examples; images as (n, channels, side, side) or flattened.

        Returns
        -------
        ndarray of float32, shape (n, classes)
            One row an example.

        Raises
        ------
        ValueError, TypeError
            For arrays that do not fit the network, or are no real numbers.
        """
        return self._logits(self._checked("logits", theta), self._images("logits", X))

    @property
    def size(self) -> int:
        """The number of parameters."""
        return sum(prod(shape) for shape in self.shapes.values())

    @property
    def inputs(self) -> int:
        """How many numbers an example has."""
        raise NotImplementedError

    def draw(self, seed, candidate, swap=False):
        """Draw from the prior: all parameters independent and uniform on [-1, 1).

        Parameters
        ----------
        seed : int
            Below 2^64, as in `NetworkSamples.seed`.
        candidate : int
            Its index, below 2^64.
        swap : bool
            Exchange the output units of a network with two classes.

        Returns
        -------
        ndarray of float32, shape (size,)
            Parameters.

        Raises
        ------
        ValueError, TypeError
            For numbers that are no integers in [0, 2^64).
        """
        seed, candidate = (
            as_integer("draw", name, x, low=0, below=2**64)
            for name, x in (("seed", seed), ("candidate", candidate))
        )
        theta = kernels("philox").signed32(seed, [candidate], self.size)[0]
        if as_flag("draw", "swap", swap):
            out = list(self.parameters(theta).values())
            for array in out[-2:]:
                array[:] = array[::-1].copy()
        return theta

    def parameters(self, theta):
        """Cut the vector into named arrays, which are views of it.

        Parameters
        ----------
        theta : ndarray or Tensor, shape (size,)
            Parameters.

        Returns
        -------
        dict of str to ndarray or Tensor
            In their order.

        Raises
        ------
        ValueError, TypeError
            For a vector of another length, or something else.
        """
        if not is_tensor(theta):
            theta = as_array("parameters", "theta", theta)
        if theta.shape != (self.size,) or getattr(theta, "is_sparse", False):
            message = (
                f"parameters: `theta` must be dense, of shape ({self.size},), the number of "
                f"parameters of {self}; got shape {tuple(theta.shape)}."
            )
            raise ValueError(message)
        arrays, start = {}, 0
        for name, shape in self.shapes.items():
            arrays[name] = theta[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        return arrays

    def loss(self, theta, X, y):
        """Compute the mean cross entropy of logits over the product of the norms of weights.

        The norms are Frobenius norms, over 3 for convolutional networks. Biases are not in them.

        Parameters
        ----------
        theta : array_like, shape (size,)
            Parameters.
        X : array_like, shape (n, ...)
            Examples.
        y : array_like of int, shape (n,)
            Their classes.

        Returns
        -------
        float
            Not negative.

        Raises
        ------
        ValueError, TypeError
            For arrays that do not fit the network, or are no real numbers.
        """
        theta = self._checked("loss", theta)
        X, y = self._examples("loss", X, y)
        return normalised_loss(theta, self._logits(theta, X), y, self._starts, self._unit)

    def accuracy(self, theta, X, y):
        """Compute the share of examples whose class has the largest logit.

        Parameters
        ----------
        theta : array_like, shape (size,)
            Parameters.
        X : array_like, shape (n, ...)
            Examples.
        y : array_like of int, shape (n,)
            Their classes.

        Returns
        -------
        float
            Not negative.

        Raises
        ------
        ValueError, TypeError
            For arrays that do not fit the network, or are no real numbers.
        """
        X, y = self._examples("accuracy", X, y)
        z = self._logits(self._checked("accuracy", theta), X)
        return float((z.argmax(axis=1) == y).mean())

    @property
    def _starts(self):
        ends = np.cumsum([prod(shape) for shape in self.shapes.values()])
        return [0, *(int(end) for end in ends)]

    def _logits(self, theta, X):
        raise NotImplementedError

    def _search(self, theta, X, y):
        """Searches by single coordinates; this one evaluates the network in full."""
        return FullSearch(theta, y, lambda t: self._logits(t, X), self._starts, self._unit)

    def _checked(self, function, theta, name="theta"):
        with np.errstate(over="ignore"):  # refused below
            theta = np.ascontiguousarray(as_array(function, name, theta), np.float32)
        if theta.shape != (self.size,):
            message = (
                f"{function}: `{name}` must have shape ({self.size},), the number of parameters of "
                f"{self}; got {theta.shape}."
            )
            raise ValueError(message)
        if not np.isfinite(theta).all():
            message = f"{function}: `{name}` must be finite in float32; got NaN, inf or overflow."
            raise ValueError(message)
        return theta

    def _images(self, function, X):
        X = as_array(function, "X", X)
        if X.ndim < 2 or len(X) == 0 or prod(X.shape[1:]) != self.inputs:
            message = (
                f"{function}: `X` must have shape (n, ...) with n >= 1 and {self.inputs} numbers "
                f"in an example of {self}; got shape {X.shape}."
            )
            raise ValueError(message)
        with np.errstate(over="ignore"):  # refused below
            X = np.ascontiguousarray(X.reshape(len(X), -1), np.float32)
        if not np.isfinite(X).all():
            message = f"{function}: `X` must be finite in float32; got NaN, inf or overflow."
            raise ValueError(message)
        return X

    def _examples(self, function, X, y):
        """Checked examples: X (n, inputs) float32, y (n,) int64 below `classes`."""
        X, y = self._images(function, X), as_array(function, "y", y)
        if y.dtype.kind not in "iub":
            message = f"{function}: `y` must be integers; got dtype {y.dtype}."
            raise TypeError(message)
        if y.shape != (len(X),) or y.min() < 0 or y.max() >= self.classes:
            message = (
                f"{function}: `y` must hold a class in 0..{self.classes - 1} for each of the "
                f"{len(X)} examples; got shape {y.shape}"
                + (f" and values {y.min()}..{y.max()}." if y.size else ".")
            )
            raise ValueError(message)
        return X, y.astype(np.int64)
