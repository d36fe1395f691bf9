"""`mmot_1d` for tensors: the value remembers that its gradient is the dual."""

from __future__ import annotations

import numpy as np

from otopt._backend import is_tensor, torch_kernels, torch_module
from otopt._oracles.monge import COSTS, MongeCost
from otopt._uncompiled import uncompiled

from ._multimarginal_input import check_masses, read_marginals, read_places
from ._multimarginal_solve import solve

__all__ = ["solve_tensors"]

NAME = "mmot_1d"


@uncompiled
def solve_tensors(A, cost, support, weights, delta, normalize, *, on_device=None):
    """Value and dual; `on_device` runs the torch kernels, by default off the CPU."""
    torch = torch_module()

    is_list = not is_tensor(A)
    inputs = list(A) if is_list else [A]
    if not all(is_tensor(a) and a.is_floating_point() for a in inputs):
        kinds = ", ".join(str(getattr(a, "dtype", type(a).__name__)) for a in inputs)
        message = f"{NAME}: `A` must hold floating-point tensors only; got {kinds}."
        raise TypeError(message)
    if normalize:
        inputs = [a / a.sum(-1 if is_list else -2, keepdim=True) for a in inputs]
    like = inputs[0].detach()
    like = like if like.dtype in (torch.float32, torch.float64) else like.float()
    if on_device is None:
        on_device = like.device.type != "cpu"
    if on_device and not is_list and cost in COSTS[:3]:
        value, dual = _closed_form(A, inputs[0].detach().to(like.dtype), cost, support, weights)
    else:
        marginals = read_marginals(A, support, normalize)
        rule = MongeCost.resolve(NAME, cost, marginals.d, weights, delta)
        rule.check(NAME, marginals.supports, like)
        if on_device or rule.function is not None:
            value, dual = _sweep(marginals, rule, like)
        else:
            value, dual = solve(marginals, rule)
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    duals = [torch.as_tensor(z, device=like.device).to(like.dtype)
             for z in (dual if is_list else [dual])]  # fmt: skip
    value = torch_kernels("line").with_gradient(value, inputs, duals)
    return value, duals if is_list else duals[0]


def _closed_form(given, A, cost, support, weights):
    """Nothing but three numbers for the checks leaves the device."""
    torch = torch_module()

    if A.ndim < 2 or 0 in A.shape:
        read_marginals(given, support, False)  # refuses it
    n, d = A.shape[-2:]
    rule = MongeCost.resolve(NAME, cost, d, weights, 1.0)
    places, order = read_places(NAME, "support", support, n)
    sums = A.sum(-2)
    extremes = torch.stack([A.amin(), sums.amin(), (sums.amax(-1) - sums.amin(-1)).amax()])
    if not check_masses(*extremes.tolist(), single=A.dtype == torch.float32):
        read_marginals(given, support, False)
    if order is not None:
        order = torch.as_tensor(order, device=A.device)
        A = A[..., order, :]
    w = A.new_tensor(rule.weights)
    gaps = None if support is None else A.new_tensor(np.diff(places))
    value, dual = torch_kernels("line").lovasz_grid(rule.kind, A, gaps, w)
    return value, dual if order is None else dual[..., order.argsort(), :]


def _sweep(marginals, rule, like):
    """One problem after the other."""
    torch = torch_module()

    path_sweep = torch_kernels("line").path_sweep
    x = like.new_tensor(np.concatenate(marginals.supports))
    values, duals = [], []
    for _, cdf, mass in marginals.problems():
        levels, total = like.new_tensor(cdf), like.new_tensor(mass)
        value, dual, _ = path_sweep(rule, x, marginals.start, levels, total)
        values.append(value)
        duals.append(dual)
    if marginals.masses is not None:
        parts = duals[0].split(np.diff(marginals.start).tolist())
        return values[0], [
            z if order is None else z[torch.as_tensor(order).argsort().to(z.device)]
            for z, order in zip(parts, marginals.orders, strict=True)
        ]
    dual = torch.stack([z.reshape(marginals.d, -1).T for z in duals])
    if marginals.orders[0] is not None:
        dual = dual[:, torch.as_tensor(marginals.orders[0]).argsort().to(dual.device)]
    shape = marginals.shape
    return torch.stack(values).reshape(shape), dual.reshape(*shape, *dual.shape[1:])
