"""Generating-set search around a quadratic model, as a generator of questions.

T. G. Kolda, R. M. Lewis, V. Torczon, "Optimization by direct search", SIAM Review 45, 2003,
doi 10.1137/S003614450242889, gives the frame: any search step, and a poll of directions that span
the space positively before a step length is given up for good.
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray

from ._poll import conforming_directions, householder_directions
from ._quadratic import least_change, region_axes, region_step
from ._simplex import Simplex
from ._smoothness import Smoothness

__all__ = ["PatternSettings", "Question", "Search"]

REACH = 4.0  # points within so many radii enter the model
MOST = 3  # points a variable that the model has, of those that are near
GOOD, GREAT = 0.1, 0.7  # actual over predicted decrease
FLAT = 0.25  # least singular value, in radii, of points that fix a gradient
MEMORY, TRUSTED = 0.7, 0.2  # of the share of model steps that were good
SHORT = 0.5  # of the step: model steps below that are not tried
CONTRACTION, KINKED_CONTRACTION = 0.25, 0.5  # of the step after a poll that found nothing
LEAP, LEAPS = 8, 3  # on a plateau the step grows by so much, so often
LEVEL = 1e-12  # relative differences of values on a plateau
DOUBLINGS = 10  # of the first step, to find where a variable makes a difference after all
FINEST = 1e-3  # of the first step: the last one is no longer than that
LARGEST = 1e10  # step, over the first
HUGE = 1e200  # values beyond that do not enter the model


class Question(NamedTuple):
    """Points (k, n) whose values are wanted, in order, up to the first one below `target`."""

    points: NDArray
    target: float | None = None
    again: bool = False  # measure anew what is known


class PatternSettings(NamedTuple):
    """What a user may choose; see `otopt.pattern_search`."""

    step: float
    xtol: float
    search: str
    poll: str
    directions: str
    noisy: bool
    restarts: int


class Search:
    """One search; `run` is a generator that asks `Question`s and is sent their values."""

    def __init__(self, x, domain, settings):
        self.x, self.f, self.step = x, np.inf, settings.step
        self.domain, self.settings = domain, settings
        self.n = len(x)
        self.points, self.values = np.empty((256, self.n)), np.empty(256)
        self.count = 0
        self.row = -1  # of the incumbent
        self.measured = 1  # evaluations that the value of the incumbent is the mean of
        self.hessian = np.zeros((self.n, self.n))
        self.is_certified = False
        self.nit = self.polls = self.restarts = 0
        self.flat: list[int] = []  # variables that made no difference at the start
        self._begin()

    def _begin(self):
        self.radius = self.step  # of the region that the model is trusted in
        self.axes = self.inverse = np.eye(self.n)
        self.trust = TRUSTED
        self.is_plateau, self.leaps = False, LEAPS
        self.geometry_steps = 0
        self.base = None  # where the last poll but one led
        self.smoothness = Smoothness()
        self.simplex = Simplex(max(self.n, 1))

    # Asking

    def _ask(self, points, target=None):
        values = yield Question(points, target)
        finite = np.abs(values) < HUGE
        new = int(finite.sum())
        while self.count + new > len(self.values):
            self.points = np.vstack([self.points, np.empty_like(self.points)])
            self.values = np.append(self.values, np.empty_like(self.values))
        where = slice(self.count, self.count + new)
        self.points[where] = points[: len(values)][finite]
        self.values[where] = values[finite]
        self.count += new
        return values

    def _try(self, z):
        """The value at z, which becomes the incumbent where it is better."""
        value = float((yield from self._ask(z[None]))[0])
        self._take(z, value)
        return value

    def _take(self, z, value):
        if value < self.f:
            self.x, self.f, self.measured = z.copy(), float(value), 1
            return True
        return False

    def _inside(self, u, z):
        return self.domain.inside(u, z)

    # The parts of an iteration

    def run(self):
        """Ask until the step is below its tolerance and a poll finds nothing better."""
        value = float((yield from self._ask(self.x[None]))[0])
        self._take(self.x, value)
        if not self.n:  # bounds fix everything
            self.is_certified = True
            return
        start, first, before = self.x, self.step, self.x
        yield from self._star()
        while True:
            self.nit += 1
            if self.step > self._smallest():
                yield from self._iterate()
                continue
            self.step = self._smallest()
            if (yield from self._poll()):
                self.step *= 2
                continue
            if (yield from self._leave_flat(start, first)):
                self.hessian[:] = 0
                self.step = first
                self._begin()
                continue
            self.is_certified = True
            moved = float(np.linalg.norm(self.x - before))
            is_old = moved <= np.sqrt(self._smallest() * max(1.0, float(np.abs(self.x).max())))
            if self.restarts >= self.settings.restarts or (self.restarts and is_old):
                return
            # Again from a larger step and without the model, in case it led into a narrow valley.
            before, self.restarts = self.x, self.restarts + 1
            self.hessian[:] = 0
            self.step = max(first / 10, 8 * self._smallest())
            self._begin()
            self.is_certified = False

    def _smallest(self):
        relative = self.settings.xtol * max(1.0, float(np.abs(self.x).max()))
        return min(relative, FINEST * self.settings.step)

    def _star(self):
        for i, d in enumerate(np.eye(self.n)):
            before, changes = self.f, []
            for z in (self.x + self.step * d, self.x - self.step * d):
                inside = self._inside(self.x, z)
                if (inside != self.x).any():
                    changes.append(abs((yield from self._try(inside)) - before))
            if changes and all(change <= LEVEL * abs(before) for change in changes):
                self.flat.append(i)

    def _leave_flat(self, start, step):
        """Whether f is lower for other values of a variable that made no difference at the start.

        Around its first value: where it has gone since says nothing of it.
        """
        while self.flat:
            i = self.flat.pop()
            before = self.f
            for reach in step * 2.0 ** np.arange(1, DOUBLINGS + 1):
                for value in (start[i] + reach, start[i] - reach):
                    z = self.x.copy()
                    z[i] = value
                    inside = self._inside(self.x, z)
                    if (inside != self.x).any():
                        yield from self._try(inside)
                    if self.f < before:
                        return True
        return False

    def _iterate(self):
        if self.settings.search == "none":
            yield from self._measure_again()
            if not (yield from self._poll()):
                self._shrink()
            return
        self._shape_region()
        radius, ratio = self.radius, None
        model = self._model()
        if model is not None:
            ratio = yield from self._model_step(*model[:2])
            if ratio is not None and ratio >= GOOD:
                self.geometry_steps = 0
                return
        V, is_flat = self._frame(model)
        if (
            is_flat
            and model is not None
            and self.geometry_steps < 2 * self.n
            and (yield from self._geometry_step(V[-1], model[0]))
        ):
            return
        self.geometry_steps = 0
        if ratio is not None and radius > self.step:
            return  # again in a smaller region
        self.radius = self.step
        yield from self._measure_again()
        if self.smoothness.is_smooth is False:
            if not (yield from self._simplex_stint(V)):
                self._shrink()
            self.radius = self.step
        elif (yield from self._poll(V, model)):
            yield from self._pattern_move()
        else:
            self._shrink()
            self.radius = 0.5 * radius

    def _shape_region(self):
        """No smaller than a poll; by the curvature of the model where that is to be believed."""
        self.radius = max(self.radius, self.step)
        is_smooth = self.smoothness.is_smooth
        if is_smooth is None:
            is_smooth = self.trust >= TRUSTED
        self.axes = self.inverse = np.eye(self.n)
        if is_smooth and self.domain.is_whole_space:
            with contextlib.suppress(LinAlgError):
                self.axes, self.inverse = region_axes(self.hessian)

    def _shrink(self):
        """After a poll that found nothing better: longer steps where it found all the same."""
        if self.is_plateau and self.leaps and self.step > FINEST * self.settings.step:
            self.leaps -= 1
            self.step *= LEAP
            return
        is_kinked = self.smoothness.is_smooth is False
        self.step *= KINKED_CONTRACTION if is_kinked else CONTRACTION

    def _measure_again(self):
        if self.settings.noisy:  # a lucky value must not stay the best for ever
            value = float((yield Question(self.x[None], again=True))[0])
            if np.isfinite(value):
                self.measured += 1
                self.f += (value - self.f) / self.measured

    @np.errstate(all="ignore")  # where it overflows there is no model
    def _model(self):
        """Gradient, Hessian, and displacements of the points nearby, along the region's axes."""
        points, values = self.points[: self.count], self.values[: self.count]
        offsets = (points - self.x) @ self.inverse
        distance = np.linalg.norm(offsets, axis=1)
        order = np.argsort(distance, kind="stable")
        order = order[distance[order] > 1e-15 * max(1.0, np.abs(self.x).max())]
        near = int(np.searchsorted(distance[order], REACH * self.radius, side="right"))
        n = self.n
        order = order[: min(max(near, 2 * n), MOST * n, n * (n + 3) // 2)]
        if not len(order):
            return None
        radius = max(self.radius, distance[order[-1]])
        S = offsets[order] / radius
        scaled = self.axes @ self.hessian @ self.axes * radius**2
        residuals = values[order] - self.f - 0.5 * np.einsum("ij,jk,ik->i", S, scaled, S)
        try:
            g, change = least_change(S, residuals)
        except LinAlgError:  # LAPACK's iterations may fail, on finite matrices too
            self.hessian[:] = 0
            return None
        H = (scaled + change) / radius**2
        if not (np.isfinite(g).all() and np.isfinite(H).all()):
            self.hessian[:] = 0
            return None
        outside = self.inverse @ H @ self.inverse
        self.hessian = (outside + outside.T) / 2
        return g / radius, H, S[: min(near, len(S))] * (radius / self.radius)

    def _model_step(self, g, H):
        """Actual over predicted decrease at the model's minimiser, None where none was tried."""
        try:
            s = region_step(g, H, self.radius, self.domain, self.x)
        except LinAlgError:
            return None
        z = self._inside(self.x, self.x + self.axes @ s)
        s = self.inverse @ (z - self.x)
        length = float(np.linalg.norm(s))
        predicted = -float(g @ s + 0.5 * s @ H @ s)
        if not (predicted > 0 and length > SHORT * self.step):
            return None
        before = self.f
        value = yield from self._try(z)
        ratio = (before - value) / predicted
        self.trust = MEMORY * self.trust + (1 - MEMORY) * (ratio >= GOOD)
        if ratio < GOOD:
            self.radius = max(0.5 * min(self.radius, length), self.step)
        elif ratio >= GREAT and length >= 0.8 * self.radius:
            self.radius = min(2 * self.radius, LARGEST * self.settings.step)
        return ratio

    def _frame(self, model):
        """Singular directions of the points nearby, the least covered one last; whether flat."""
        n = self.n
        if model is None or not len(model[2]):
            return np.eye(n), False
        try:
            _, sizes, V = np.linalg.svd(model[2], full_matrices=len(model[2]) < n)
        except LinAlgError:
            return np.eye(n), False
        return V, len(model[2]) < n or sizes[-1] < FLAT

    def _geometry_step(self, d, g):
        """A point along the direction that the model knows least about."""
        self.geometry_steps += 1
        sign = -1.0 if g @ d > 0 else 1.0
        for signed in (sign, -sign):
            z = self._inside(self.x, self.x + signed * self.radius * (self.axes @ d))
            if np.linalg.norm(self.inverse @ (z - self.x)) > FLAT * self.radius:
                yield from self._try(z)
                return True
        return False

    def _simplex_stint(self, V):
        """Whether simplex moves from the best point found a better one."""
        vertices = np.array([self._inside(self.x, self.x + self.step * v) for v in V[: self.n]])
        before = self.f
        x, f, size = yield from self.simplex.stint(
            self._ask, self._inside, self.x, self.f, vertices, self._smallest()
        )
        self._take(x, f)
        if self.f < before:
            self.step = max(size, self.step * CONTRACTION)
            return True
        return False

    def _pattern_move(self):
        """As far again as the last two polls have led.

        R. Hooke, T. A. Jeeves, "'Direct search' solution of numerical and statistical problems",
        Journal of the ACM 8, 1961, doi 10.1145/321062.321069.
        """
        base, self.base = self.base, self.x
        if base is not None:
            z = self._inside(self.x, self.x + (self.x - base))
            if (z != self.x).any():
                yield from self._try(z)

    def _poll(self, V=None, model=None):
        """Whether a direction was better: the first, or the best where polls are complete."""
        self.polls += 1
        if V is None:
            is_ortho = self.settings.directions == "ortho"
            V = householder_directions(self.n, self.polls)[: self.n] if is_ortho else np.eye(self.n)
        directions = conforming_directions(self.domain, self.x, self.step, V)
        if model is not None:
            directions = directions @ self.axes
        moves = [self._inside(self.x, self.x + self.step * d) for d in directions]
        moves = np.array([z for z in moves if (z != self.x).any()]).reshape(-1, self.n)
        if model is not None:
            t = (moves - self.x) @ self.inverse
            expected = t @ model[0] + 0.5 * np.einsum("ij,jk,ik->i", t, model[1], t)
            moves = moves[np.argsort(expected, kind="stable")]
        if not len(moves):
            return False
        is_complete = self.settings.poll == "complete"
        values = yield from self._ask(moves, None if is_complete else self.f)
        best = int(np.argmin(values))
        if self._take(moves[best], values[best]):
            return True
        highest = self.f + LEVEL * abs(self.f)
        self.is_plateau = bool(np.isfinite(highest) and (values <= highest).all())
        if len(values) == 2 * self.n and np.isfinite(values).all():
            self.smoothness.record(self.step, float(values.mean() - self.f))
        return False
