"""Kernels of `solve_prices` in torch, for any device and without a host synchronisation.

The contract is in the docstring of `otopt._kernels`. `curvature` 2 is not served: the full Hessian
is for the compiled kernels on one process.
"""

from __future__ import annotations

import torch

__all__ = [
    "capped_rows",
    "gibbs_rows",
    "places",
    "price_pass",
    "repair",
    "route",
    "score_moments",
]


def score_moments(S, weight):
    """Mass, and weighted sums of the scores and of their squares by column."""
    w = weight.double()
    rows = torch.where(w[:, None] > 0, S.double(), 0.0)
    return w.sum(), w @ rows, w @ rows**2


def capped_rows(r, k, reg):
    """Row oracle: p (n, m) in [0, 1] with sum k, and the free entries, 0 < p < 1.

    The sum of ``clip((r - tau) / reg, 0, 1)`` is known at all breakpoints of tau from cumulated
    sums of the sorted row; between the two that surround k it is linear.
    """
    n, m = r.shape
    if k >= m:
        return torch.ones_like(r), torch.zeros_like(r, dtype=torch.bool)
    high = r.amax(dim=1, keepdim=True)
    x = (r - high).double() / reg  # reg = 1 from here
    ascending = x.sort(dim=1).values
    sums = torch.cat([x.new_zeros(n, 1), ascending.cumsum(dim=1)], dim=1)
    points = torch.cat([ascending, ascending - 1], dim=1).sort(dim=1).values

    def tail(level):  # number and sum of entries above
        below = torch.searchsorted(ascending, level.contiguous(), right=True)
        return m - below, sums[:, -1:] - sums.gather(1, below)

    positive, total = tail(points)
    full, capped = tail(points + 1)
    mass = full + total - capped - (positive - full) * points  # decreasing in points
    # The last breakpoint where the sum still is k or more.
    at = ((mass >= k - 1e-12).sum(dim=1, keepdim=True) - 1).clamp(min=0)
    lower = points.gather(1, at)
    upper = points.gather(1, (at + 1).clamp(max=2 * m - 1))
    here, there = mass.gather(1, at), mass.gather(1, (at + 1).clamp(max=2 * m - 1))
    slope = (here - there).clamp(min=1e-300)
    tau = torch.where(here > there, lower + (upper - lower) * ((here - k) / slope), lower)
    u = x - tau
    free = (u > 1e-12) & (u < 1 - 1e-12)
    return u.clamp(0, 1).to(r.dtype), free


def price_pass(S, q, k, nnz, reg, weight, curvature):
    """Value, loads and curvature of the smoothed dual."""
    m = S.shape[1]
    r = S - q.to(S.dtype)
    if nnz < m:
        values, where = r.topk(nnz, dim=1)
        part, part_free = capped_rows(values, k, reg)
        p = torch.zeros_like(r).scatter(1, where, part)
        free = torch.zeros_like(r, dtype=torch.bool).scatter(1, where, part_free)
    else:
        p, free = capped_rows(r, k, reg)
    p = p.double() * weight[:, None]
    value = (p * r).sum() - 0.5 * reg * (p * p / weight.clamp(min=1e-30)[:, None]).sum()
    load = p.sum(dim=0)
    count = free.sum(dim=1, keepdim=True).clamp(min=1)
    share = weight[:, None] * free * (1 - 1 / count.double())
    diagonal = share.sum(dim=0) / reg if curvature else load.new_zeros(0)
    return value, load, diagonal, load.new_zeros(0, 0)


def route(S, q, k, weight):
    """The k best of every row, the value of that rule and its loads."""
    values, indices = (S - q.to(S.dtype)).topk(k, dim=1)
    load = torch.zeros(S.shape[1], dtype=torch.float64, device=S.device)
    load = load.index_add(0, indices.flatten(), weight.double().repeat_interleave(k))
    return indices, (values.double().sum(dim=1) * weight).sum(), load


def gibbs_rows(S, shift, reg, weight):
    """``exp((s_i - shift) / reg)`` over its largest entry, float32; 0 in rows without mass."""
    r = (S - shift.to(S.dtype)).float()
    E = ((r - r.amax(dim=1, keepdim=True)) / reg).exp()
    return torch.where((weight[:, None] > 0) & (E > 1e-25), E, 0.0).float()


