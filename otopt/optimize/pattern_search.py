"""Pattern search: a poll of directions around a quadratic model."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from otopt._core.validation import as_choice, as_flag, as_floats, as_real, check_callback
from otopt.errors import ConvergenceWarning

from ._checkpoint import Checkpoint
from ._digest import digest
from ._inputs import Space, as_count
from ._loop import MESSAGES, Limits, Values, drive
from ._objective import Objective
from ._pattern import PatternSettings, Search
from ._result import new_result

__all__ = ["PatternSearch", "pattern_search"]

NAME = "pattern_search"
BUDGET = 500  # evaluations over n + 1
SEARCHES, POLLS, DIRECTIONS = (
    ("quadratic", "none"),
    ("opportunistic", "complete"),
    ("ortho", "axes"),
)


def pattern_search(
    fun,
    x0=None,
    args=(),
    *,
    bounds=None,
    constraints=(),
    maxfev=None,
    maxiter=None,
    time_limit=None,
    xtol=1e-8,
    initial_step=None,
    search="quadratic",
    poll="opportunistic",
    directions="ortho",
    noisy=False,
    restarts=1,
    workers=1,
    vectorized=False,
    callback=None,
    checkpoint=None,
    progress=None,
    tol=None,
    jac=None,
    hess=None,
    hessp=None,
):
    r"""Minimise a function from its values alone, by a pattern search with a model.

    .. math:: \min_x\ f(x)\quad\text{s.t.}\ l\le x\le u,\ b_l \le A x\le b_u

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float`` for x of shape (n,). Points where it raises, or returns NaN or
        +inf, count as infinitely bad; what it raises at the start is passed on.
    x0 : array_like, shape (n,), optional
        Start; the middle of finite `bounds` by default. Moved to the nearest feasible point, with a
        warning, where it is none.
    args : tuple
        Further arguments of `fun`.
    bounds : scipy.optimize.Bounds or sequence of (low, high), optional
        None or inf where there is no bound. Never violated by an evaluation.
    constraints : scipy.optimize.LinearConstraint or list of them, optional
        Met by every evaluation, up to rounding.
    maxfev : int, optional
        Evaluations of `fun` at most; 500 (n + 1) by default. Points that come up again are
        remembered and not evaluated.
    maxiter : int, optional
        Iterations at most.
    time_limit : float, optional
        Seconds, looked at between questions.
    xtol : float
        Stop at a step of that length, relative to the largest entry of x where that exceeds 1; an
        entry further from zero than 100 of its first steps counts as 100 of them.
    initial_step : float or array_like, shape (n,), optional
        First step, which also is the unit of every variable; by default a quarter of the largest
        entry of x0 (of 1 where that is smaller), down to a tenth of that for entries that are
        not zero but below a tenth of the largest; at most a quarter of the width of the box.
    search : {"quadratic", "none"}
        Whether a quadratic model of the values so far, and Nelder-Mead moves where it fails, look
        for better points before a poll.
    poll : {"opportunistic", "complete"}
        Whether a poll ends at the first better point or takes the best of all.
    directions : {"ortho", "axes"}
        Rotated or coordinate directions, where no constraint is near. Between model steps the axes
        of the known points are used.
    noisy : bool
        Evaluate the best point again before every poll, and compare with the mean of its values.
    restarts : int
        How often a converged search starts anew from its best point with a step of a tenth of the
        first one, without the model. The first one that finds nothing better is the last.
    workers : int or map-like callable
        Processes that evaluate `fun`; -1 for as many as there are cores; or ``map`` of a pool.
        The answer is the same for any of them: in an opportunistic poll they work ahead, and
        values after the first better one are used only where they are asked for again.
    vectorized : bool
        ``fun`` takes an array (n, S) and returns S values.
    callback : callable, optional
        ``callback(intermediate_result)`` or ``callback(x)`` after every iteration. Raise
        `StopIteration` to stop.
    checkpoint : path-like, optional
        File that evaluations are written to. Called again with the same arguments, the search goes
        on from there, and ends as it would have without the break; with others it is refused.
        Callables, `fun` first of all, cannot be compared: give another file to another function.
    progress : bool, optional
        Show a status line; by default on a terminal once two seconds have passed.
    tol : float, optional
        The name of `xtol` in `scipy.optimize.minimize`.
    jac, hess, hessp : None
        Not used; there so that this is a method for `scipy.optimize.minimize`.

    Returns
    -------
    scipy.optimize.OptimizeResult
        With the fields `x`, `fun`, `success`, `status` (0 converged, 1 maxfev, 2 maxiter, 3 time,
        4 no finite value, 5 workers died, 6 a value of -inf, 98 Ctrl-C, 99 callback), `message`,
        `nfev`, `nit`, and

        - `step`: the last step length;
        - `certified`: whether a complete poll at that step found nothing better, in directions that
          span the space (the feasible directions) positively;
        - `nfail`: evaluations that raised or were not finite;
        - `nahead`: evaluations by workers that were not used;
        - `ncache`: points that came up again;
        - `fun_evaluations`: of which `fun` is the mean, where `noisy`.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any evaluation, for constraints without a
        feasible point, and where `fun` does not return one number.

    Warns
    -----
    RuntimeWarning
        `x0` was not feasible, or `checkpoint` could no longer be written.
    ConvergenceWarning
        The default `maxfev` was used up.

    Notes
    -----
    A generating-set search [1]_: where a poll in a set of directions that spans the space
    positively finds nothing better, the step shrinks. Before it comes to that, the minimiser of a
    quadratic model in a region around the best point is tried; the model interpolates the values
    nearby and differs least from the one before [2]_. Points along the direction that they cover
    least keep it well posed. The region is no smaller than a poll; it grows where the model
    predicts well, shrinks where it does not, and is an ellipsoid, shorter where `fun` is steep,
    where there are no constraints. The mean second difference of a poll falls with the square of
    the step where `fun` is smooth; where two polls show that it does not, at kinks and under noise,
    adaptive Nelder-Mead moves [3]_ take the place of polls. The poll that certifies the end always
    takes place.

    Simple decrease on rotated directions has no convergence proof; on a function with Lipschitz
    gradient a certified end bounds the (projected) gradient by the step times a constant [1]_. Time
    beside `fun` is O(n^3) per model, which has at most 3 n points: meant for some dozens of
    variables. Nothing here tells a local minimum from a global one.

    References
    ----------
    .. [1] T. G. Kolda, R. M. Lewis, V. Torczon, "Optimization by direct search: new perspectives on
       some classical and modern methods", SIAM Review 45, 2003,
       :doi:`10.1137/S003614450242889`.
    .. [2] M. J. D. Powell, "Least Frobenius norm updating of quadratic models that satisfy
       interpolation conditions", Mathematical Programming 100, 2004,
       :doi:`10.1007/s10107-003-0490-7`.
    .. [3] F. Gao, L. Han, "Implementing the Nelder-Mead simplex algorithm with adaptive
       parameters", Computational Optimization and Applications 51, 2012,
       :doi:`10.1007/s10589-010-9329-3`.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.pattern_search(lambda x: (x[0] - 1) ** 2 + abs(x[1] - 2), [0.0, 0.0])
    >>> result.x.round(6), result.certified
    (array([1., 2.]), True)
    >>> bounded = otopt.pattern_search(lambda x: x[0] + x[1] ** 2, bounds=[(2, 5), (-1, 2)])
    >>> bounded.x.round(6), bounded.success
    (array([2., 0.]), True)
    """
    given = {
        "bounds": bounds, "constraints": constraints, "xtol": xtol if tol is None else tol,
        "initial_step": initial_step, "search": search, "poll": poll, "directions": directions,
        "noisy": noisy, "restarts": restarts,
    }  # fmt: skip
    check_callback(NAME, callback)
    progress = as_flag(NAME, "progress", progress, optional=True)
    vectorized = as_flag(NAME, "vectorized", vectorized)
    searcher = PatternSearch(x0, **given)
    n = len(searcher.space.origin)
    limits = Limits(
        BUDGET * (n + 1) if maxfev is None else as_count(NAME, "maxfev", maxfev),
        None if maxiter is None else as_count(NAME, "maxiter", maxiter),
        None if time_limit is None else as_real(NAME, "time_limit", time_limit, low=0.0),
    )
    with Objective(NAME, fun, args, vectorized=vectorized, workers=workers) as objective:
        space = searcher.space
        settings = searcher.search.settings
        known_by = "" if checkpoint is None else digest(NAME, space.given, settings, args)
        notes = Checkpoint(NAME, checkpoint, known_by, len(space.start))
        values = Values(objective, space.to_x, notes, limits.maxfev)

        def report():
            return searcher.result(values)

        status, reason = drive(
            searcher.search, values, limits, report=report, callback=callback, progress=progress,
            name=NAME,
        )  # fmt: skip
        result = searcher.result(values)
    if values.nfev and np.isinf(result.fun) and status in (0, 1, 2):
        status = 4 if result.fun > 0 else 6
    result.status, result.success = status, status == 0
    result.message = MESSAGES[status].format(reason=reason, **limits._asdict())
    if values.objective.failed:
        result.message += f" {values.objective.failed} evaluations failed"
        last = values.objective.last_error
        result.message += f", the last with {last}." if last else " (not finite)."
    if status == 1 and maxfev is None:
        warnings.warn(f"{NAME}: {result.message}", ConvergenceWarning, stacklevel=2)
    return result


class PatternSearch:
    """Pattern search by ask and tell, for those who evaluate by their own means.

    Parameters
    ----------
    x0 : array_like, shape (n,), optional
        See `pattern_search`, as for all parameters.
    bounds, constraints, xtol, initial_step, search, poll, directions, noisy, restarts : optional
        See `pattern_search`.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules of `pattern_search`.

    Examples
    --------
    >>> import otopt
    >>> searcher = otopt.PatternSearch([3.0, 1.0])
    >>> while not searcher.done:
    ...     points = searcher.ask()
    ...     searcher.tell([(x**2).sum() for x in points])
    >>> searcher.x.round(6) + 0.0, searcher.certified
    (array([0., 0.]), True)
    """

    def __init__(
        self,
        x0=None,
        *,
        bounds=None,
        constraints=(),
        xtol=1e-8,
        initial_step=None,
        search="quadratic",
        poll="opportunistic",
        directions="ortho",
        noisy=False,
        restarts=1,
    ):
        for name, value, known in (
            ("search", search, SEARCHES),
            ("poll", poll, POLLS),
            ("directions", directions, DIRECTIONS),
        ):
            as_choice(NAME, name, value, known)
        xtol = as_real(NAME, "xtol", xtol, low=0.0, strict=True, sized=True)
        restarts = as_count(NAME, "restarts", restarts)
        self.space = Space.from_arguments(NAME, x0, bounds, constraints, initial_step)
        settings = PatternSettings(
            step=self.space.step, xtol=xtol, search=search, poll=poll, directions=directions,
            noisy=as_flag(NAME, "noisy", noisy), restarts=restarts,
        )  # fmt: skip
        self.search = Search(self.space.start, self.space.domain, settings)
        self._questions, self._question = None, None
        self.done = False

    @property
    def x(self):
        """The best point so far, (n,)."""
        return self.space.to_x(self.search.x)

    @property
    def fun(self):
        """Its value; inf before there is one."""
        return self.search.f

    @property
    def certified(self):
        """Whether the last complete poll found nothing better at the final step."""
        return self.search.is_certified

    @property
    def target(self):
        """What comes after the first value below this need not be told; None for nothing."""
        return None if self._question is None else self._question.target

    def ask(self):
        """Return the points to evaluate next.

        Returns
        -------
        ndarray, shape (k, n)
            The same ones until `tell` was called.

        Raises
        ------
        RuntimeError
            The search is done.
        """
        if self.done:
            message = "PatternSearch.ask: the search is done; see its `x` and `fun`."
            raise RuntimeError(message)
        if self._questions is None:
            self._questions = self.search.run()
            self._question = next(self._questions)
        assert self._question is not None
        return np.array([self.space.to_x(u) for u in self._question.points])

    def tell(self, values):
        """Hand over the values of the points that `ask` returned.

        Parameters
        ----------
        values : array_like, shape (k,)
            In the order of the points; NaN counts as +inf. May end after a value below `target`.

        Raises
        ------
        ValueError, TypeError
            There are too few or too many of them, they are no real numbers, or none was asked for.
        """
        if self._question is None:
            message = "PatternSearch.tell: `ask` must be called before."
            raise ValueError(message)
        values = np.atleast_1d(as_floats("PatternSearch.tell", "values", values, any_size=True))
        values[np.isnan(values)] = np.inf
        if values.ndim != 1:
            message = f"PatternSearch.tell: `values` must be a vector; got shape {values.shape}."
            raise ValueError(message)
        target, wanted = self._question.target, len(self._question.points)
        if target is not None and (values < target).any():
            values = values[: int(np.argmax(values < target)) + 1]
        elif len(values) != wanted:
            message = f"PatternSearch.tell: `values` must hold {wanted} values; got {len(values)}."
            raise ValueError(message)
        try:
            assert self._questions is not None
            self._question = self._questions.send(values)
        except StopIteration:
            self._question, self.done = None, True

    def result(self, values=None):
        """Return what is known so far.

        Parameters
        ----------
        values : optional
            The account that `pattern_search` keeps of evaluations.

        Returns
        -------
        scipy.optimize.OptimizeResult
            Fields `x`, `fun`, `nit`, `step` and `certified`.
        """
        fields: dict[str, Any] = {"x": self.x, "fun": self.fun}
        if values is not None:
            best = values.best_point
            # A budget may have ended amid a question whose best value the search has not seen.
            if values.best < self.fun and not self.search.settings.noisy:
                fields = {"x": self.space.to_x(best), "fun": values.best}
            fields |= {
                "nfev": values.nfev, "ncache": values.hits, "nfail": values.objective.failed,
                "nahead": values.objective.calls - values.nfev,
            }  # fmt: skip
        if self.search.settings.noisy:
            fields["fun_evaluations"] = self.search.measured
        return new_result(
            **fields, nit=self.search.nit, step=self.search.step, certified=self.certified
        )
