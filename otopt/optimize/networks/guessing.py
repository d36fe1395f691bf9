"""Guess-and-check on the weights of a network with two classes."""

from __future__ import annotations

import itertools
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from otopt._backend import kernels
from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine
from otopt._core.validation import as_flag, as_integer, as_positive_int, as_real, as_threads
from otopt.errors import ConvergenceWarning
from otopt.optimize._acceptance import acceptance, as_confidence
from otopt.optimize._inputs import as_count
from otopt.optimize._seeds import as_seed

from ._checks import check_network
from .models import Network

__all__ = ["NetworkSamples", "guess_and_check"]

NAME = "guess_and_check"
FIRST, LARGEST = 256, 65536  # draws in a chunk
AIM = 0.2  # seconds a chunk should take
MESSAGES = {
    0: "As many networks were accepted as were asked for.",
    1: "Stopped at max_candidates = {limit} with {found} of {wanted} networks; the rate is {rate}.",
    3: "Stopped at time_limit with {found} of {wanted} networks; the rate is {rate}.",
    98: "Stopped by Ctrl-C with {found} of {wanted} networks.",
}


@dataclass(frozen=True)
class NetworkSamples:
    """Networks that fit the examples: independent samples of the prior given that.

    Attributes
    ----------
    net : Network
    seed : int
        Of the random numbers.
    indices : ndarray of int, shape (k,)
        Index of the draw that each network is, ascending.
    swaps : ndarray of bool, shape (k,)
        Whether it is the draw with its output units exchanged.
    losses : ndarray, shape (k,)
        Normalised losses, as `Network.loss`.
    n_checked : int
        Candidates that were judged: two a draw.
    rate : float
        Unbiased estimate of the probability that a candidate is accepted.
    rate_interval : (float, float)
        Its exact confidence interval.
    status : int
        0 as many as asked for, 1 `max_candidates`, 3 time, 98 Ctrl-C.
    message : str

    Examples
    --------
    >>> import numpy as np
    >>> from otopt.optimize import networks
    >>> X, y = np.array([[-1.0], [1.0]]), np.array([0, 1])
    >>> found = networks.guess_and_check(networks.Linear(1), X, y, n_accept=3, rng=0)
    >>> [found.net.accuracy(found.theta(i), X, y) for i in range(3)]
    [1.0, 1.0, 1.0]
    """

    net: Network
    seed: int
    indices: np.ndarray = field(repr=False)
    swaps: np.ndarray = field(repr=False)
    losses: np.ndarray = field(repr=False)
    n_checked: int
    rate: float
    rate_interval: tuple
    status: int
    message: str

    @property
    def success(self) -> bool:
        """Whether as many networks were found as were asked for."""
        return self.status == 0

    def __len__(self):
        return len(self.indices)

    def theta(self, i):
        """Draw network i again from its index.

        Parameters
        ----------
        i : int
            Below the number of networks.

        Returns
        -------
        ndarray of float32, shape (net.size,)
            Parameters.

        Raises
        ------
        ValueError, TypeError
            For an index that is none.
        """
        i = as_integer("theta", "i", i, low=0, below=len(self))
        return self.net.draw(self.seed, int(self.indices[i]), bool(self.swaps[i]))


