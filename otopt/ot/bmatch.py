"""K columns for every row, no column for more than so many rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from otopt._backend import as_numpy, kernels, numpy_views
from otopt._core.validation import as_array, as_cost, as_flag, as_positive_int

from .result import Potentials

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BMatching", "bmatch"]

ROUNDING = 1e-10  # of the largest similarity or price, a pair


@dataclass(frozen=True, eq=False)
class BMatching:
    """A matching with its certificate.

    Attributes
    ----------
    indices : ndarray of int, shape (n, row)
        Columns of every row, the most similar first.
    value : float
        Total similarity.
    dual_bound : float
        No matching has a larger one; equal to `value` up to rounding where `certified`.
    certified : bool
        Whether optimality is proven, up to rounding, for the whole matrix and not just for the
        lists.
    potentials : Potentials
        Row duals (n,) and column prices (m,), which are >= 0 and 0 at columns with room.
    candidates : int
        Length of the longest list that was needed.

    Examples
    --------
    >>> import otopt
    >>> match = otopt.bmatch([[0.9, 0.8, 0.0], [0.9, 0.1, 0.2]])
    >>> match.indices[:, 0], match.certified
    (array([1, 0]), True)
    >>> abs(match.value - match.dual_bound) < 1e-12
    True
    """

    indices: NDArray
    value: float
    dual_bound: float
    certified: bool
    potentials: Potentials
    candidates: int

    @cached_property
    def load(self):
        """Count the rows at every column.

        Returns
        -------
        ndarray of int, shape (m,)
            At most the capacities.
        """
        at = np.asarray(self.indices).ravel()
        return np.bincount(at, minlength=len(self.potentials.target))


def bmatch(S, row=1, col_cap=1, *, candidates=64, certify=True):
    r"""Find the best matching with `row` columns for every row and so many rows a column.

    .. math:: \max_{x\in\{0,1\}}\ \sum_{ij} S_{ij} x_{ij}\quad\text{s.t.}\quad
        \sum_j x_{ij} = K,\ \sum_i x_{ij} \le c_j

    Parameters
    ----------
    S : array_like or torch.Tensor, shape (n, m)
        Similarities, finite. For costs pass ``-C``.
    row : int
        Columns K that every row takes, in 1..m.
    col_cap : int or array_like of int, shape (m,)
        The most rows that a column takes, >= 0; together at least ``n * row``.
    candidates : int
        Columns that are listed for every row to begin with.
    certify : bool
        Whether to double the lists of rows that leave the proof open, until none does. Without it
        the matching is the best on the lists, which grow only where they hold none.

    Returns
    -------
    BMatching
        The matching, its value, and prices that prove it.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Notes
    -----
    Shortest augmenting paths on the lists of the most similar columns. A pair that is not listed
    cannot improve the matching where ``u_i + w_j >= S_ij``; as prices w are >= 0 it is enough that
    u_i is at least the least listed similarity of its row. n K searches of the listed pairs at
    most, most of which end at once where columns are many; hard where nearly all room is needed and
    rows are in the thousands.

    Examples
    --------
    >>> import otopt
    >>> S = [[0.9, 0.8, 0.1], [0.9, 0.5, 0.2]]
    >>> result = otopt.bmatch(S)
    >>> result.indices.ravel(), round(result.value, 3), result.certified
    (array([1, 0]), 1.7, True)
    """
    home, (array,) = numpy_views("bmatch", S=S)
    array, low, high = as_cost("bmatch", "S", array)
    n, m = array.shape
    K = as_positive_int("bmatch", "row", row)
    candidates = as_positive_int("bmatch", "candidates", candidates)
    certify = as_flag("bmatch", "certify", certify)
    if m < K:
        message = f"bmatch: `row` must be at most the number of columns, {m}; got {K}."
        raise ValueError(message)
    room = _read_room(col_cap, n, m, K)
    array = np.ascontiguousarray(array)
    length = np.full(n, min(m, max(candidates, K)))
    served = kernels("prices")
    while True:
        columns, scores, least = _lists(served, array, length)
        slots, u, w = served.match_lists(columns, scores, K, room)
        stuck = (slots < 0).any(axis=1)
        open_rows = stuck | ((u < least) if certify else False)
        open_rows &= length < m
        if stuck.any() and not open_rows.any():
            open_rows = length < m  # whoever stands in the way lists too little
        if not open_rows.any():
            break
        length = np.where(open_rows, np.minimum(2 * length, m), length)
    indices = np.take_along_axis(columns, slots, axis=1)
    taken = np.take_along_axis(scores, slots, axis=1)
    # Weak duality, whatever u and w >= 0 are: pairs beyond the lists are worth at most `least`.
    best = np.where(length < m, np.maximum(u, least), u)
    excess = np.where(columns >= 0, scores - w[columns] - best[:, None], 0)
    bound = float(K * best.sum() + np.maximum(excess, 0).sum() + room @ w)
    value = float(taken.sum())
    scale = max(-low, high, float(w.max()))
    order = np.argsort(-taken, axis=1, kind="stable")
    indices = np.take_along_axis(indices, order, axis=1)
    certified = bool((u >= least)[length < m].all()) and bound - value <= ROUNDING * n * K * scale
    if home is not None:
        indices = home.integer(indices)
        potentials = Potentials(home.real(u), home.real(w))
    else:
        potentials = Potentials(u, w)
    return BMatching(indices, value, bound, certified, potentials, int(length.max()))


def _lists(served, S, length):
    """The most similar columns of every row, and the least similarity that is listed."""
    n, m = S.shape
    longest = int(length.max())
    if longest <= min(m // 16, 256):  # sorted by insertion
        columns, scores = served.top_of_rows(S, longest)
    else:
        whole = np.broadcast_to(np.arange(m), (n, m))
        columns = np.argpartition(-S, longest - 1)[:, :longest] if longest < m else whole
        scores = np.take_along_axis(S, columns, axis=1).astype(np.float64)
        order = np.argsort(-scores, axis=1, kind="stable")
        columns = np.take_along_axis(columns, order, axis=1)
        scores = np.take_along_axis(scores, order, axis=1)
    least = scores[np.arange(n), length - 1]
    columns = np.where(np.arange(longest) < length[:, None], columns, -1)
    return np.ascontiguousarray(columns), np.ascontiguousarray(scores), least


def _read_room(col_cap, n, m, K):
    array = as_array("bmatch", "col_cap", as_numpy(col_cap))
    rule = "bmatch: `col_cap` must be an integer >= 0, or one for every column"
    if array.dtype.kind not in "iu" or array.shape not in ((), (m,)) or (array < 0).any():
        message = f"{rule} ({m}); got {col_cap!r}."
        raise ValueError(message)
    # n may be too large for the dtype of the room.
    room = np.minimum(np.broadcast_to(array, m), np.int64(n)).astype(np.int64)
    if room.sum() < n * K:
        message = (
            f"{rule}; together at least n * row = {n * K}; got {int(room.sum())}; raise it to "
            f"{-(-n * K // m)}."
        )
        raise ValueError(message)
    return np.ascontiguousarray(room)
