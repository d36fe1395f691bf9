"""Pattern search on the weights of a network."""

from __future__ import annotations

from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine
from otopt._core.validation import as_flag, as_positive_int

from ._run import Run

__all__ = ["pattern_search"]


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
    run = Run(
        name, net, X, y, theta0, rng, radius=radius, min_radius=min_radius,
        stop_accuracy=stop_accuracy, stop_loss=stop_loss, max_trials=max_trials,
        max_moves=max_moves, time_limit=time_limit, callback=callback,
    )  # fmt: skip
    if batch is None:
        batch = max(1, 10_000 // len(run.X) - 1)
    batch = as_positive_int(name, "batch", batch)
    search, end = run.search, 2 * len(run.theta)
    opportunistic = as_flag(name, "opportunistic", opportunistic)
    progress = as_flag(name, "progress", progress, optional=True)
    with StatusLine(progress) as line, Interrupts() as interrupts:
        while run.goes_on(interrupts, line):
            place, order = 0, run.moves + run.halvings
            while run.goes_on(interrupts, line):
                last = min(place + batch, end, place + run.trials_left)
                move, tried = search.poll(place, last, run.radius, opportunistic, run.seed, order)
                run.trials += tried
                place = last
                if move is not None:
                    search.commit(*move)
                    run.moved()
                    break
                if place == end:
                    run.halve()
                    break
    return run.result()
