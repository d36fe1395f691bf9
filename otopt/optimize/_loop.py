"""The one loop: evaluate, count, time, remember, call back, stop."""

from __future__ import annotations

import inspect
import time
from typing import NamedTuple

import numpy as np

from otopt._core.interrupts import Interrupts
from otopt._core.progress import StatusLine

from ._workers import WorkersDied

__all__ = [
    "MESSAGES",
    "Limits",
    "OutOfBudget",
    "Stop",
    "Values",
    "call_back",
    "drive",
    "ending",
]

MESSAGES = {
    0: "The last poll found nothing better: a local minimum at the final step.",
    1: "The budget of {maxfev} evaluations is used up; raise `maxfev` to go on.",
    2: "The budget of {maxiter} iterations is used up; raise `maxiter` to go on.",
    3: "The time limit of {time_limit} s is over; raise `time_limit` to go on.",
    4: "No point had a finite value; start where the function is defined.",
    5: "A worker process died ({reason}); the best point so far is kept. Look for crashes or lack "
    "of memory in `fun`.",
    6: "`fun` returned -inf, so nothing can be better; let it return nan or inf where it is not "
    "defined.",
    98: "Interrupted; the best point so far is kept.",
    99: "Stopped by the callback.",
}


class Stop(Exception):
    """Ends the loop with a status."""

    def __init__(self, status, reason=""):
        super().__init__(status)
        self.status, self.reason = status, reason


class OutOfBudget(Exception):
    """Fewer evaluations are left than were asked for; what was evaluated is kept."""


class Limits(NamedTuple):
    """When to stop; None is no limit."""

    maxfev: int
    maxiter: int | None = None
    time_limit: float | None = None


class Values:
    """Answers questions with a cache, a budget, and workers that change no answer.

    Where only the first value below a target matters, workers evaluate ahead; values past it wait
    until they are asked for, and only then are they used and counted.
    """

    def __init__(self, objective, to_x, checkpoint, maxfev):
        self.objective, self.to_x, self.checkpoint = objective, to_x, checkpoint
        objective.last_error = checkpoint.error
        self.maxfev, self.nfev, self.hits = maxfev, 0, 0
        self.cache, self.ahead = {}, {}
        self.best, self.best_point = np.inf, None

    def answer(self, question):
        """Values in order, up to the first below the target; or `OutOfBudget`."""
        points, target = question.points, question.target
        values = []
        while len(values) < len(points):
            start = len(values)
            width = 1 if question.again else self.objective.width
            stop = len(points) if target is None or width is None else start + width
            self._prepare(points[start:stop], question.again)
            for point in points[start:stop]:
                value = self._use(point, question.again)
                values.append(value)
                if target is not None and value < target:
                    return np.array(values)
        return np.array(values)

    def _prepare(self, points, again):
        """Evaluate at once what the cache, the checkpoint and earlier work do not hold."""
        recorded = max(len(self.checkpoint.known_values) - self.nfev, 0)
        new = {}
        for point in points:
            key = point.tobytes()
            if (key not in self.cache or again) and key not in self.ahead:
                new.setdefault(key, point)
        wanted = list(new.values())[recorded : self.maxfev - self.nfev]
        if wanted:
            values = self.objective(np.array([self.to_x(point) for point in wanted]))
            self.ahead |= {p.tobytes(): float(v) for p, v in zip(wanted, values, strict=True)}

    def _use(self, point, again):
        key = point.tobytes()
        if key in self.cache and not again:
            self.hits += 1
            return self.cache[key]
        if self.nfev >= self.maxfev:
            raise OutOfBudget
        value = self.checkpoint.recall(point)
        if value is None:
            if key not in self.ahead:
                self._prepare(point[None], again)
            value = self.ahead.pop(key)
        else:
            self.objective.recall(value)
        self.nfev += 1
        self.checkpoint.record(point, value, self.objective.last_error)
        self.cache[key] = value
        if value < self.best:
            self.best, self.best_point = value, point.copy()
        return value


def call_back(callback, result):
    """Call it as scipy does; `Stop` where it raises StopIteration."""
    if callback is None:
        return
    try:
        names = set(inspect.signature(callback).parameters)
    except ValueError:  # some functions in C have none
        names = set()
    try:
        if names == {"intermediate_result"}:
            callback(intermediate_result=result)
        else:
            callback(result.x)
    except StopIteration:
        raise Stop(99) from None


def ending(work):
    """Status and reason that `work` returns, or what broke it off."""
    try:
        return work()
    except OutOfBudget:
        return 1, ""
    except Stop as stop:
        return stop.status, stop.reason
    except WorkersDied as error:
        return 5, str(error)
    except KeyboardInterrupt:
        return 98, ""


def drive(search, values, limits, *, report, callback, progress, name):
    """Let the search ask until it is done; status and reason.

    `search` has `run`, `nit`; `report()` builds the intermediate result for the callback.
    """
    questions = search.run()

    def work():
        started, seen = time.monotonic(), 0
        with Interrupts() as interrupts, StatusLine(progress) as line:
            question = next(questions)
            while True:
                try:
                    question = questions.send(values.answer(question))
                except StopIteration:
                    return 0, ""
                if interrupts.requested:
                    raise Stop(98)
                if values.best == -np.inf:
                    raise Stop(6)
                if search.nit != seen:
                    seen = search.nit
                    line.show(f"{name}: {values.nfev} evaluations, best {values.best:.6g}")
                    if callback is not None:
                        call_back(callback, report())
                    if limits.maxiter is not None and seen > limits.maxiter:
                        raise Stop(2)
                elapsed = time.monotonic() - started
                if limits.time_limit is not None and elapsed > limits.time_limit:
                    raise Stop(3)

    try:
        return ending(work)
    finally:
        questions.close()
        values.checkpoint.write()
