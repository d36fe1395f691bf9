"""Guess and check: draw candidates, keep those that pass."""

from __future__ import annotations

import operator
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine
from otopt._core.validation import as_choice, as_positive_int, as_real

from ._acceptance import acceptance
from ._candidates import Checker, Source
from ._inputs import as_bounds, as_start
from ._loop import MESSAGES, Stop, call_back
from ._objective import as_workers
from ._result import new_result

__all__ = ["GuessAndCheck", "guess_and_check"]

NAME = "guess_and_check"
COMBINE = ("all", "sum")
LARGEST = 65536  # candidates in a chunk
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
        ``fun`` takes an array (n, S), one candidate a column, and returns S values.
    callback : callable, optional
        ``callback(intermediate_result)`` or ``callback(x)`` between chunks. Raise `StopIteration`
        to stop.
    checkpoint : path-like, optional
        File that says how far the search is; called again with the same arguments, it goes on.
    progress : bool, optional
        Show a status line; by default on a terminal once two seconds have passed.
    tol, jac, hess, hessp, constraints : None
        Not used; there so that this is a method for `scipy.optimize.minimize`.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With `x` and `fun` (the accepted candidate of least value, or the best one where none was
        accepted), `success`, `status` (0 enough accepted, or all candidates checked where `accept`
        is None, 1 `max_candidates`, 3 time, 5 workers died, 98 Ctrl-C, 99 callback), `message`,
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
        if value is not None and value != ():
            message = f"{NAME}: `{name}` is not used; got {value!r}; say so by `accept`."
            raise ValueError(message)
    guesser = GuessAndCheck(bounds, sampler=sampler, accept=accept, rng=rng)
    if x0 is not None and sampler is None and len(as_start(NAME, x0)) != len(guesser.lower):
        message = (
            f"{NAME}: `bounds` must have one pair for every entry of `x0`; got "
            f"{len(guesser.lower)} pairs for {len(as_start(NAME, x0))} entries."
        )
        raise ValueError(message)
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
    confidence = as_real(NAME, "confidence", confidence, low=0.0, strict=True)
    if confidence >= 1:
        message = f"{NAME}: `confidence` must be below 1; got {confidence}."
        raise ValueError(message)
    guesser.n_accept = as_positive_int(NAME, "n_accept", n_accept)
    if accept is None:
        guesser.n_accept = np.inf
    limit = _as_candidates(max_candidates)
    time_limit = None if time_limit is None else as_real(NAME, "time_limit", time_limit, low=0.0)
    checker = Checker(
        NAME, guesser.source, fun, args, guesser.accept,
        None if examples is None else list(examples), combine, vectorized,
    )  # fmt: skip
    guesser._restore(checkpoint)
    status, reason = _drive(
        guesser, checker, limit, workers, time_limit, callback, checkpoint, progress
    )
    return guesser.result(status, reason, limit, time_limit, confidence)


