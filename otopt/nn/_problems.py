"""What the modules accept: cost matrices or point clouds, with leading batch dimensions."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch

from otopt._backend import is_tensor, numpy_views
from otopt.errors import InfeasibleError, NotConvergedError, OtoptWarning

__all__ = ["METRICS", "Batch", "balance_halves"]

METRICS = ("sqeuclidean", "euclidean", "cosine")


def _all_costs(metric, x, y):
    if metric == "cosine":
        with torch.autocast(x.device.type, enabled=False):  # it would multiply in half precision
            return 1.0 - _directions(x) @ _directions(y).mT
    distance = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return distance.square() if metric == "sqeuclidean" else distance


def _pair_costs(metric, x, y):
    if metric == "cosine":
        return 1.0 - (_directions(x) * _directions(y)).sum(dim=-1)
    if metric == "sqeuclidean":
        return (x - y).square().sum(dim=-1)
    return torch.linalg.vector_norm(x - y, dim=-1)


def _directions(x):
    """Points over their lengths; the origin stays, with derivative zero."""
    size = x.detach().abs().amax(dim=-1, keepdim=True)  # squares do not leave the range then
    at_origin = size == 0
    x = torch.where(at_origin, 1.0, x) / torch.where(at_origin, 1.0, size)
    return torch.where(at_origin, 0.0, x / torch.linalg.vector_norm(x, dim=-1, keepdim=True))


def balance_halves(a, b):
    """Masses (..., n) and (..., m) in single precision, where their sums agree up to their own.

    Half precision keeps no more than two or three digits of a sum, less than any solver accepts.
    """
    halves = [x.dtype for x in (a, b) if x.dtype in (torch.float16, torch.bfloat16)]
    if not halves:
        return a, b
    a, b = a.float(), b.float()
    with torch.no_grad():
        one, other = (x.sum(dim=-1, keepdim=True, dtype=torch.float64) for x in (a, b))
        rtol = max(torch.finfo(dtype).eps for dtype in halves)
        close = (one - other).abs() <= rtol * torch.maximum(one, other)
        factor = torch.where(close & (other > 0), one / other, 1.0)
    return a, b * factor.float()


class _Problem(NamedTuple):
    """One problem: what the solver reads, and the differentiable masses and costs."""

    a: torch.Tensor  # (n,)
    b: torch.Tensor  # (m,)
    cost: tuple[torch.Tensor, ...]  # C (n, m), or x (n, d) and y (m, d)
    metric: str | None

    def solve(self, solver, **settings):
        with torch.no_grad():
            C = self.cost[0] if self.metric is None else _all_costs(self.metric, *self.cost)
            _, (a, b, C) = numpy_views(solver.__name__, a=self.a, b=self.b, C=C)
            return solver(a, b, C, **settings)

    def differentiable(self, rows, columns):
        """Masses, and costs of the entries asked for, in float64."""
        if self.metric is None:
            cost = self.cost[0][rows, columns].double()
        else:
            x, y = self.cost
            cost = _pair_costs(self.metric, x[rows].double(), y[columns].double())
        return self.a.double(), self.b.double(), cost


class Batch:
    """Problems with leading batch dimensions, broadcast against one another.

    Parameters
    ----------
    function : str
        Whose name errors carry.
    a, b : Tensor, shape (..., n), (..., m), or None
        None: uniform.
    cost : tuple of Tensor
        C (..., n, m), or x (..., n, d) and y (..., m, d) where there is a `metric`.
    metric : str, optional
    """

    def __init__(self, function, a, b, cost, metric=None):
        self.function = function
        names = ("C",) if metric is None else ("x", "y")
        given = {"a": a, "b": b} | dict(zip(names, cost, strict=True))
        if metric is not None:
            given = {name: x for name, x in given.items() if name in names or x is not None}
        for name, x in given.items():
            self._check(name, x, 1 if name in "ab" else 2)
        with torch.no_grad():
            home, _ = numpy_views(function, **given)
        assert home is not None
        self.dtype = home.dtype
        if metric is None:
            self.size = n, m = cost[0].shape[-2:]
        else:
            self.size = n, m = tuple(x.shape[-2] for x in cost)
            cost = tuple(x.to(self.dtype) for x in cost)  # not in half precision
            if cost[0].shape[-1] != cost[1].shape[-1]:
                message = (
                    f"{function}: `x` and `y` must have points of one dimension; "
                    f"got {cost[0].shape[-1]} and {cost[1].shape[-1]}."
                )
                raise ValueError(message)
        a = cost[0].new_full((n,), 1.0 / max(n, 1)) if a is None else a
        b = cost[0].new_full((m,), 1.0 / max(m, 1)) if b is None else b
        leading = [x.shape[:-1] for x in (a, b)] + [x.shape[:-2] for x in cost]
        try:
            self.shape = torch.broadcast_shapes(*leading)
        except RuntimeError:
            found = ", ".join(str(tuple(shape)) for shape in leading)
            message = f"{function}: batch dimensions must broadcast; got {found}."
            raise ValueError(message) from None
        if self.shape.numel() == 0:
            message = f"{function}: the batch must not be empty; got shape {tuple(self.shape)}."
            raise ValueError(message)
        a, b = (x.expand(*self.shape, -1).reshape(-1, x.shape[-1]) for x in (a, b))
        a, b = balance_halves(a, b)
        cost = [x.expand(*self.shape, -1, -1).reshape(-1, *x.shape[-2:]) for x in cost]
        self.problems = [
            _Problem(a[index], b[index], tuple(x[index] for x in cost), metric)
            for index in range(self.shape.numel())
        ]

    def _check(self, name, x, dimensions):
        if not is_tensor(x):
            message = (
                f"{self.function}: `{name}` must be a torch tensor; got {type(x).__name__}; "
                "use torch.as_tensor, or otopt.sparse_ot for NumPy arrays."
            )
            raise TypeError(message)
        if x.ndim < dimensions:
            message = (
                f"{self.function}: `{name}` must have at least {dimensions} dimension(s); "
                f"got shape {tuple(x.shape)}."
            )
            raise ValueError(message)
        if 0 in x.shape[-dimensions:]:
            message = (
                f"{self.function}: `{name}` must not be empty; got shape {tuple(x.shape)}; there "
                "is nothing to transport."
            )
            raise ValueError(message)

    def solve(self, solver, *, must_succeed, **settings):
        """`solver` on all problems; where they `must_succeed`, the first failure is raised."""
        results = []
        for index, problem in enumerate(self.problems):
            with warnings.catch_warnings():
                if must_succeed:  # what they would say is raised
                    warnings.simplefilter("ignore", OtoptWarning)
                result = problem.solve(solver, **settings)
            if must_succeed:
                try:
                    result.raise_if_failed()
                except (InfeasibleError, NotConvergedError) as error:
                    place = [int(i) for i in np.unravel_index(index, tuple(self.shape) or (1,))]
                    which = f"problem {place} of the batch: " if self.shape else ""
                    raise type(error)(f"{self.function}: {which}{error}") from None
            results.append(result)
        return tuple(results)
