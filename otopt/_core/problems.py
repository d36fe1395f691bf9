"""Problems as data: everything is checked, cast and defaulted here, once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .integer_masses import integer_masses
from .validation import as_cardinality, as_cost, as_masses, as_real

__all__ = ["LinearOT", "SparseOT", "as_marginals"]

# Sums that differ by less than this share of the mass are equal up to rounding.
MASS_RTOL = 5e-10
MASS_RTOL_SINGLE = 1e-5
NEGLIGIBLE = 1e-15  # a mass below this share of the whole is lost in the rounding of the sum


def as_marginals(function, a, b, shape):
    """Return masses of rows and columns, of exactly the same sum, and that sum."""
    a, a_single = as_masses(function, "a", a, shape[0])
    b, b_single = as_masses(function, "b", b, shape[1])
    mass, other = float(a.sum()), float(b.sum())
    rtol = MASS_RTOL_SINGLE if a_single or b_single else MASS_RTOL
    if abs(mass - other) > rtol * max(mass, other):
        message = (
            f"{function}: `a` and `b` must have equal sums; got {mass:.17g} and {other:.17g}; "
            "normalise them, for example b * (a.sum() / b.sum())."
        )
        raise ValueError(message)
    return a, b * (mass / other), mass


def _relative_gap(problem, value, bound):
    return (value - bound) / max(abs(value), 1e-9 * problem.unit * problem.mass)


@dataclass(frozen=True)
class SparseOT:
    """min <T, C> + reg/2 ||T||^2, T 1 = a, T' 1 = b, T >= 0, at most k nonzeros in a column.

    Rows and columns without mass are left out of `a`, `b`, `Ct`; `rows` and `columns` are the
    indices of the others in the arrays that were given.
    """

    a: NDArray  # (n,) > 0
    b: NDArray  # (m,) > 0, sum equal to that of a
    Ct: NDArray  # (m, n) C-contiguous, float32 or float64
    C: NDArray  # (n, m), the same numbers; row-contiguous wherever that needs no copy
    k: int  # 1..n
    reg: float
    mass: float
    unit: float  # a positive cost that the others are measured by: the range where there is one
    rows: NDArray
    columns: NDArray
    cost: NDArray  # as given, all rows and columns

    def relative_gap(self, value, bound):
        """Return (value - bound) / |value|, where values near zero are measured by the cost."""
        return _relative_gap(self, value, bound)

    @classmethod
    def from_arrays(cls, a, b, C, k, reg, *, function="sparse_ot"):
        """Check, cast and default the arguments of `sparse_ot`."""
        cost, low, high = as_cost(function, "C", C)
        a, b, mass = as_marginals(function, a, b, cost.shape)
        k = as_cardinality(function, "k", k, cost.shape[0])
        if reg is not None:
            reg = as_real(function, "reg", reg, low=0.0)

        rows = np.flatnonzero(a > NEGLIGIBLE * mass)
        columns = np.flatnonzero(b > NEGLIGIBLE * mass)
        kept = cost
        if len(rows) < len(a) or len(columns) < len(b):
            kept = cost[np.ix_(rows, columns)]
            low, high = float(kept.min()), float(kept.max())
        Ct = np.ascontiguousarray(kept.T)
        unit = (high - low) or abs(high) or 1.0
        if reg is None:
            reg = unit / mass
        # numba compiles anew for read-only arrays; the transposed copy serves there too.
        by_rows = kept if kept.flags.c_contiguous and kept.flags.writeable else Ct.T
        return cls(
            a=a[rows], b=b[columns], Ct=Ct, C=by_rows, k=min(k, len(rows)), reg=reg, mass=mass,
            unit=unit, rows=rows, columns=columns, cost=cost,
        )  # fmt: skip


@dataclass(frozen=True)
class LinearOT:
    """min <T, C>, T 1 = a, T' 1 = b, T >= 0, with masses also as integers.

    Rows and columns without mass, or with less than the integers resolve, are left out of `a`, `b`,
    `C`; `rows` and `columns` are the indices of the others in the arrays that were given.
    """

    a: NDArray  # (n,) > 0
    b: NDArray  # (m,) > 0
    supply: NDArray  # (n,) int64 > 0
    demand: NDArray  # (m,) int64 > 0, sum equal to that of supply
    quantum: float  # mass of one unit of them
    C: NDArray  # (n, m) float32 or float64, contiguous one way or the other, writeable
    mass: float
    unit: float  # a positive cost that the others are measured by: about the range of C
    rows: NDArray
    columns: NDArray
    cost: NDArray  # as given, all rows and columns

    def relative_gap(self, value, bound):
        """Return (value - bound) / |value|, where values near zero are measured by the cost."""
        return _relative_gap(self, value, bound)

    @classmethod
    def from_arrays(cls, a, b, C, find_range, *, function="emd"):
        """Check, cast and default the arguments of `emd`."""
        cost, low, high = as_cost(function, "C", C, find_range)
        a, b, mass = as_marginals(function, a, b, cost.shape)
        supply, demand, quantum = integer_masses(a, b)
        rows, columns = np.flatnonzero(supply), np.flatnonzero(demand)
        kept = cost
        if len(rows) < len(a) or len(columns) < len(b):
            kept = cost[np.ix_(rows, columns)]
            low, high = float(kept.min()), float(kept.max())
        # numba compiles anew for read-only arrays and for strides.
        contiguous = kept.flags.c_contiguous or kept.flags.f_contiguous
        if not (contiguous and kept.flags.writeable):
            kept = np.array(kept, order="C")
        return cls(
            a=a[rows], b=b[columns], supply=supply[rows], demand=demand[columns], quantum=quantum,
            C=kept, mass=mass, unit=(high - low) or abs(high) or 1.0, rows=rows, columns=columns,
            cost=cost,
        )  # fmt: skip
