"""One table of methods, ours and scipy's."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

from .guess_and_check import guess_and_check
from .pattern_search import pattern_search

__all__ = ["minimize"]

METHODS = {"pattern-search": pattern_search, "guess-and-check": guess_and_check}
FROM_SCIPY = (
    "Nelder-Mead", "Powell", "CG", "BFGS", "Newton-CG", "L-BFGS-B", "TNC", "COBYLA", "COBYQA",
    "SLSQP", "trust-constr", "dogleg", "trust-ncg", "trust-exact", "trust-krylov",
)  # fmt: skip


def minimize(
    fun,
    x0=None,
    args=(),
    method="pattern-search",
    *,
    bounds=None,
    constraints=(),
    tol=None,
    callback=None,
    options=None,
    **further,
):
    """Minimise a function by a method of this package or of scipy.

    The interface of `scipy.optimize.minimize`, with our methods in front: one word changes the
    optimiser.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args) -> float``.
    x0 : array_like, shape (n,), optional
        Start; our methods do without where there are `bounds`.
    args : tuple
        Further arguments of `fun`.
    method : str or callable
        "pattern-search", "guess-and-check", a method of `scipy.optimize.minimize`, upper or lower
        case, or a callable that it would take.
    bounds : scipy.optimize.Bounds or sequence of (low, high), optional
        None or inf where there is no bound.
    constraints : scipy.optimize.LinearConstraint or what the method takes, optional
        Constraints.
    tol : float, optional
        `xtol` of pattern search; what scipy's method makes of it.
    callback : callable, optional
        ``callback(intermediate_result)`` or ``callback(x)``.
    options : dict, optional
        Keywords of the method, such as `maxfev`.
    **further
        ``jac``, ``hess`` and ``hessp`` for methods of scipy; keywords of ours.

    Returns
    -------
    scipy.optimize.OptimizeResult
        What the method returns.

    Raises
    ------
    ValueError, TypeError
        For an unknown method or option, or what the method refuses.

    See Also
    --------
    pattern_search : The default, and its keywords.
    guess_and_check : Random candidates, and its keywords.

    Examples
    --------
    >>> import otopt
    >>> [otopt.minimize(lambda x: (x[0] - 1) ** 2, [0.0], method=m).x.round(3).item()
    ...  for m in ("pattern-search", "Nelder-Mead")]
    [1.0, 1.0]
    """
    ours = METHODS.get(method.lower().replace("_", "-")) if isinstance(method, str) else None
    if ours is None:
        return _by_scipy(
            fun, x0, args, method, bounds=bounds, constraints=constraints, tol=tol,
            callback=callback, options=options, **further,
        )  # fmt: skip
    keywords = {"bounds": bounds, "constraints": constraints, "tol": tol, "callback": callback}
    if options is not None and not isinstance(options, Mapping):
        message = f"minimize: `options` must be a mapping; got {type(options).__name__}."
        raise TypeError(message)
    chosen = dict(options or {}) | further
    known = set(inspect.signature(ours).parameters) - {"fun", "x0", "args"}
    for name in chosen:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" did you mean {near[0]!r}?" if near else ""
            message = f"minimize: unknown option {name!r} of {method!r};{hint}"
            raise TypeError(message)
    return ours(fun, x0, args, **(keywords | chosen))


def _by_scipy(fun, x0, args, method, **keywords):
    import scipy.optimize

    if isinstance(method, str):
        known = [*METHODS, *FROM_SCIPY]
        names = {name.lower(): name for name in known}
        if method.lower() not in names:
            near = difflib.get_close_matches(method.lower(), names, n=1)
            hint = f" did you mean {names[near[0]]!r}?" if near else ""
            message = (
                f"minimize: unknown method {method!r};{hint} known methods are {', '.join(known)}."
            )
            raise ValueError(message)
    elif not callable(method):
        message = f"minimize: `method` must be a name or a callable; got {method!r}."
        raise TypeError(message)
    if x0 is None:
        message = f"minimize: `x0` must be given for {method!r}."
        raise ValueError(message)
    by_scipy: Any = scipy.optimize.minimize
    return by_scipy(fun, x0, args=args, method=method, **keywords)
