"""Many exact transport problems at once."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from otopt._backend import numpy_views
from otopt._core.problems import LinearOT
from otopt._core.status import Status
from otopt._core.validation import as_array, as_threads
from otopt.errors import ConvergenceWarning

from ._exact_solve import Session, Settings
from ._tensors import as_tensors

__all__ = ["emd_batch"]

NAME = "emd_batch"


def emd_batch(a, b, C, *, maxiter=None, time_limit=None, method="auto", workers=1, options=None):
    r"""Exact optimal transport for many problems, each with a result of its own.

    .. math:: \min_{T_p}\ \langle T_p, C_p\rangle\quad \text{s.t.}\
        T_p\mathbf 1 = a_p,\ T_p^\top\mathbf 1 = b_p,\ T_p\ge 0

    Parameters
    ----------
    a : array_like, shape (n,) or (p, n), or sequence of vectors
        Masses of the sources: the same for all problems, or one vector for each.
    b : array_like, shape (m,) or (p, m), or sequence of vectors
        Masses of the targets.
    C : array_like, shape (p, n, m), or sequence of matrices
        One cost for each problem; in a sequence they may differ in shape.
    maxiter : int, optional
        Pivots allowed in each problem.
    time_limit : float, optional
        Seconds for the whole batch.
    method : {"auto", "multilevel", "flat"}
        As for `emd`.
    workers : int or map-like callable
        Threads, -1 for all cores, or a function like `map`. Changes the speed, never the answer.
    options : EmdOptions or dict, optional
        As for `emd`.

    Returns
    -------
    list of OTResult
        One for each problem, as `emd` returns it. After Ctrl-C or at a limit the remaining ones
        still have feasible plans and valid bounds.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, naming the problem, before any work.

    Warns
    -----
    ConvergenceWarning
        Some problem reached a limit first.

    Notes
    -----
    Compiled code runs outside the interpreter lock, so threads pay for problems of some hundred
    points and more.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> x = np.arange(4.0)
    >>> C = np.abs(x[:, None] - x)
    >>> results = otopt.emd_batch([[1, 0, 0, 1], [0, 1, 1, 0]], [0, 0, 1, 1], [C, C])
    >>> [result.value for result in results]
    [2.0, 2.0]
    """
    settings = Settings.check(
        NAME, maxiter=maxiter, time_limit=time_limit, method=method, callback=None, options=options
    )
    threads = None if callable(workers) else as_threads(NAME, workers)
    costs = _sequence("C", C, 2)
    sources, targets = (_for_each(name, x, len(costs)) for name, x in (("a", a), ("b", b)))
    with Session(settings) as session:
        find_range = session.kernels.cost_range
        problems, homes = [], []
        for index, given in enumerate(zip(sources, targets, costs, strict=True)):
            name = f"{NAME}: problem {index}"
            home, (x, y, cost) = numpy_views(name, **dict(zip("abC", given, strict=True)))
            problems.append(LinearOT.from_arrays(x, y, cost, find_range, function=name))
            homes.append(home)

        def run(problem):
            return session.run(problem, show=False)

        if threads is None:
            results = list(workers(run, problems))  # pyright: ignore[reportCallIssue]
        elif threads == 1:
            results = [run(problem) for problem in problems]
        else:
            with ThreadPoolExecutor(threads) as pool:
                results = list(pool.map(run, problems))
    limited = sum(result.status is Status.ITERATION_LIMIT for result in results)
    if limited:
        text = f"{NAME}: {limited} of {len(results)} problems stopped at a limit; see their `gap`."
        warnings.warn(text, ConvergenceWarning, stacklevel=2)
    return [
        result if home is None else as_tensors(result, home)
        for result, home in zip(results, homes, strict=True)
    ]


def _sequence(name, x, ndim):
    """`x` as a sequence of arrays; refuse a single one of `ndim` dimensions."""
    if not hasattr(x, "ndim"):
        if hasattr(x, "__array__"):
            return _sequence(name, as_array(NAME, name, x), ndim)
        try:
            x = list(x)
        except TypeError:
            message = f"{NAME}: `{name}` must be a sequence of arrays; got {type(x).__name__}."
            raise TypeError(message) from None
        if x and (not hasattr(x[0], "ndim") and as_array(NAME, f"{name}[0]", x[0]).ndim < ndim):
            x = as_array(NAME, name, x)
    if getattr(x, "ndim", ndim + 1) != ndim + 1:
        message = (
            f"{NAME}: `{name}` must have {ndim + 1} dimensions, the first counts problems; "
            f"got shape {np.shape(x)}; use emd for a single problem."
        )
        raise ValueError(message)
    if len(x) == 0:
        message = f"{NAME}: `{name}` must hold at least one problem; got none."
        raise ValueError(message)
    return x


def _for_each(name, x, count):
    """One vector of masses for each problem."""
    if not hasattr(x, "ndim"):
        x = as_array(NAME, name, x) if hasattr(x, "__array__") else x
    if not hasattr(x, "ndim") and not (isinstance(x, Sequence) and not isinstance(x, str)):
        message = (
            f"{NAME}: `{name}` must be a vector or a sequence of them; got {type(x).__name__}."
        )
        raise TypeError(message)
    dimensions = getattr(x, "ndim", None)
    is_shared = dimensions == 1 if dimensions is not None else len(x) > 0 and np.ndim(x[0]) == 0
    if is_shared:
        return [x] * count
    x = _sequence(name, x, 1)
    if len(x) != count:
        message = (
            f"{NAME}: `{name}` must be one vector, or one for each of the {count} costs; "
            f"got {len(x)} vectors."
        )
        raise ValueError(message)
    return x