class GuessAndCheck:
    """Guess and check by ask and tell, for those who evaluate by their own means.

    Parameters
    ----------
    bounds, sampler, accept, n_accept, rng : optional
        See `guess_and_check`.

    Examples
    --------
    >>> import otopt
    >>> guesser = otopt.GuessAndCheck([(0, 1)], accept=0.2, n_accept=3, rng=5)
    >>> while not guesser.done:
    ...     guesser.tell([float(x[0]) for x in guesser.ask(4)])
    >>> len(guesser.indices), bool(guesser.candidate(guesser.indices[0])[0] <= 0.2)
    (3, True)
    """

    def __init__(self, bounds=None, *, sampler=None, accept=None, n_accept=1, rng=None):
        if (bounds is None) == (sampler is None):
            given = "both" if bounds is not None else "neither"
            message = f"{NAME}: one of `bounds` and `sampler` must be given; got {given}."
            raise ValueError(message)
        if sampler is not None and not callable(sampler):
            message = f"{NAME}: `sampler` must be callable; got {type(sampler).__name__}."
            raise TypeError(message)
        self.lower, self.upper = np.empty(0), np.empty(0)
        if bounds is not None:
            self.lower, self.upper = as_bounds(NAME, bounds)
            if not np.isfinite([self.lower, self.upper]).all() or not len(self.lower):
                message = (
                    f"{NAME}: `bounds` must be finite, one pair at least; got {bounds!r}; give a "
                    "`sampler` for other laws."
                )
                raise ValueError(message)
        if accept is None or callable(accept):
            self.accept = -np.inf if accept is None else accept
        else:
            self.accept = float(accept)
            if np.isnan(self.accept):
                message = f"{NAME}: `accept` must not be NaN."
                raise ValueError(message)
        self.n_accept: Any = as_positive_int(NAME, "n_accept", n_accept)
        self.seed = _as_seed(rng)
        self.source = Source(self.seed, self.lower, self.upper, sampler)
        self.checked = self.nfev = self.failed = 0
        self.indices, self.values = [], []
        self.best = (np.inf, -1)
        self._asked = 0

    @property
    def done(self):
        """Whether enough candidates were accepted."""
        return len(self.indices) >= self.n_accept

    def candidate(self, index):
        """Return candidate number `index`.

        Parameters
        ----------
        index : int
            From 0.

        Returns
        -------
        ndarray, shape (n,), or what the sampler returns
            The same one for the same seed, always.
        """
        return self.source(operator.index(index), 1)[0]

    def ask(self, count=1):
        """Return the next candidates.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        ndarray, shape (count, n), or a list
            The same ones until `tell` was called.
        """
        self._asked = as_positive_int("GuessAndCheck.ask", "count", count)
        return self.source(self.checked, self._asked)

    def tell(self, values):
        """Hand over the values of the candidates that `ask` returned.

        Parameters
        ----------
        values : array_like, shape (count,)
            In the order of the candidates; NaN is a rejection.

        Raises
        ------
        ValueError
            There are too few or too many of them.
        """
        values = np.array(values, float, ndmin=1)
        if len(values) != self._asked:
            message = (
                f"GuessAndCheck.tell: `values` must hold {self._asked} values; got {len(values)}."
            )
            raise ValueError(message)
        checker = Checker(NAME, None, None, (), self.accept, None, "all", vectorized=False)
        for value in values:
            if self.done:
                break
            if checker._accepts(value):
                self.indices.append(self.checked)
                self.values.append(float(value))
            if value < self.best[0]:
                self.best = (float(value), self.checked)
            self.checked += 1
        self._asked = 0

    def _add(self, first, count, checked):
        """Take over what was found among candidates first..first + count - 1, in their order."""
        room = self.n_accept - len(self.indices)
        taken = int(min(room, len(checked.indices)))
        self.indices += checked.indices[:taken]
        self.values += checked.values[:taken]
        self.checked = checked.indices[taken - 1] + 1 if self.done else first + count
        self.nfev += checked.nfev
        self.failed += checked.failed
        if checked.best[1] < self.checked:
            self.best = min(self.best, checked.best)

    def _restore(self, path):
        """Go on where a file says, if there is one."""
        if path is None or not Path(path).exists():
            return
        with np.load(path) as file:
            if str(file["digest"]) != self._digest():
                message = (
                    f"{NAME}: `checkpoint` must come from a search with the same arguments; {path} "
                    "does not; delete it to start anew."
                )
                raise ValueError(message)
            self.indices = [int(i) for i in file["indices"]]
            self.values = [float(v) for v in file["values"]]
            self.checked, self.nfev, self.failed = (int(i) for i in file["counts"])
            self.best = (float(file["best"][0]), int(file["best"][1]))
        if self.done:  # fewer are asked for than the file holds
            del self.indices[self.n_accept :], self.values[self.n_accept :]
            self.checked = self.indices[-1] + 1

    def _save(self, path):
        """Write what `_restore` reads, in one step."""
        if path is None:
            return
        partial = Path(str(path) + ".partial")
        with partial.open("wb") as file:
            np.savez(
                file, digest=self._digest(), indices=np.array(self.indices, np.int64),
                values=np.array(self.values), counts=[self.checked, self.nfev, self.failed],
                best=np.array(self.best, float),
            )  # fmt: skip
        partial.replace(path)

    def _digest(self):
        accept = "callable" if callable(self.accept) else repr(self.accept)
        return repr((self.seed, self.lower.tolist(), self.upper.tolist(), accept))

    def result(self, status=0, reason="", limit=None, time_limit=None, confidence=0.95):
        """Return what is known so far.

        Parameters
        ----------
        status, reason, limit, time_limit, confidence : optional
            How the search ended.

        Returns
        -------
        scipy.optimize.OptimizeResult
            See `guess_and_check`.
        """
        found = [self.candidate(i) for i in self.indices]
        value, index = self.best
        if self.indices:
            place = int(np.argmin(self.values))
            value, index = self.values[place], self.indices[place]
        rate, interval = acceptance(
            len(self.indices), self.checked, ends_with_accepted=self.done, confidence=confidence
        )
        message = {
            0: f"{len(self.indices)} candidates accepted of {self.checked} checked.",
            1: f"{len(self.indices)} candidates accepted of {self.checked} checked, all that "
            "`max_candidates` allows; raise it to go on, or accept more.",
        }.get(status) or MESSAGES[status].format(reason=reason, time_limit=time_limit)  # fmt: skip
        return new_result(
            x=self.candidate(index) if index >= 0 else None, fun=value, success=status == 0,
            status=status, message=message, nfev=self.nfev or self.checked, nit=self.checked,
            accepted=found if self.source.sampler else np.array(found).reshape(-1, len(self.lower)),
            indices=np.array(self.indices, np.int64), accepted_fun=np.array(self.values),
            rate=rate, rate_interval=interval, seed=self.seed, nfail=self.failed,
        )  # fmt: skip


