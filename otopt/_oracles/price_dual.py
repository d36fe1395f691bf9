"""Smoothed dual of the transport from rows to columns that hold so much: one price a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from otopt._backend import is_tensor, torch_module

__all__ = ["PriceDual"]


def _alone(statistics):
    return statistics


@dataclass(frozen=True)
class PriceDual:
    r"""``D(q) = sum_i w_i max_p [<s_i - q, p> - reg/2 |p|^2] + <C, q>`` over capped simplices.

    Its gradient is ``C - load``. Written for arrays and tensors alike, of which a pass through the
    diagonal of the curvature reads none on the host.

    Attributes
    ----------
    kernels : module
        Of the family "prices".
    S : array (n, m)
    weight : array (n,)
        Mass of the rows; 0 for padding.
    k, nnz : int
        Entries of p sum to k; at most nnz are positive.
    capacity : array (m,)
    equality : bool
        Whether loads must equal the capacity (free prices of mean 0) or stay below (prices >= 0).
    reduce : callable
        Adds up an array of statistics over the processes that hold rows.
    """

    kernels: Any
    S: Any
    weight: Any
    k: int
    nnz: int
    capacity: Any
    equality: bool
    reduce: Any = _alone

    @property
    def xp(self) -> Any:
        """NumPy or torch."""
        return torch_module() if is_tensor(self.S) else np

    def project(self, q):
        """Return feasible prices nearby."""
        return q - q.mean() if self.equality else q.clip(min=0)

    def curvature(self, q, reg):
        """Loads (m,) and diagonal of the Hessian (m,): the only things a pass communicates."""
        _, load, diagonal, _ = self.kernels.price_pass(
            self.S, q, self.k, self.nnz, reg, self.weight, 1
        )
        load, diagonal = self.reduce(self.xp.stack([load, diagonal]))
        return load, diagonal

    def evaluate(self, q, reg):
        """Value, loads and the full Hessian, for one process."""
        value, load, _, hessian = self.kernels.price_pass(
            self.S, q, self.k, self.nnz, reg, self.weight, 2
        )
        return value + self.capacity @ q, load, hessian

    def bound(self, q):
        """Upper bound on the value of every plan, and the loads of the rule that attains it."""
        _, value, load = self.kernels.route(self.S, q, self.k, self.weight)
        packed = self.xp.stack([load, load * 0 + value])
        load, value = self.reduce(packed)
        return value[0] + self.capacity @ self.xp.asarray(q, dtype=load.dtype), load

    def violation(self, q, load):
        """Largest excess of a load, and shortage where the price asks for a full column.

        In units of the mean capacity.
        """
        miss = load - self.capacity
        short = (-miss).clip(min=0)
        if not self.equality:
            scale = self.capacity.mean() + 1e-300
            short = short * (q > 1e-9 * (1 + abs(q).max()))
            return self.xp.maximum(miss.clip(min=0), short).max() / scale
        return abs(miss).max() / (self.capacity.mean() + 1e-300)

    def moments(self):
        """Mass, column means and the standard deviation around them."""
        total, sums, squares = self.kernels.score_moments(self.S, self.weight)
        total, sums, squares = self.reduce(self.xp.stack([sums * 0 + total, sums, squares]))
        mass = total[0].clip(min=1e-300)
        mean = sums / mass
        # Squares of large scores cancel: what is left below rounding counts as nothing.
        variance = (squares / mass - mean**2).clip(min=0).mean()
        noise = 1e-14 * (squares / mass).mean()
        return total[0], mean, self.xp.sqrt(variance * (variance > noise))
