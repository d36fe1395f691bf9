"""From checked samples to value and gradient, with the kernels of the cost."""

from __future__ import annotations

import numpy as np

from otopt._backend import as_numpy, kernels, torch_kernels, torch_module

__all__ = ["solve_events", "solve_on_device", "solve_samples"]

NAME = "mmot_samples"


def solve_samples(x, members, rule):
    """Value and gradient (N,) of checked float64 samples and a named cost."""
    value, gradient = solve_events(members.places(x), members, rule)
    return value, members.fold(gradient, len(x))


def solve_events(places, members, rule):
    """The same with a gradient for each pair of sample and marginal."""
    if rule.is_cut:
        value, gradient, _ = kernels("line").lovasz_pooled(
            rule.kind, places, members.group, members.mass, members.unit, rule.weights
        )
    else:
        order, start, cdf = _by_group(places, members)
        value, _, sorted_gradient = kernels("line").sweep(
            rule.kind, places[order], start, cdf, rule.weights, rule.delta, 1.0
        )
        gradient = _share_at_ties(sorted_gradient, places, members, order)
    if rule.scale != 1.0:
        value, gradient = rule.scale * value, rule.scale * gradient
    return float(value), gradient


def _by_group(places, members):
    """Order by group and place, start of each group, and the CDFs in that order."""
    d = len(members.labels)
    order = np.argsort(places, kind="stable")
    order = order[np.argsort(members.group[order].astype(np.min_scalar_type(d)), kind="stable")]
    start = np.concatenate([[0], np.cumsum(np.bincount(members.group, minlength=d))])
    mass = members.unit[members.group] if members.mass is None else members.mass
    cdf = np.concatenate([np.cumsum(m) for m in np.split(mass[order], start[1:-1])])
    return order, start, cdf


def _share_at_ties(sorted_gradient, places, members, order):
    """Samples of one group at one place share by mass what they have together."""
    x, g = places[order], members.group[order]
    new = np.concatenate([[True], (np.diff(x) != 0) | (np.diff(g) != 0)])
    if not new.all():
        block = np.cumsum(new) - 1
        mass = (members.unit[members.group] if members.mass is None else members.mass)[order]
        moved = np.bincount(block, mass)[block]
        together = np.bincount(block, sorted_gradient)[block]
        sorted_gradient = np.divide(together * mass, moved, out=np.zeros(len(x)), where=moved > 0)
    gradient = np.empty(len(x))
    gradient[order] = sorted_gradient
    return gradient


def solve_on_device(x, members, rule):
    """`solve_events` with torch kernels and any cost."""
    torch = torch_module()
    device_kernels = torch_kernels("line")
    if rule.is_cut:
        mass = None if members.mass is None else x.new_tensor(members.mass)
        group = torch.as_tensor(members.group, device=x.device, dtype=torch.int64)
        unit, w = x.new_tensor(members.unit), x.new_tensor(rule.weights)
        value, gradient, _ = device_kernels.lovasz_pooled(rule.kind, x, group, mass, unit, w)
        return value, gradient
    places = as_numpy(x).astype(float)
    order, start, cdf = _by_group(places, members)
    rule.check(NAME, np.split(places[order], start[1:-1]), x)
    into = torch.as_tensor(order, device=x.device)
    value, _, sorted_gradient = device_kernels.path_sweep(
        rule, x[into], start, x.new_tensor(cdf), x.new_tensor(1.0), True
    )
    return value, torch.empty_like(x).index_copy_(0, into, sorted_gradient)
