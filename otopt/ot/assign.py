"""From prices to places: which column serves which row, within capacities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from otopt._backend import torch_module
from otopt._core.validation import as_choice

from ._price_input import as_count, read_capacity, read_price, read_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["POLICIES", "Routing", "assign"]

POLICIES = ("none", "drop_position", "drop_score", "bpr", "repair")


@dataclass(frozen=True, eq=False)
class Routing:
    """Columns of every row, and which of them hold.

    Attributes
    ----------
    indices : ndarray of int, shape (n, k)
        Columns of every row, the best first. Dropped pairs keep theirs.
    keep : ndarray of bool, shape (n, k)
        False for pairs that were dropped and for rows without mass.
    position : ndarray of int, shape (n, k)
        Place of the pair among those of its column, from 0; -1 where it is not kept.
    load : ndarray of int, shape (m,)
        Pairs that every column keeps.

    Examples
    --------
    >>> import otopt
    >>> routing = otopt.assign([[2.0, 0.0], [3.0, 0.0]], capacity=1, policy="drop_score")
    >>> routing.indices[:, 0], routing.keep[:, 0], routing.load
    (array([0, 0]), array([False,  True]), array([1, 0]))
    """

    indices: NDArray
    keep: NDArray
    position: NDArray
    load: NDArray


def assign(scores, price=None, k=1, capacity=None, *, policy="none", row_mass=None):
    r"""Send every row to its k best columns of ``scores - price``, within capacities.

    Parameters
    ----------
    scores : array_like or torch.Tensor, shape (n, m)
        What column j is worth to row i; as for `solve_prices`.
    price : PriceResult or array_like, shape (m,), optional
        Subtracted from the scores; 0 by default.
    k : int
        Columns a row takes, in 1..m.
    capacity : int or array_like, shape (m,), optional
        Rows that a column has room for; fractions are rounded down. By default no limit, and with
        "repair" the least common limit that holds all rows, ``ceil(k n / m)``.
    policy : {"none", "drop_position", "drop_score", "bpr", "repair"}
        What happens to pairs beyond the capacity. "none" keeps them. "drop_position" serves first
        choices before second ones, and those in the order of the rows; "drop_score" the largest
        scores; "bpr" (batch priority) is the first with rows in the order of their best score
        [1]_. "repair" drops none: pairs that lead least over the next best column move to
        the best column with room, and compete there again; where a row holds every column with
        room, another row trades with it.
    row_mass : array_like, shape (n,), optional
        Rows of mass 0 are padding: they take no room and keep nothing. Other masses count as 1.

    Returns
    -------
    Routing
        Columns, what is kept, and its places.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work; among them "repair" with less
        room than pairs.

    Notes
    -----
    Repair ends after at most m rounds, usually 2 to 7, each O(n k) and O(m) for every pair that
    moves. Ties are broken by a hash of the row number, so that no column fills with the first rows.
    On other devices than the CPU it makes a fixed number of rounds and fills the rooms that are
    left in order, without waiting for the device; for k > 1 a pair that would repeat a column is
    then dropped.

    References
    ----------
    .. [1] C. Riquelme et al., "Scaling vision with sparse mixture of experts", NeurIPS 2021,
       :doi:`10.48550/arXiv.2106.05974`.

    Examples
    --------
    >>> import otopt
    >>> scores = [[3.0, 1.0], [2.5, 2.0], [2.0, 0.0], [1.0, 0.5]]
    >>> otopt.assign(scores, capacity=2, policy="repair").indices.ravel()
    array([0, 1, 0, 1])
    >>> otopt.assign(scores, capacity=2, policy="drop_position").keep.ravel()
    array([ True,  True, False, False])
    """
    policy = POLICIES[as_choice("assign", "policy", policy, POLICIES)]
    rows = read_rows("assign", scores, row_mass)
    m = rows.S.shape[1]
    k = as_count("assign", "k", k, m)
    valid = rows.weight > 0
    pairs = k * (int(valid.sum()) if rows.on_host else len(rows.S))
    room = _read_room(rows, capacity, policy, k, pairs)
    xp: Any = np if rows.on_host else torch_module()
    zeros = rows.weight[:1].sum() * 0 + xp.zeros_like(room) * 0.0
    q = (
        zeros
        if price is None
        else read_price("assign", "price", getattr(price, "price", price), rows)
    )
    indices, _, _ = rows.kernels.route(rows.S, q, k, rows.weight)
    pair_valid = valid[:, None] & (indices >= 0)
    if policy == "none":
        keep = pair_valid
        order = _slots_first(xp, rows, k)
    elif policy == "repair":
        wanted = indices.copy() if rows.on_host else indices.clone()
        rows.kernels.repair(rows.S, q, indices, room, rows.weight)
        keep = valid[:, None] & (indices >= 0)
        indices = xp.where(indices >= 0, indices, wanted)
        order = _slots_first(xp, rows, k)
    else:
        keep = pair_valid
        order = _order(xp, rows, indices, policy, k)
    experts = xp.where(keep, indices, -1).reshape(-1)
    position = rows.kernels.places(experts, order, m).reshape(keep.shape)
    if policy not in ("none", "repair"):
        keep = keep & (position < room[indices])
        position = xp.where(keep, position, -1)
    load = xp.zeros_like(room)
    if rows.on_host:
        load = np.bincount(indices[keep], minlength=m)
    else:
        load = load.index_add(0, indices.reshape(-1), keep.reshape(-1).to(load.dtype))
    return Routing(*(rows.integer(x) for x in (indices, keep, position, load)))


def _read_room(rows, capacity, policy, k, pairs):
    """Capacities as whole numbers, which for "repair" must suffice."""
    m = rows.S.shape[1]
    if capacity is None:
        limit = -(-pairs // m) if policy == "repair" else pairs
        capacity = limit
    room = read_capacity("assign", capacity, rows, k, 0)
    if not rows.on_host:
        return torch_module().floor(room).long()
    room = np.floor(np.minimum(room, max(pairs, 1))).astype(np.int64)
    reachable = int(np.minimum(room, pairs // k).sum())
    if policy == "repair" and reachable < pairs:
        message = (
            f"assign: `capacity` must have room for {pairs} pairs where `policy` is 'repair'; got "
            f"room for {reachable}; raise it to {-(-pairs // m)} a column or use another policy."
        )
        raise ValueError(message)
    return room


def _slots_first(xp, rows, k):
    """First choices of all rows, then second ones."""
    n = len(rows.S)
    at = xp.arange(n * k) if rows.on_host else xp.arange(n * k, device=rows.S.device)
    return at.reshape(n, k).T.reshape(-1)


def _order(xp, rows, indices, policy, k):
    order = _slots_first(xp, rows, k)
    if policy == "drop_position" or len(order) == 0:
        return order
    if policy == "drop_score":
        at = (
            xp.arange(len(indices))
            if rows.on_host
            else xp.arange(len(indices), device=rows.S.device)
        )
        score = rows.S[at[:, None], indices].reshape(-1)[order]
    else:  # the best score of the row, slot by slot
        top = rows.S.max(axis=1) if rows.on_host else rows.S.amax(dim=1)
        rank = xp.argsort(xp.argsort(-top, stable=True), stable=True)
        slot = order % k
        row = order // k
        score = -(slot * len(indices) + rank[row])
    return order[xp.argsort(-score, stable=True)]
