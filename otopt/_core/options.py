"""Options of the solvers: frozen dataclasses, checked with a did-you-mean."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields

__all__ = ["EmdOptions", "SinkhornOptions", "SparseOTOptions", "resolve_options"]


@dataclass(frozen=True)
class SparseOTOptions:
    """Fine settings of `sparse_ot`; the defaults suit almost everybody.

    Attributes
    ----------
    window : float
        Share of the cost range that the first proximal term spreads a column over. Smaller
        starts closer to the nonsmooth problem.
    shrink : float
        Factor by which the proximal curvature shrinks between outer steps, in (0, 1).
    newton_limit : int
        Newton steps in one outer step.
    linear_start : bool
        Start from the optimum without curvature, where the cost is a matrix and
        ``reg * b.mean() <= (C.max() - C.min()) / 4``, or the cost is that between 2000 points or
        more on both sides in three dimensions at most.
        False starts from a few alternating ascents, as the many processes of
        `otopt.distributed.sparse_ot` do, none of which sees the whole cost.
    rounding_rounds : int
        Rounds of the search for a k-sparse plan.
    extra_candidates : int
        Entries that the search may use in every row and column beyond the relaxed support.
    improvement_rounds : int
        Rounds of large-neighbourhood search, as long as the gap exceeds 1e-3.
    progress : bool or None
        Show a status line; None shows one on a terminal once a solve has taken two seconds.

    Examples
    --------
    >>> import otopt
    >>> a, C = [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]]
    >>> otopt.sparse_ot(a, a, C, k=1, options={"rounding_rounds": 3}).success
    True
    """

    window: float = 0.02
    shrink: float = 0.25
    newton_limit: int = 60
    linear_start: bool = True
    rounding_rounds: int = 30
    extra_candidates: int = 4
    improvement_rounds: int = 6
    progress: bool | None = None


@dataclass(frozen=True)
class EmdOptions:
    """Fine settings of `emd`; they change its speed, never the optimum.

    Attributes
    ----------
    candidates : int
        Length of the candidate list of a row where rows are no more than columns, and the root of
        their ratio times longer otherwise; rows of up to four times that many entries are read
        whole, without lists.
    batch : int
        Arcs that may enter the basis between two updates of the potentials.
    cluster_size : int
        Rows (columns) that are merged into one of the next coarser level.
    coarsest : int
        Problems with no more rows or columns than that are not coarsened.
    kept_variance : float
        Share of the variance of the cost that must survive merging for levels to be used.
    price_start : bool
        Start from prices of a smoothed dual where columns (rows) are few or levels do not help.
    progress : bool or None
        Show a status line; None shows one on a terminal once a solve has taken two seconds.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.emd([0.5, 0.5], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], options={"batch": 8})
    >>> result.value
    0.0
    """

    candidates: int = 16
    batch: int = 64
    cluster_size: int = 4
    coarsest: int = 32
    kept_variance: float = 0.5
    price_start: bool = True
    progress: bool | None = None


@dataclass(frozen=True)
class SinkhornOptions:
    """Fine settings of `sinkhorn`; the defaults suit almost everybody.

    Attributes
    ----------
    anneal_below : float
        A reg below this share of the cost range is approached from a larger one.
    anneal_from : float
        The first reg then, as a share of the cost range.
    anneal_factor : float
        Factor between one reg and the next, > 1.
    level_tol : float
        L1 marginal error, as a share of the mass, at which a reg is left for the next; a
        hundredth of it on the way to one below 1e-3 of the cost range.
    progress : bool or None
        Show a status line; None shows one on a terminal once a solve has taken two seconds.

    Examples
    --------
    >>> import otopt
    >>> C = [[0.0, 1.0], [1.0, 0.0]]
    >>> otopt.sinkhorn([0.5, 0.5], [0.5, 0.5], C, reg=1e-3, options={"anneal_factor": 2}).success
    True
    """

    anneal_below: float = 0.05
    anneal_from: float = 0.2
    anneal_factor: float = 6.0
    level_tol: float = 1e-3
    progress: bool | None = None


def resolve_options(function, kind, options):
    """Turn None, a mapping or an instance of `kind` into an instance of `kind`."""
    if options is None:
        return kind()
    if isinstance(options, kind):
        return options
    names = [field.name for field in fields(kind)]
    try:
        given = dict(options)
    except (TypeError, ValueError):
        message = (
            f"{function}: `options` must be a {kind.__name__} or a mapping; "
            f"got {type(options).__name__}; known options are {', '.join(names)}."
        )
        raise TypeError(message) from None
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, n=1)
            hint = f" did you mean {near[0]!r}?" if near else ""
            message = (
                f"{function}: unknown option {name!r};{hint} known options are {', '.join(names)}."
            )
            raise TypeError(message)
    return kind(**given)
