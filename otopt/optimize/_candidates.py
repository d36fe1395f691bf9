"""Candidates by index, and the check of a range of them: all that a worker needs."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from otopt._backend import kernels

from ._objective import as_number, check_shape

__all__ = ["Checked", "Checker", "Source", "accepts"]

PASSED_ON = (TypeError, ValueError, AttributeError, NameError)  # a mistake, wherever it shows


class Source:
    """Candidate i as a function of the seed and i: uniform in a box, or what a sampler draws."""

    def __init__(self, seed, lower, upper, sampler=None):
        self.seed, self.sampler = seed, sampler
        self.lower, self.upper = np.array(lower, float), np.array(upper, float)

    def __call__(self, first, count):
        """Candidates first..first + count - 1 as rows."""
        if self.sampler is not None:
            return [self._drawn(i, self.sampler) for i in range(first, first + count)]
        indices = np.arange(first, first + count, dtype=np.uint64)
        unit = kernels("philox").unit64(self.seed, indices, len(self.lower))
        # Rounding may reach past a bound.
        return np.minimum(self.lower + unit * (self.upper - self.lower), self.upper)

    def _drawn(self, index, sampler):
        return sampler(np.random.Generator(np.random.Philox(key=(self.seed, index))))


def accepts(accept, value):
    """Whether a value that is not NaN passes: up to the number, or as the callable says."""
    if accept is None or np.isnan(value):
        return False
    return bool(accept(value) if callable(accept) else value <= accept)


class Checked(NamedTuple):
    """What came of a range of candidates."""

    indices: Any  # of the accepted ones
    values: Any  # and their values
    nfev: int
    failed: Any  # indices of those that raised or gave NaN
    error: Any  # the first exception
    best: Any  # (value, index) of the best one that was evaluated in full


class Checker:
    """Evaluates and judges candidates; goes to other processes, so it holds no state."""

    def __init__(self, function, source, fun, args, accept, examples, combine, vectorized):
        self.function, self.source, self.fun, self.args = function, source, fun, args
        self.accept, self.examples = accept, examples
        self.combine, self.vectorized = combine, vectorized

    def __call__(self, span):
        """Check candidates span[0]..span[0] + span[1] - 1, or fewer once span[2] are accepted."""
        first, count, wanted = span
        candidates = self.source(first, count)
        if self.vectorized:
            return self._together(first, candidates)
        return self._one_by_one(first, candidates, wanted)

    def _one_by_one(self, first, candidates, wanted):
        indices, values, nfev, failed, error = [], [], 0, [], None
        best = (np.inf, -1)
        for index, x in enumerate(candidates, first):
            total, fits = 0.0, True
            try:
                for example in self.examples if self.examples is not None else (None,):
                    nfev += 1
                    point = np.array(x, copy=True) if isinstance(x, np.ndarray) else x
                    rest = self.args if self.examples is None else (example, *self.args)
                    value = as_number(self.function, self.fun(point, *rest))
                    fits, total = self._judge(value, total)
                    if not fits:
                        break
            except PASSED_ON:
                raise
            except Exception as problem:  # noqa: BLE001 (a failed evaluation is a rejection)
                failed.append(index)
                error = error or problem
                continue
            if np.isnan(total):
                failed.append(index)
            if self.examples is None or fits:
                best = min(best, (total if not np.isnan(total) else np.inf, index))
            if fits:
                indices.append(index)
                values.append(total)
                if len(indices) >= wanted:
                    break
        return Checked(indices, values, nfev, failed, error, best)

    def _judge(self, value, total):
        """Whether the candidate is still in, and its value so far."""
        if self.examples is not None and self.combine == "sum":
            if value < 0:
                message = (
                    f"{self.function}: `fun` must be non-negative where `combine` is 'sum', or "
                    f"nothing could be rejected early; got {value}."
                )
                raise ValueError(message)
            return total + value <= self.accept, total + value
        fits = accepts(self.accept, value)
        if self.examples is None:
            return fits, value
        return fits, total + value

    def _together(self, first, candidates):
        alive = np.arange(len(candidates))
        X = np.asarray(candidates, float)
        total, nfev, failed, error = np.zeros(len(X)), 0, [], None
        best = (np.inf, -1)
        for example in self.examples if self.examples is not None else (None,):
            if not len(alive):
                break
            rest = self.args if self.examples is None else (example, *self.args)
            nfev += len(alive)
            values, problem = self._values(X[alive], rest)
            error = error or problem
            failed += [first + int(i) for i in alive[np.isnan(values)]]
            judged = [self._judge(v, t) for v, t in zip(values, total[alive], strict=True)]
            total[alive] = [t for _, t in judged]
            fits = np.array([f for f, _ in judged], bool)
            everyone, alive = alive, alive[fits]
            if self.examples is None:
                finite = np.where(np.isnan(values), np.inf, values)
                place = int(np.argmin(finite))
                best = (float(finite[place]), first + int(everyone[place]))
        if self.examples is not None:
            places = [(float(total[i]), first + int(i)) for i in alive]
            best = min(places, default=(np.inf, -1))
        indices = [first + int(i) for i in alive]
        return Checked(indices, [float(v) for v in total[alive]], nfev, failed, error, best)

    def _values(self, X, rest):
        """Values at the rows of X, NaN where `fun` raises, and the first exception."""
        try:
            returned = self.fun(X.T.copy(), *rest)
            return check_shape(self.function, returned, len(X)).astype(float), None
        except PASSED_ON:
            raise
        except Exception as problem:  # noqa: BLE001 (a failed evaluation is a rejection)
            if len(X) == 1:
                return np.full(1, np.nan), problem
        # By halves, until the one that raises is alone: it rejects no other.
        half = len(X) // 2
        (left, first), (right, second) = self._values(X[:half], rest), self._values(X[half:], rest)
        return np.concatenate([left, right]), first or second
