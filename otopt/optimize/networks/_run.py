"""What the searches on the weights of a network share, and what they return."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field

import numpy as np

from otopt._core.validation import as_positive_int, as_real, check_callback
from otopt.errors import ConvergenceWarning
from otopt.optimize._seeds import as_seed

from ._checks import check_network
from .models import Network

__all__ = ["NetworkSearch", "Run"]

MESSAGES = {
    0: "The network fits as asked.",
    1: "Stopped at max_trials; accuracy {accuracy:.3g}, loss {loss:.4g}.",
    2: "Stopped at max_moves; accuracy {accuracy:.3g}, loss {loss:.4g}.",
    3: "Stopped at time_limit; accuracy {accuracy:.3g}, loss {loss:.4g}.",
    4: "No move of size {radius:.2g} lowers the loss, and the next is below min_radius; accuracy "
       "{accuracy:.3g}, loss {loss:.4g}.",
    98: "Stopped by Ctrl-C; accuracy {accuracy:.3g}, loss {loss:.4g}.",
    99: "Stopped by the callback; accuracy {accuracy:.3g}, loss {loss:.4g}.",
}  # fmt: skip


@dataclass(frozen=True)
class NetworkSearch:
    """A network that a search ended with.

    Attributes
    ----------
    net : Network
    theta : ndarray of float32, shape (net.size,)
    loss : float
        Normalised loss on the examples.
    accuracy : float
        Share of the examples classified right.
    n_trials : int
        Networks that were evaluated.
    n_moves : int
        Moves made.
    radius : float
        Size of the moves at the end.
    seed : int
        Of the random numbers.
    status : int
        0 fits as asked, 1 `max_trials`, 2 `max_moves`, 3 time, 4 `min_radius`, 98 Ctrl-C,
        99 callback.
    message : str

    Examples
    --------
    >>> import numpy as np
    >>> from otopt.optimize import networks
    >>> X, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    >>> found = networks.pattern_search(networks.Linear(1), X, y, rng=0)
    >>> found.accuracy, found.theta.shape
    (1.0, (4,))
    """

    net: Network
    theta: np.ndarray = field(repr=False)
    loss: float
    accuracy: float
    n_trials: int
    n_moves: int
    radius: float
    seed: int
    status: int
    message: str

    @property
    def success(self) -> bool:
        """Whether the network fits as asked."""
        return self.status == 0


class Run:
    """Checks, counts, clocks, stops and calls back: the same for both searches."""

    def __init__(self, name, net, X, y, theta0, rng, *, radius, min_radius, stop_accuracy,
                 stop_loss, max_trials, max_moves, time_limit, callback):  # fmt: skip
        check_network(name, net)
        self.name, self.net = name, net
        self.X, self.y = net._examples(name, X, y)
        self.seed = as_seed(name, rng)
        self.theta = net.draw(self.seed, 0) if theta0 is None else _as_start(name, net, theta0)
        self.radius = as_real(name, "radius", radius, low=0, strict=True, sized=True)
        self.min_radius = as_real(name, "min_radius", min_radius, low=0, strict=True, sized=True)
        self.stop_accuracy = as_real(name, "stop_accuracy", stop_accuracy, low=0)
        self.stop_loss = _or_infinity(name, "stop_loss", stop_loss)
        self.max_trials = as_positive_int(name, "max_trials", max_trials)
        self.max_moves = as_positive_int(name, "max_moves", max_moves)
        self.time_limit = _or_infinity(name, "time_limit", time_limit)
        check_callback(name, callback)
        self.callback = callback
        self.trials = self.moves = self.halvings = 0
        self.status = None
        self.started = time.perf_counter()
        self.search = net._search(self.theta, self.X, self.y)

    @property
    def trials_left(self):
        """Networks that may still be evaluated."""
        return self.max_trials - self.trials

    def time_is_up(self):
        """Whether `time_limit` is over."""
        return time.perf_counter() - self.started > self.time_limit

    def goes_on(self, interrupts, line):
        """Whether no limit is reached; the status says which one was."""
        if self.status is None:
            if self.search.accuracy() >= self.stop_accuracy and self.search.loss <= self.stop_loss:
                self.status = 0
            elif interrupts.requested:
                self.status = 98
            elif self.trials >= self.max_trials:
                self.status = 1
            elif self.moves >= self.max_moves:
                self.status = 2
            elif self.time_is_up():
                self.status = 3
            else:
                line.show(f"{self.name}: loss {self.search.loss:.4g}, {self.trials:,} trials")
        return self.status is None

    def halve(self):
        """Go on with moves of half the size, unless those are too small."""
        if self.radius / 2 < self.min_radius:
            self.status = 4
        else:
            self.radius /= 2
        self.halvings += 1

    def moved(self):
        """Count a move and call back."""
        self.moves += 1
        if self.callback is None:
            return
        try:
            self.callback(self._result(0, ""))
        except StopIteration:
            self.status = 99

    def _result(self, status, message):
        return NetworkSearch(
            self.net, self.theta, self.search.loss, self.search.accuracy(), self.trials, self.moves,
            self.radius, self.seed, status, message,
        )  # fmt: skip

    def result(self):
        """The result; a warning unless the network fits."""
        status = self.status
        assert status is not None
        message = MESSAGES[status].format(
            accuracy=self.search.accuracy(), loss=self.search.loss, radius=self.radius
        )
        if status:
            warnings.warn(f"{self.name}: {message}", ConvergenceWarning, stacklevel=3)
        return self._result(status, message)


def _or_infinity(name, argument, value):
    return np.inf if value is None else as_real(name, argument, value, low=0)


def _as_start(name, net, theta0):
    """A copy."""
    return net._checked(name, theta0, "theta0").copy()
