"""Guess and check by ask and tell: which candidates came, and which of them passed."""

from __future__ import annotations

from typing import Any

import numpy as np

from otopt._core.validation import as_floats, as_integer, as_positive_int

from . import _checkpoint
from ._acceptance import acceptance
from ._candidates import Source, accepts
from ._digest import digest
from ._inputs import as_bounds
from ._loop import MESSAGES
from ._result import new_result
from ._seeds import as_seed

__all__ = ["GuessAndCheck"]

NAME = "guess_and_check"


class GuessAndCheck:
    """Guess and check by ask and tell, for those who evaluate by their own means.

    Parameters
    ----------
    bounds, sampler, accept, n_accept, rng : optional
        See `guess_and_check`.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules of `guess_and_check`.

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
            self.accept = accept
        else:
            self.accept = _as_level(accept)
        self.n_accept: Any = as_positive_int(NAME, "n_accept", n_accept)
        self.seed = as_seed(NAME, rng)
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

        Raises
        ------
        ValueError, TypeError
            For an index that is no integer >= 0.
        """
        index = as_integer("GuessAndCheck.candidate", "index", index, low=0, below=2**63)
        return self.source(index, 1)[0]

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

        Raises
        ------
        ValueError, TypeError
            For a count that is no integer >= 1.
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
        ValueError, TypeError
            There are too few or too many of them, or they are no real numbers.
        """
        values = np.atleast_1d(as_floats("GuessAndCheck.tell", "values", values, any_size=True))
        if values.ndim != 1 or len(values) != self._asked:
            message = (
                f"GuessAndCheck.tell: `values` must hold {self._asked} values; got shape "
                f"{values.shape}."
            )
            raise ValueError(message)
        for value in values:
            if self.done:
                break
            if accepts(self.accept, value):
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
        self.failed += sum(index < self.checked for index in checked.failed)
        if checked.best[1] < self.checked:
            self.best = min(self.best, checked.best)

    def _digest(self, args, examples, combine):
        """What a file must agree with."""
        law = self.seed, self.lower, self.upper, self.source.sampler
        return digest(NAME, law, self.accept, args, examples, combine)

    def _restore(self, path, known_by):
        """Go on where a file says, if there is one."""
        known = _checkpoint.read(NAME, path, known_by)
        if known is None:
            return
        self.indices = [int(i) for i in known["indices"]]
        self.values = [float(v) for v in known["values"]]
        self.checked, self.nfev, self.failed = (int(i) for i in known["counts"])
        self.best = (float(known["best"][0]), int(known["best"][1]))
        if self.done:  # fewer are asked for than the file holds
            del self.indices[self.n_accept :], self.values[self.n_accept :]
            self.checked = self.indices[-1] + 1

    def _save(self, path, known_by):
        """Write what `_restore` reads."""
        if path is None:
            return
        _checkpoint.write(
            NAME, path, known_by, indices=np.array(self.indices, np.int64),
            values=np.array(self.values), counts=[self.checked, self.nfev, self.failed],
            best=np.array(self.best, float),
        )  # fmt: skip

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
            4: f"None of {self.checked} candidates had a finite value; draw them where `fun` is "
            "defined.",
        }.get(status) or MESSAGES[status].format(reason=reason, time_limit=time_limit)  # fmt: skip
        return new_result(
            x=self.candidate(index) if index >= 0 else None, fun=value, success=status == 0,
            status=status, message=message, nfev=self.nfev or self.checked, nit=self.checked,
            accepted=found if self.source.sampler else np.array(found).reshape(-1, len(self.lower)),
            indices=np.array(self.indices, np.int64), accepted_fun=np.array(self.values),
            rate=rate, rate_interval=interval, seed=self.seed, nfail=self.failed,
        )  # fmt: skip


def _as_level(accept):
    """The largest value that is accepted: any float but NaN."""
    rule = f"{NAME}: `accept` must be a number that is not NaN, a callable or None; got {accept!r}."
    try:
        level = float(as_floats(NAME, "accept", accept, any_size=True))
    except (TypeError, ValueError):
        raise TypeError(rule) from None
    if np.isnan(level):
        raise ValueError(rule)
    return level