def _drive(guesser, checker, limit, workers, time_limit, callback, checkpoint, progress):
    """Check chunk after chunk, in order; status and reason."""
    count, given = as_workers(NAME, workers)
    mapping: Any = given
    started = saved = time.monotonic()
    pool, size, width = None, 16, count or 8
    if count and count > 1:
        pool = ProcessPoolExecutor(count)
        mapping = pool.map
    if not guesser.checked and limit:  # what it raises on the first one is the user's to see
        _check_first(checker, guesser)
    try:
        with Interrupts() as interrupts, StatusLine(progress) as line:
            while not guesser.done and guesser.checked < limit:
                begun = time.monotonic()
                wanted = guesser.n_accept - len(guesser.indices)
                spans = _spans(guesser.checked, size, width if mapping else 1, limit, wanted)
                for span, checked in zip(spans, (mapping or map)(checker, spans), strict=False):
                    if not guesser.done:
                        guesser._add(*span[:2], checked)
                took = max(time.monotonic() - begun, 1e-6)
                size = int(min(max(size * min(AIM / took, 4.0), 1), LARGEST))
                line.show(f"{NAME}: {guesser.checked} checked, {len(guesser.indices)} accepted")
                if interrupts.requested:
                    return 98, ""
                if callback is not None:
                    call_back(callback, guesser.result())
                if time_limit is not None and time.monotonic() - started > time_limit:
                    return (0 if guesser.done else 3), ""
                if time.monotonic() - saved > 30:
                    guesser._save(checkpoint)
                    saved = time.monotonic()
    except Stop as stop:
        return stop.status, stop.reason
    except BrokenExecutor as error:
        return 5, str(error)
    except KeyboardInterrupt:
        return 98, ""
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
        guesser._save(checkpoint)
    return (0 if guesser.done or guesser.accept == -np.inf else 1), ""


def _check_first(checker, guesser):
    checked = checker((0, 1, 1))
    if checked.error is not None:
        raise checked.error
    guesser._add(0, 1, checked)


def _spans(first, size, width, limit, wanted):
    starts = range(first, min(first + size * width, limit), size)
    return [(start, min(size, limit - start), wanted) for start in starts]


def _as_seed(rng):
    """The key of the stream."""
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool):
        if not 0 <= rng < 2**64:
            message = f"{NAME}: `rng` must be an integer in [0, 2^64) or a generator; got {rng}."
            raise ValueError(message)
        return int(rng)
    return int(np.random.default_rng(rng).integers(2**64, dtype=np.uint64))


def _as_candidates(value):
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return 0 if value == 0 else as_positive_int(NAME, "max_candidates", value)
