"""Pattern search and greedy search on the weights of a network."""

from __future__ import annotations

import inspect
import time
import warnings
from dataclasses import dataclass, field

import numpy as np

from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine
from otopt._core.validation import as_positive_int, as_real
from otopt.errors import ConvergenceWarning

from ._seeds import as_seed
from .models import Network

__all__ = ["NetworkSearch", "greedy_search", "pattern_search"]

LARGEST_TOGETHER = 256  # trials between two looks at the clock
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


def pattern_search(
    net,
    X,
    y,
    theta0=None,
    *,
    batch=None,
    opportunistic=False,
    radius=1.0,
    min_radius=1e-6,
    stop_accuracy=1.0,
    stop_loss=None,
    max_trials=10**8,
    max_moves=80_000,
    time_limit=None,
    callback=None,
    rng=None,
    progress=None,
):
    r"""Lower the loss of a network by moves along single parameters.

    .. math:: \theta \leftarrow \theta \pm r e_i\ \text{where that lowers}\ L(\theta);\
        r \leftarrow r / 2\ \text{where no}\ i\ \text{does}

    Parameters
    ----------
    net : Linear or LeNet
        With any number of classes.
    X : array_like, shape (n, ...)
        Examples, standardised as the network shall see them.
    y : array_like of int, shape (n,)
        Classes.
    theta0 : array_like, shape (net.size,), optional
        Where to start; by default draw 0 of the seed, uniform on [-1, 1).
    batch : int, optional
        Moves that are compared: the best one of the first batch with an improvement is made. By
        default ``max(1, 10000 // n - 1)``.
    opportunistic : bool
        Make the first move that improves, whatever the batch.
    radius : float
        Size of the moves at the start.
    min_radius : float
        Stop instead of making smaller moves.
    stop_accuracy : float
        Stop with that share of the examples classified right.
    stop_loss : float, optional
        And, if given, a loss of at most that.
    max_trials : int
        Evaluate no more networks than that after the first one.
    max_moves : int
        Make no more moves than that.
    time_limit : float, optional
        Seconds.
    callback : callable, optional
        ``callback(intermediate_result)`` after every move, with a `NetworkSearch` whose `theta` is
        not a copy. Raise `StopIteration` to stop.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        An integer below 2^64 is the seed of the counter-based stream itself.
    progress : bool, optional
        Show a status line; by default on a terminal once two seconds have passed.

    Returns
    -------
    NetworkSearch
        The network it ended with, also where it stopped at a limit.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        If the network does not fit as asked.

    Notes
    -----
    The order of the 2 P moves is random and drawn anew after every move. The radius never grows.
    Loss and accuracy are those of the examples; the loss is `Network.loss`.

    What LeNet computes for the current network is remembered. A changed weight of a dense layer
    changes one unit, and only what depends on that unit is computed again, at a hundredth of the
    cost of a forward pass. Everything is computed anew after 200 moves, so that rounding does not
    add up. Memory is about 4 (n + 1) numbers for every unit of the network.

    Descends into the nearest basin like any local search; where gradients are to be had they need
    far fewer evaluations.

    Examples
    --------
    >>> import numpy as np
    >>> from otopt.optimize import networks
    >>> y = np.arange(20) % 2
    >>> X = np.random.default_rng(0).normal(size=(20, 5)) + 4 * y[:, None]
    >>> res = networks.pattern_search(networks.Linear(5), X, y, rng=0)
    >>> res.accuracy
    1.0
    """
    name = "pattern_search"
    X, y = _checked(name, net, X, y)
    theta, seed = _start(name, net, theta0, rng)
    if batch is None:
        batch = max(1, 10_000 // len(X) - 1)
    batch = as_positive_int(name, "batch", batch)
    run = _Run(name, net, theta, seed, radius, min_radius, stop_accuracy, stop_loss,
               max_trials, max_moves, time_limit, callback)  # fmt: skip
    search = net._search(theta, X, y)
    with StatusLine(progress) as line, Interrupts() as interrupts:
        while run.goes_on(search, interrupts, line):
            place, end = 0, 2 * len(theta)
            step = run.moves + run.halvings
            while run.goes_on(search, interrupts, line):
                last = min(place + batch, end, place + run.trials_left)
                move, tried = search.poll(place, last, run.radius, opportunistic, seed, step)
                run.trials += tried
                place = last
                if move is not None:
                    search.commit(*move)
                    run.moved(search)
                    break
                if place == end:
                    run.halve()
                    break
    return run.result(search)


def greedy_search(
    net,
    X,
    y,
    theta0=None,
    *,
    batch=None,
    radius=1.0,
    min_radius=1e-6,
    patience=100,
    stop_accuracy=1.0,
    stop_loss=None,
    max_trials=10**7,
    max_moves=80_000,
    time_limit=None,
    callback=None,
    rng=None,
    progress=None,
):
    r"""Lower the loss of a network by random moves of all parameters.

    .. math:: \theta \leftarrow \theta + r z,\ z \sim N(0, I)\ \text{where that lowers}\ L(\theta)

    Parameters
    ----------
    net : Linear or LeNet
        With any number of classes.
    X : array_like, shape (n, ...)
        Examples, standardised as the network shall see them.
    y : array_like of int, shape (n,)
        Classes.
    theta0 : array_like, shape (net.size,), optional
        Where to start; by default draw 0 of the seed, uniform on [-1, 1).
    batch : int, optional
        Moves that are compared, of which the best is made if it improves. By default
        ``max(1, 2000 // n)``.
    radius : float
        Standard deviation of the moves at the start.
    min_radius : float
        Stop instead of making smaller moves.
    patience : int
        Halve the radius after that many batches in a row without an improvement.
    stop_accuracy : float
        Stop with that share of the examples classified right.
    stop_loss : float, optional
        And, if given, a loss of at most that.
    max_trials : int
        Evaluate no more networks than that after the first one.
    max_moves : int
        Make no more moves than that.
    time_limit : float, optional
        Seconds.
    callback : callable, optional
        As for `pattern_search`.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        An integer below 2^64 is the seed itself.
    progress : bool, optional
        Show a status line; by default on a terminal once two seconds have passed.

    Returns
    -------
    NetworkSearch
        The network it ended with, also where it stopped at a limit.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        If the network does not fit as asked.

    Notes
    -----
    Every trial is a full forward pass, and a random direction in P dimensions is worth less the
    larger P is: expect many more trials than `pattern_search` needs.

    Examples
    --------
    >>> import numpy as np
    >>> from otopt.optimize import networks
    >>> y = np.arange(20) % 2
    >>> X = np.random.default_rng(0).normal(size=(20, 5)) + 4 * y[:, None]
    >>> res = networks.greedy_search(networks.Linear(5), X, y, rng=0)
    >>> res.accuracy
    1.0
    """
    name = "greedy_search"
    X, y = _checked(name, net, X, y)
    theta, seed = _start(name, net, theta0, rng)
    batch = as_positive_int(name, "batch", max(1, 2000 // len(X)) if batch is None else batch)
    patience = as_positive_int(name, "patience", patience)
    run = _Run(name, net, theta, seed, radius, min_radius, stop_accuracy, stop_loss,
               max_trials, max_moves, time_limit, callback)  # fmt: skip
    search = net._search(theta, X, y)
    normal = np.random.Generator(np.random.Philox(key=(seed, 2)))
    failures = 0
    with StatusLine(progress) as line, Interrupts() as interrupts:
        while run.goes_on(search, interrupts, line):
            best, chosen = search.loss, None
            for _ in range(min(batch, run.trials_left)):
                z = normal.standard_normal(len(theta), np.float32)
                candidate = theta + np.float32(run.radius) * z
                loss = net.loss(candidate, X, y)
                run.trials += 1
                if loss < best:
                    best, chosen = loss, candidate
                if run.time_is_up() or interrupts.requested:
                    break
            if chosen is None:
                failures += 1
                if failures == patience:
                    run.halve()
                    failures = 0
                continue
            failures = 0
            theta[:] = chosen
            search.refresh()
            run.moved(search)
    return run.result(search)


class _Run:
    """Counts, clocks, stops and calls back: the same for both searches."""

    def __init__(self, name, net, theta, seed, radius, min_radius, stop_accuracy, stop_loss,
                 max_trials, max_moves, time_limit, callback):  # fmt: skip
        self.name, self.net, self.theta, self.seed = name, net, theta, seed
        self.radius = as_real(name, "radius", radius, low=0, strict=True)
        self.min_radius = as_real(name, "min_radius", min_radius, low=0, strict=True)
        self.stop_accuracy = as_real(name, "stop_accuracy", stop_accuracy, low=0)
        self.stop_loss = np.inf if stop_loss is None else as_real(
            name, "stop_loss", stop_loss, low=0)  # fmt: skip
        self.max_trials = as_positive_int(name, "max_trials", max_trials)
        self.max_moves = as_positive_int(name, "max_moves", max_moves)
        self.time_limit = np.inf if time_limit is None else as_real(
            name, "time_limit", time_limit, low=0)  # fmt: skip
        if callback is not None:
            if not callable(callback):
                message = f"{name}: `callback` must be callable; got {type(callback).__name__}."
                raise TypeError(message)
            inspect.signature(callback)
        self.callback = callback
        self.trials = self.moves = self.halvings = 0
        self.status = None
        self.started = time.perf_counter()

    @property
    def trials_left(self):
        return self.max_trials - self.trials

    def time_is_up(self):
        return time.perf_counter() - self.started > self.time_limit

    def goes_on(self, search, interrupts, line):
        """Whether no limit is reached; the status says which one was."""
        if self.status is None:
            if search.accuracy() >= self.stop_accuracy and search.loss <= self.stop_loss:
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
                line.show(f"{self.name}: loss {search.loss:.4g}, {self.trials:,} trials")
        return self.status is None

    def halve(self):
        if self.radius / 2 < self.min_radius:
            self.status = 4
        else:
            self.radius /= 2
        self.halvings += 1

    def moved(self, search):
        self.moves += 1
        if self.callback is None:
            return
        try:
            self.callback(self._result(search, self.theta, 0, ""))
        except StopIteration:
            self.status = 99

    def _result(self, search, theta, status, message):
        return NetworkSearch(
            self.net, theta, search.loss, search.accuracy(), self.trials, self.moves, self.radius,
            self.seed, status, message,
        )  # fmt: skip

    def result(self, search):
        status = self.status
        assert status is not None
        message = MESSAGES[status].format(
            accuracy=search.accuracy(), loss=search.loss, radius=self.radius
        )
        if status:
            warnings.warn(f"{self.name}: {message}", ConvergenceWarning, stacklevel=3)
        return self._result(search, self.theta, status, message)


def _checked(name, net, X, y):
    if not isinstance(net, Network):
        message = f"{name}: `net` must be a network, Linear or LeNet; got {type(net).__name__}."
        raise TypeError(message)
    return net._examples(name, X, y)


def _start(name, net, theta0, rng):
    """A copy of the start, and the seed."""
    seed = as_seed(rng)
    if theta0 is None:
        return net.draw(seed, 0).copy(), seed
    theta = net._checked(name, theta0).copy()
    if not np.isfinite(theta).all():
        message = f"{name}: `theta0` must be finite; got NaN or inf."
        raise ValueError(message)
    return theta, seed
