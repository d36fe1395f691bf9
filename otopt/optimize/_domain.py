"""Where a search may go: a box and half spaces, in coordinates of its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Domain"]

ROUNDING = 1e-12  # share of its scale by which a half space may be missed


@dataclass(frozen=True)
class Domain:
    """Points u with ``lower <= u <= upper`` and ``A u <= b``, rows of A of length one.

    Constraint i of the 2 n + m is the upper bound i, then the lower bound i - n, then row i - 2 n.
    """

    lower: NDArray
    upper: NDArray
    A: NDArray
    b: NDArray

    @property
    def is_whole_space(self):
        """Whether nothing is constrained."""
        return not len(self.A) and not np.isfinite([self.lower, self.upper]).any()

    def slack(self, u):
        """Distance to every constraint, (2 n + m,)."""
        return np.concatenate([self.upper - u, u - self.lower, self.b - self.A @ u])

    def rates(self, d):
        """How fast the slacks shrink along d."""
        return np.concatenate([d, -d, self.A @ d])

    def normals(self, indices):
        """Outward normals of these constraints, (len(indices), n)."""
        n = len(self.lower)
        rows = np.zeros((len(indices), n))
        for row, i in zip(rows, indices, strict=True):
            if i < 2 * n:
                row[i % n] = 1.0 if i < n else -1.0
            else:
                row[:] = self.A[i - 2 * n]
        return rows

    def null_space(self, indices):
        """Orthonormal directions along all of these constraints, (n, k)."""
        n = len(self.lower)
        if not len(indices):
            return np.eye(n)
        _, sizes, V = np.linalg.svd(self.normals(indices))
        return V[int((sizes > 1e-10).sum()) :].T

    def near(self, u, distance):
        """The constraints within that distance."""
        return list(np.flatnonzero(self.slack(u) <= distance))

    def blocking(self, u, s, d, active):
        """Those of the constraints at hand that d would leave."""
        if self.is_whole_space:
            return active
        close = self.slack(u + s) <= ROUNDING * np.maximum(1.0, np.abs(u).max(initial=1.0))
        return [*active, *np.flatnonzero(close & (self.rates(d) > 0))]

    def step_length(self, u, d):
        """The largest share (at most 1) of d that may be taken from u, and what stops it."""
        if self.is_whole_space:
            return 1.0, None
        rates = self.rates(d)
        rising = rates > 1e-14 * max(np.abs(d).max(initial=0.0), 1e-300)
        shares = np.full(len(rates), np.inf)
        shares[rising] = np.maximum(self.slack(u)[rising], 0.0) / rates[rising]
        first = int(shares.argmin())
        return (1.0, None) if shares[first] >= 1 else (float(shares[first]), first)

    def inside(self, u, z):
        """The point nearest to z that can be reached from u along a line, after a clip to the box.

        The clip alone where there are bounds only.
        """
        z = np.minimum(np.maximum(z, self.lower), self.upper)
        if not len(self.A) or (self.A @ z <= self.b).all():
            return z
        share, _ = self.step_length(u, z - u)
        z = np.minimum(np.maximum(u + share * (z - u), self.lower), self.upper)
        return z if self.holds(z) else u

    def holds(self, u):
        """Whether u meets every constraint; half spaces up to rounding."""
        in_box = ((u >= self.lower) & (u <= self.upper)).all()
        scale = np.abs(self.A) @ np.abs(u) + np.abs(self.b)
        return bool(in_box and (self.A @ u <= self.b + ROUNDING * scale).all())