def places(experts, order, m):
    """Position of every pair among those of its expert, in the given order; -1 for none."""
    ordered = torch.where(experts < 0, m, experts)[order]
    by_expert = ordered.argsort(stable=True)
    grouped = ordered[by_expert]
    first = torch.searchsorted(grouped, grouped)  # where the group of each begins
    rank = torch.arange(len(order), device=order.device) - first
    position = torch.empty_like(experts)
    position[order[by_expert]] = rank
    return torch.where(experts < 0, -1, position)


def _token_hash(n, k, device):
    """A number in [0, 1) a pair, the same on every device."""
    x = torch.arange(n, device=device, dtype=torch.int64)
    x = (x * 2654435761 + 104729) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 2246822519) & 0xFFFFFFFF
    x = x ^ (x >> 13)
    return (x.double() / 2**32)[:, None].expand(n, k)


def repair(S, q, indices, room, weight, rounds=8):
    """Move pairs from experts with more than `room` to others, in place.

    A fixed number of rounds, in which those that lead least move to their best expert with room;
    what is left then fills the rooms in order. For k = 1 every row finds a place where the rooms
    suffice; for larger k a filled place that the token holds already is given back as -1.
    """
    n, k = indices.shape
    m = S.shape[1]
    r = S - q.to(S.dtype)
    valid = (weight > 0)[:, None].expand(n, k)
    level = r.topk(min(k + 1, m), dim=1).values[:, -1:]
    key = r.gather(1, indices) - level
    tie = _token_hash(n, k, S.device)
    experts = torch.where(valid, indices, -1)
    for _ in range(rounds):
        experts = _evict(experts, key, tie, room, m)
        load = _loads(experts, m)
        moving = valid & (experts < 0)
        spare = torch.where(experts < 0, m, experts)
        held = torch.zeros(n, m + 1, dtype=torch.bool, device=r.device).scatter(1, spare, True)
        held = held[:, :m]
        options = torch.where(held | (load >= room), -torch.inf, r)
        # A token moves one of its pairs a round.
        first = moving & (moving.cumsum(dim=1) == 1)
        two = options.topk(min(2, m), dim=1).values
        best = options.argmax(dim=1, keepdim=True).expand(n, k)
        can = first & (two[:, :1] > -torch.inf)
        lead = (two[:, :1] - two[:, -1:]).nan_to_num(posinf=1e30).expand(n, k)
        experts = torch.where(can, best, experts)
        key = torch.where(can, lead.to(key.dtype), key)
    experts = _evict(experts, key, tie, room, m)
    experts = _fill(experts, valid, room, m)
    indices.copy_(experts)
    return (valid & (experts < 0)).sum()


def _loads(experts, m):
    load = torch.zeros(m + 1, dtype=torch.int64, device=experts.device)
    flat = torch.where(experts < 0, m, experts).flatten()
    return load.index_add(0, flat, torch.ones_like(flat))[:m]


def _evict(experts, key, tie, room, m):
    """Keep the pairs that lead most at every expert, as many as there is room for."""
    order = tie.flatten().argsort(stable=True)
    order = order[key.flatten()[order].argsort(descending=True, stable=True)]
    position = places(experts.flatten(), order, m).view_as(experts)
    keep = position < torch.cat([room, room.new_zeros(1)])[experts]
    return torch.where(keep, experts, -1)


def _fill(experts, valid, room, m):
    left = (valid & (experts < 0)).flatten()
    number = left.cumsum(0) - 1  # of each pair that is left
    ends = (room - _loads(experts, m)).clamp(min=0).cumsum(0)
    target = torch.searchsorted(ends, number, right=True)
    flat = torch.where(left & (target < m), target, experts.flatten()).view_as(experts)
    # A pair that was filled in gives way where its token holds the expert already.
    filled = left.view_as(experts)
    twice = torch.zeros_like(filled)
    for a in range(experts.shape[1]):
        same = flat == flat[:, a : a + 1]
        first = ~filled
        first[:, :a] = True
        first[:, a] = False
        twice[:, a] = filled[:, a] & (same & first).any(dim=1)
    return torch.where(twice, -1, flat)
