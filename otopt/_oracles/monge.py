"""Monge costs: which one is meant, what it costs a tuple, and whether a callable is one at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otopt._core.validation import as_floats, as_real
from otopt._kernels import monge_costs as kinds

__all__ = ["COSTS", "MongeCost"]

COSTS = ("range", "pairwise_l1", "median", "pairwise_l2", "variance", "huber")
KINDS = {
    "range": kinds.RANGE,
    "pairwise_l1": kinds.PAIRWISE_L1,
    "median": kinds.MEDIAN,
    "pairwise_l2": kinds.VARIANCE,
    "variance": kinds.VARIANCE,
    "huber": kinds.HUBER,
}
EXHAUSTIVE = 200_000  # squares of the grid that are looked at before sampling begins
SAMPLES = 4_000_000  # numbers in the squares that are looked at otherwise


@dataclass(frozen=True)
class MongeCost:
    """A cost of d places on a line; `scale` times the named one of that kind."""

    name: str
    kind: int  # -1 for a callable
    weights: NDArray  # (d,)
    scale: float
    delta: float
    function: Callable | None = None

    @property
    def is_cut(self):
        """Whether it is the Lovász extension of a cut function: closed form on CDFs."""
        return 0 <= self.kind < kinds.VARIANCE

    def __call__(self, X):
        """Cost (...,) of tuples X (..., d), an array or a tensor."""
        if self.function is not None:
            return self.function(X)
        w = self.weights if isinstance(X, np.ndarray) else X.new_tensor(self.weights)
        return self.scale * kinds.monge_cost(self.kind, X, w, self.delta)

    @classmethod
    def resolve(cls, function, cost, d, weights, delta):
        """Read the arguments `cost`, `weights` and `delta` of a public function."""
        delta = as_real(function, "delta", delta, low=0.0, strict=True, sized=True)
        if callable(cost):
            if weights is not None:
                message = (
                    f"{function}: `weights` must be None for a callable cost; "
                    "put them into the callable."
                )
                raise ValueError(message)
            return cls(getattr(cost, "__name__", "callable"), -1, np.ones(d), 1.0, delta, cost)
        if not isinstance(cost, str) or cost not in COSTS:
            names = ", ".join(COSTS)
            message = (
                f"{function}: `cost` must be one of {names}, or a callable Monge cost; "
                f"got {cost!r}."
            )
            raise ValueError(message)
        if weights is None:
            share = 1.0 / d if cost in ("median", "variance") else 1.0
            w = np.full(d, share)
        elif cost == "range":
            message = (
                f'{function}: `weights` must be None for cost="range", which has none; '
                'take "pairwise_l1" or "median" to weigh the marginals.'
            )
            raise ValueError(message)
        else:
            w = as_floats(function, "weights", weights)
            if w.shape != (d,) or not (np.isfinite(w).all() and (w > 0).all()):
                message = (
                    f"{function}: `weights` must hold one positive finite number for each of the "
                    f"{d} marginals; got {weights!r}; leave a marginal out to give it no weight."
                )
                raise ValueError(message)
        scale = float(w.sum()) if cost == "pairwise_l2" else 1.0
        return cls(cost, KINDS[cost], w, scale, delta)

    def location(self, X):
        """Where one point replaces d of them (..., d): the location that belongs to the cost."""
        w = self.weights
        if self.kind == kinds.RANGE:
            return 0.5 * (X.max(axis=-1) + X.min(axis=-1))
        if self.kind == kinds.VARIANCE:
            return X @ w / w.sum()
        if self.kind == kinds.HUBER:
            low, high = X.min(axis=-1), X.max(axis=-1)
            for _ in range(60):  # halvings of the interval in which the slope changes its sign
                middle = 0.5 * (low + high)
                pull = (w * (X - middle[..., None]).clip(-self.delta, self.delta)).sum(axis=-1)
                low, high = np.where(pull > 0, middle, low), np.where(pull > 0, high, middle)
            return 0.5 * (low + high)
        order = np.argsort(X, axis=-1)
        below, half = np.cumsum(w[order], axis=-1), 0.5 * w.sum()
        ends = [(below < level).sum(axis=-1, keepdims=True)
                for level in (half * (1 - 1e-12), half * (1 + 1e-12))]  # fmt: skip
        sorted_x = np.take_along_axis(X, order, axis=-1)
        return np.take_along_axis(sorted_x, np.concatenate(ends, axis=-1), -1).mean(axis=-1)

    def check(self, function, supports, like=None):
        """Refuse a callable that is not Monge on the product of the supports.

        It suffices to look at unit squares, ``c(i) + c(i + e_k + e_l) <= c(i + e_k) + c(i + e_l)``
        for every pair of marginals: all of them on small grids, a sample on larger ones.
        """
        if self.function is None:
            return
        sizes = np.array([len(s) for s in supports])
        d = len(sizes)
        corner = np.array([s[0] for s in supports])[None]
        self._evaluate(function, corner, like)
        tested = []
        for k in range(d):
            for l in range(k + 1, d):
                top = sizes.copy()
                top[[k, l]] -= 1
                if top.min() > 0:
                    tested.append((k, l, top))
        few = sum(float(np.prod(top, dtype=float)) for *_, top in tested) <= EXHAUSTIVE
        rng = np.random.default_rng(0)
        samples = max(16, min(4096, SAMPLES // (4 * d * max(len(tested), 1))))
        for k, l, top in tested:
            if few:
                i = np.stack(np.meshgrid(*map(np.arange, top), indexing="ij"), -1).reshape(-1, d)
            else:
                i = rng.integers(0, top, (samples, d))
            corners = []
            for a, b in ((0, 0), (1, 1), (1, 0), (0, 1)):
                j = i.copy()
                j[:, k] += a
                j[:, l] += b
                places = np.stack([supports[m][j[:, m]] for m in range(d)], -1)
                corners.append(self._evaluate(function, places, like))
            excess = corners[0] + corners[1] - corners[2] - corners[3]
            worst = int(excess.argmax())
            if excess[worst] > 1e-9 * max(abs(c).max() for c in corners):
                message = (
                    f"{function}: `cost` must be Monge, c(i) + c(i + e_{k} + e_{l}) <= c(i + e_{k})"
                    f" + c(i + e_{l}); got {excess[worst]:.3g} more at bins "
                    f"{tuple(map(int, i[worst]))}; no sweep is optimal for it, use a solver of "
                    "general linear programmes."
                )
                raise ValueError(message)

    def _evaluate(self, function, X, like):
        given = X if like is None else like.new_tensor(X)
        c: Any = self(given)
        c = c.detach().cpu().numpy() if like is not None else np.asarray(c)
        if c.shape != X.shape[:-1] or not np.isfinite(c.astype(float)).all():
            message = (
                f"{function}: `cost` must map places of shape (..., d) to finite numbers of shape "
                f"(...); got shape {c.shape} for {X.shape}."
            )
            raise ValueError(message)
        return c.astype(float)
