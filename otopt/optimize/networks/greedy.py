"""Greedy search on the weights of a network."""

from __future__ import annotations

import numpy as np

from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine
from otopt._core.validation import as_flag, as_positive_int

from ._run import Run

__all__ = ["greedy_search"]


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
    run = Run(
        name, net, X, y, theta0, rng, radius=radius, min_radius=min_radius,
        stop_accuracy=stop_accuracy, stop_loss=stop_loss, max_trials=max_trials,
        max_moves=max_moves, time_limit=time_limit, callback=callback,
    )  # fmt: skip
    batch = as_positive_int(name, "batch", max(1, 2000 // len(run.X)) if batch is None else batch)
    patience = as_positive_int(name, "patience", patience)
    normal = np.random.Generator(np.random.Philox(key=(run.seed, 2)))
    theta, failures = run.theta, 0
    progress = as_flag(name, "progress", progress, optional=True)
    with StatusLine(progress) as line, Interrupts() as interrupts:
        while run.goes_on(interrupts, line):
            best, chosen = run.search.loss, None
            for _ in range(min(batch, run.trials_left)):
                z = normal.standard_normal(len(theta), np.float32)
                candidate = theta + np.float32(run.radius) * z
                loss = net.loss(candidate, run.X, run.y)
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
            run.search.refresh()
            run.moved()
    return run.result()