def guess_and_check(
    net,
    X,
    y,
    *,
    n_accept=1,
    loss_bin=(None, None),
    max_candidates=10**9,
    time_limit=None,
    start=0,
    confidence=0.95,
    rng=None,
    workers=1,
    progress=None,
):
    r"""Draw networks at random until some classify every example right.

    .. math:: \theta_0, \theta_1, \dots \sim U[-1, 1)^P\ \text{independent; keep}\ \theta_i\
        \text{where}\ \arg\max f_{\theta_i}(x_j) = y_j\ \text{for all}\ j

    Parameters
    ----------
    net : Linear or LeNet
        With two classes.
    X : array_like, shape (n, ...)
        Examples, standardised as the network shall see them; computed with in float32.
    y : array_like of int, shape (n,)
        Classes, 0 and 1.
    n_accept : int
        Stop with that many networks.
    loss_bin : (float or None, float or None)
        Keep only networks whose normalised loss is above the first and at most the second number.
    max_candidates : int
        Judge no more than that, at least 2.
    time_limit : float, optional
        Seconds, looked at between chunks of about 0.2 seconds.
    start : int
        Index of the first draw: to go on, give the last one's index plus 1.
    confidence : float
        Of `NetworkSamples.rate_interval`, in (0, 1).
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        An integer below 2^64 is the seed of the counter-based stream itself.
    workers : int
        Threads; -1 for as many as there are cores. Changes the speed, never the answer.
    progress : bool, optional
        Show a status line; by default on a terminal once two seconds have passed.

    Returns
    -------
    NetworkSamples
        Indices and losses of the networks; the networks themselves by `NetworkSamples.theta`.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        If fewer networks were found than asked for.

    Notes
    -----
    Every example is looked at only as long as all before it are classified right; examples of the
    two classes alternate, because a network at random tends to give all the same class. The prior
    does not change when the two output units are exchanged, and of a network and its mirror image
    exactly one can be right on the first example: one evaluation judges both, and what is accepted
    is still independent. Time is about one draw of P random numbers and between one and two
    forward passes of two examples for two candidates, whatever n; how many candidates a network
    takes grows quickly with n. Fails, with status 1, where no network of this kind fits.

    Numbers come from Philox4x32-10 [1]_ with the index of the draw in the counter, so the accepted
    networks are the same for any number of workers.

    References
    ----------
    .. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
       1, 2, 3", SC 2011, :doi:`10.1145/2063384.2063405`.

    Examples
    --------
    >>> import numpy as np
    >>> from otopt.optimize import networks
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.8, 0.1]])
    >>> net = networks.Linear(2)
    >>> res = networks.guess_and_check(net, X, [0, 1, 0, 1], n_accept=100, rng=0)
    >>> net.accuracy(res.theta(0), X, [0, 1, 0, 1])
    1.0
    >>> bool(res.rate_interval[0] < res.rate < res.rate_interval[1])
    True
    """
    check_network(NAME, net)
    if net.classes != 2:
        message = (
            f"{NAME}: `net` must have 2 classes, which early rejection relies on; got "
            f"{net.classes}; use pattern_search for more."
        )
        raise ValueError(message)
    X, y = net._examples(NAME, X, y)
    wanted = as_positive_int(NAME, "n_accept", n_accept)
    limit = as_positive_int(NAME, "max_candidates", max_candidates)
    if limit < 2:
        message = f"{NAME}: `max_candidates` must be at least 2, a network and its mirror; got 1."
        raise ValueError(message)
    low, high = _as_bin(loss_bin)
    if time_limit is not None:
        time_limit = as_real(NAME, "time_limit", time_limit, low=0)
    start = as_count(NAME, "start", start)
    if start + limit // 2 >= 2**62:
        message = f"{NAME}: `start` must be below 2^62 with what follows; got {start}."
        raise ValueError(message)
    confidence = as_confidence(NAME, confidence)
    threads = as_threads(NAME, workers)
    seed = as_seed(NAME, rng)

    order = _alternated(y)
    signs = (2 * y[order] - 1).astype(np.float32)
    check = kernels("guess").search(net._kind, net._sizes, X[order], signs, seed, low, high)
    progress = as_flag(NAME, "progress", progress, optional=True)
    with StatusLine(progress) as line, Interrupts() as interrupts:
        found, end, status = _collect(
            check, start, start + limit // 2, wanted, threads, time_limit, interrupts, line
        )
    draws = end - start
    if draws == 0:
        rate, interval = float("nan"), (0.0, 1.0)
    else:
        rate, interval = acceptance(
            len(found[0]), draws, ends_with_accepted=status == 0, confidence=confidence
        )
    rate, interval = rate / 2, (interval[0] / 2, interval[1] / 2)
    message = MESSAGES[status].format(
        limit=limit, found=len(found[0]), wanted=wanted, rate=f"{rate:.2g}"
    )
    if status:
        warnings.warn(f"{NAME}: {message}", ConvergenceWarning, stacklevel=2)
    indices, swaps, losses = found
    return NetworkSamples(
        net, seed, indices, swaps, losses, 2 * draws, rate, interval, status, message
    )


def _alternated(y):
    """An order of the examples in which the classes alternate as long as there are both."""
    rank = np.empty(len(y), int)
    for label in (0, 1):
        members = np.flatnonzero(y == label)
        rank[members] = 2 * np.arange(len(members)) + label
    return np.argsort(rank, kind="stable")


def _collect(check, first, last, wanted, threads, time_limit, interrupts, line):
    """Chunks in order, until enough are found; the found ones, where it ended, and the status."""
    started = time.perf_counter()
    parts, count, chunk, status = [], 0, FIRST, 1
    with ThreadPoolExecutor(threads) as pool:
        while first < last:
            if interrupts.requested or (
                time_limit is not None and time.perf_counter() - started > time_limit
            ):
                status = 98 if interrupts.requested else 3
                break
            cuts = [min(first + i * chunk, last) for i in range(threads + 1)]
            spans = [(a, b) for a, b in itertools.pairwise(cuts) if a < b]
            began = time.perf_counter()
            run = map if threads == 1 else pool.map
            starts, ends = zip(*spans, strict=True)
            results = run(check, starts, ends, [wanted - count] * len(spans))
            for span, part in zip(spans, results, strict=True):
                need = wanted - count
                parts.append(tuple(column[:need] for column in part[:3]))
                count += len(parts[-1][0])
                first = span[1]
                if count == wanted:
                    first = int(parts[-1][0][-1]) + 1
                    break
            if count == wanted:
                status = 0
                break
            line.show(f"guess_and_check: {count} of {wanted} networks, {2 * first:,} candidates")
            if time.perf_counter() - began < AIM / 2:
                chunk = min(2 * chunk, LARGEST)
    none = np.empty(0, np.int64), np.empty(0, bool), np.empty(0)
    columns = zip(*parts, strict=True) if parts else ((part,) for part in none)
    return tuple(np.concatenate(column) for column in columns), first, status


def _as_bin(loss_bin):
    rule = f"{NAME}: `loss_bin` must be (low, high) with low < high, None for no limit"
    try:
        low, high = loss_bin
        low = -np.inf if low is None else float(low)
        high = np.inf if high is None else float(high)
    except (TypeError, ValueError, RuntimeError):
        message = f"{rule}; got {loss_bin!r}."
        raise TypeError(message) from None
    if not low < high:
        message = f"{rule}; got {loss_bin!r}."
        raise ValueError(message)
    return low, high
