"""Guess and check: draw candidates, keep those that pass."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable

import numpy as np

from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine
from otopt._core.validation import as_choice, as_flag, as_positive_int, as_real, check_callback

from ._acceptance import as_confidence
from ._candidates import Checker
from ._checkpoint import INTERVAL
from ._inputs import as_bounds, as_count, as_start
from ._loop import Stop, call_back, ending
from ._workers import Workers
from .guesser import GuessAndCheck

__all__ = ["guess_and_check"]

NAME = "guess_and_check"
COMBINE = ("all", "sum")
FIRST, LARGEST = 16, 65536  # candidates in a chunk
ABREAST = 8  # chunks for a map of the user
AIM = 0.2  # seconds a chunk should take


def guess_and_check(
    fun,
    x0=None,
    args=(),
    *,
    bounds=None,
    sampler=None,
    accept=None,
    examples=None,
    combine="all",
    n_accept=1,
    max_candidates=100_000,
    time_limit=None,
    confidence=0.95,
    rng=None,
    workers=1,
    vectorized=False,
    callback=None,
    checkpoint=None,
    progress=None,
    tol=None,
    jac=None,
    hess=None,
    hessp=None,
    constraints=(),
):
    r"""Draw candidates until some are accepted, and say how probable acceptance is.

    .. math:: x_0, x_1, \dots \sim P\ \text{independent; keep}\ x_i\ \text{where}\
        \mathrm{accept}(f(x_i))

    The accepted candidates are independent samples of P given acceptance.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``, or ``fun(x, example, *args)`` where there are `examples`.
    x0 : array_like, shape (n,), optional
        Only its length is looked at; there for the sake of `scipy.optimize.minimize`.
    args : tuple
        Further arguments of `fun`.
    bounds : scipy.optimize.Bounds or sequence of (low, high)
        Finite; candidates are uniform in this box. This or `sampler` must be given.
    sampler : callable, optional
        ``sampler(rng) -> x`` draws a candidate, anything that `fun` takes.
    accept : float or callable, optional
        The largest value that is accepted, or ``accept(value) -> bool``. By default nothing is, and
        the best of all candidates is the answer.
    examples : sequence, optional
        What a candidate is tried on one by one, until one rejects it: put first what rejects most.
    combine : {"all", "sum"}
        Whether every example must be accepted, or `accept` is a number that the sum of the
        (non-negative) values must not exceed.
    n_accept : int
        Stop with that many accepted.
    max_candidates : int
        Check no more than that.
    time_limit : float, optional
        Seconds, looked at between chunks.
    confidence : float
        Of the interval `rate_interval`, in (0, 1).
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        An integer below 2^64 is the seed of the counter-based stream itself.
    workers : int or map-like callable
        Processes; -1 for as many as there are cores; or ``map`` of a pool. Candidate i depends on
        the seed and i alone, and the accepted ones are those of least index: any number of workers
        finds the same ones.
    vectorized : bool
        ``fun`` takes an array (n, S), one candidate a column, and returns S values. Where it raises
        it gets half of them at a time, down to the one to reject.
    callback : callable, optional
        ``callback(intermediate_result)`` or ``callback(x)`` between chunks. Raise `StopIteration`
        to stop.
    checkpoint : path-like, optional
        File that says how far the search is; called again with the same arguments, it goes on, and
        with others it is refused. Callables (`fun`, `sampler`, `accept`) cannot be compared: give
        another file to other ones.
    progress : bool, optional
        Show a status line; by default on a terminal once two seconds have passed.
    tol, jac, hess, hessp, constraints : None
        Not used; there so that this is a method for `scipy.optimize.minimize`.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With `x` and `fun` (the accepted candidate of least value, or the best one where none was
        accepted), `success`, `status` (0 enough accepted, or all candidates checked where `accept`
        is None, 1 `max_candidates`, 3 time, 4 no candidate had a finite value where `accept` is
        None, 5 workers died, 98 Ctrl-C, 99 callback), `message`,
        `nfev` (with what workers did ahead), `nit` (candidates checked), and

        - `accepted`, `indices`, `accepted_fun`: the accepted candidates, their indices, and their
          values (where there are examples, the sum over them);
        - `rate`, `rate_interval`: an unbiased estimate of the acceptance probability, also where
          the search stops at the last one asked for, and its exact confidence interval;
        - `seed`: of the stream; `GuessAndCheck(..., rng=seed).candidate(i)` is candidate i;
        - `nfail`: candidates that made `fun` raise or return NaN, which are rejected. What it
          raises on the first one, and TypeError and ValueError on any, is passed on.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    RuntimeWarning
        `checkpoint` could no longer be written.

    Notes
    -----
    Numbers come from Philox4x32-10 [1]_ with the seed as its key and the index of the candidate in
    its counter; samplers get NumPy's ``Philox(key=(seed, index))``. No candidate is stored before
    it is accepted. Time is candidates times `fun`; early rejection makes that the examples a
    candidate survives.

    References
    ----------
    .. [1] J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
       1, 2, 3", SC 2011, :doi:`10.1145/2063384.2063405`.

    Examples
    --------
    >>> import otopt
    >>> inside = otopt.guess_and_check(
    ...     lambda x: x @ x, bounds=[(-1, 1), (-1, 1)], accept=1.0, n_accept=500, rng=0
    ... )
    >>> inside.accepted.shape, bool(inside.rate_interval[0] < 0.785398 < inside.rate_interval[1])
    ((500, 2), True)
    """
    for name, value in (("tol", tol), ("constraints", constraints)):
        if value is not None and not (isinstance(value, (tuple, list)) and not value):
            message = f"{NAME}: `{name}` is not used; got {value!r}; say so by `accept`."
            raise ValueError(message)
    if x0 is not None and bounds is not None:  # whose length one pair of Bounds is repeated to
        bounds = list(zip(*as_bounds(NAME, bounds, len(as_start(NAME, x0))), strict=True))
    check_callback(NAME, callback)
    progress = as_flag(NAME, "progress", progress, optional=True)
    vectorized = as_flag(NAME, "vectorized", vectorized)
    if examples is not None and not isinstance(examples, Iterable):
        message = f"{NAME}: `examples` must be a sequence; got {type(examples).__name__}."
        raise TypeError(message)
    guesser = GuessAndCheck(bounds, sampler=sampler, accept=accept, rng=rng)
    if not callable(fun):
        message = f"{NAME}: `fun` must be callable; got {type(fun).__name__}."
        raise TypeError(message)
    as_choice(NAME, "combine", combine, COMBINE)
    if combine == "sum" and (examples is None or not isinstance(guesser.accept, float)):
        message = f"{NAME}: `combine` 'sum' needs `examples` and a number for `accept`."
        raise ValueError(message)
    if examples is not None and accept is None:
        message = f"{NAME}: `accept` must be given where there are `examples`."
        raise ValueError(message)
    confidence = as_confidence(NAME, confidence)
    guesser.n_accept = as_positive_int(NAME, "n_accept", n_accept)
    if accept is None:
        guesser.n_accept = np.inf
    limit = as_count(NAME, "max_candidates", max_candidates)
    time_limit = None if time_limit is None else as_real(NAME, "time_limit", time_limit, low=0.0)
    examples = None if examples is None else list(examples)
    checker = Checker(
        NAME, guesser.source, fun, args, guesser.accept, examples, combine, vectorized
    )
    known_by = "" if checkpoint is None else guesser._digest(args, examples, combine)
    guesser._restore(checkpoint, known_by)
    save = functools.partial(guesser._save, checkpoint, known_by)
    status, reason = _drive(guesser, checker, limit, workers, time_limit, callback, save, progress)
    return guesser.result(status, reason, limit, time_limit, confidence)


def _drive(guesser, checker, limit, workers, time_limit, callback, save, progress):
    """Check chunk after chunk, in order; status and reason."""
    pool = Workers(NAME, workers)
    started = time.monotonic()
    if not guesser.checked and limit:  # what it raises on the first one is the user's to see
        _check_first(checker, guesser)

    def work():
        saved, size = started, FIRST
        with Interrupts() as interrupts, StatusLine(progress) as line, pool:
            while not guesser.done and guesser.checked < limit:
                begun = time.monotonic()
                wanted = guesser.n_accept - len(guesser.indices)
                spans = _spans(guesser.checked, size, pool.count or ABREAST, limit, wanted)
                for span, checked in zip(spans, pool.map(checker, spans), strict=False):
                    if not guesser.done:
                        guesser._add(*span[:2], checked)
                took = max(time.monotonic() - begun, 1e-6)
                size = int(min(max(size * min(AIM / took, 4.0), 1), LARGEST))
                line.show(f"{NAME}: {guesser.checked} checked, {len(guesser.indices)} accepted")
                if interrupts.requested:
                    raise Stop(98)
                if callback is not None:
                    call_back(callback, guesser.result())
                if time_limit is not None and time.monotonic() - started > time_limit:
                    raise Stop(0 if guesser.done else 3)
                if time.monotonic() - saved > INTERVAL:
                    save()
                    saved = time.monotonic()
        return _end(guesser), ""

    try:
        return ending(work)
    finally:
        save()


def _end(guesser):
    """Status once all candidates are checked, or enough of them accepted."""
    if guesser.done:
        return 0
    if guesser.accept is not None or not guesser.checked:
        return 1
    return 0 if guesser.best[1] >= 0 else 4


def _check_first(checker, guesser):
    checked = checker((0, 1, 1))
    if checked.error is not None:
        raise checked.error
    guesser._add(0, 1, checked)


def _spans(first, size, width, limit, wanted):
    starts = range(first, min(first + size * width, limit), size)
    return [(start, min(size, limit - start), wanted) for start in starts]
