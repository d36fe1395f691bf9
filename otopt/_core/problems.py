"""Problems as data: everything is checked, cast and defaulted here, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clouds import Cloud, PointCost, kd_order
from .integer_masses import integer_masses
from .validation import LARGEST, SMALLEST, as_cardinalities, as_cost, as_masses, as_points, as_real

__all__ = ["NEGLIGIBLE", "LinearOT", "SparseOT", "as_marginals", "balanced"]

# Sums that differ by less than this share of the mass are equal up to rounding.
MASS_RTOL = 5e-10
MASS_RTOL_SINGLE = 1e-5
TINY = float(np.finfo(float).tiny)
NEGLIGIBLE = 1e-15  # a mass below this share of the whole is lost in the rounding of the sum


def as_marginals(function, a, b, shape, *, points=False):
    """Return masses of rows and columns, of exactly the same sum, and that sum."""
    mend = "exchange `X` and `Y` if they are swapped"
    a, a_single = as_masses(
        function, "a", a, shape[0], ("point (row) of `X`", mend) if points else None
    )
    b, b_single = as_masses(
        function, "b", b, shape[1], ("point (row) of `Y`", mend) if points else None
    )
    b, mass = balanced(function, a, b, single=a_single or b_single)
    return a, b, mass


def balanced(function, a, b, *, single):
    """Return b with exactly the sum of a, and that sum."""
    mass, other = float(a.sum()), float(b.sum())
    rtol = MASS_RTOL_SINGLE if single else MASS_RTOL
    if abs(mass - other) > rtol * max(mass, other):
        message = (
            f"{function}: `a` and `b` must have equal sums; got {mass:.17g} and {other:.17g}; "
            "normalise them, for example b * (a.sum() / b.sum())."
        )
        raise ValueError(message)
    return b * (mass / other), mass


def _relative_gap(problem, value, bound):
    return (value - bound) / max(abs(value), 1e-9 * problem.unit * problem.mass, TINY)


class _Blocks:
    """Costs of rows and columns as given, of a problem that has `C`, `cost`, `columns`, `shape`."""

    C: Any
    cost: Any  # a matrix or two clouds, all rows and columns
    columns: NDArray
    shape: tuple

    def row_block(self, rows) -> Any:
        """Costs of `rows`, indices into the cost as given, to the columns of the problem."""
        if isinstance(self.C, PointCost):
            return self.C._replace(queries=Cloud.of_sorted(self.cost[0][rows]))
        return np.ascontiguousarray(self.cost[np.ix_(rows, self.columns)])

    def column_block(self, columns) -> tuple[Any, NDArray]:
        """Costs of `columns` to all rows of the cost as given, and the order of the rows."""
        if isinstance(self.C, PointCost):
            X, Y = self.cost
            order = kd_order(X)
            queries = Cloud.of_sorted(Y[columns])
            return PointCost(Cloud.of_sorted(X[order]), queries, self.C.metric), order
        return np.ascontiguousarray(self.cost[:, columns].T), np.arange(self.shape[0])


@dataclass(frozen=True)
class SparseOT(_Blocks):
    """min <T, C> + reg/2 ||T||^2, T 1 = a, T' 1 = b, T >= 0, at most k nonzeros in a column.

    Rows and columns without mass are left out of `a`, `b`, `Ct`; `rows` and `columns` are the
    indices of the others in the arrays that were given. Between point clouds `Ct` and `C` are
    `PointCost`, and rows and columns stand in the order of its trees.
    """

    a: NDArray  # (n,) > 0
    b: NDArray  # (m,) > 0, sum equal to that of a
    Ct: Any  # (m, n) C-contiguous, float32 or float64
    C: Any  # (n, m), the same numbers; row-contiguous where that needs no copy
    k: NDArray  # (m,) int64, 1..n
    reg: float
    mass: float
    unit: float  # a positive cost that the others are measured by: the range where there is one
    rows: NDArray
    columns: NDArray
    cost: Any  # as given, all rows and columns; of points, both clouds
    shape: tuple  # of the cost

    def relative_gap(self, value, bound):
        """Return (value - bound) / |value|, where values near zero are measured by the cost."""
        return _relative_gap(self, value, bound)

    @property
    def groups(self):
        """Rows that stand close together, as labels (n,); None where the cost does not tell."""
        return self.Ct.points.leaf_of if isinstance(self.Ct, PointCost) else None

    def clustered(self):
        """The problem between the clusters of two point clouds, without cardinality constraint."""
        assert isinstance(self.Ct, PointCost)
        sources, a = self.Ct.points.clustered(self.a)
        targets, b = self.Ct.queries.clustered(self.b)
        Ct = PointCost(sources, targets, self.Ct.metric)
        return replace(
            self, a=a, b=b, Ct=Ct, C=Ct.transposed, k=np.full(len(b), len(a)),
            rows=np.arange(len(a)), columns=np.arange(len(b)), shape=(len(a), len(b)),
        )  # fmt: skip

    @classmethod
    def from_arrays(cls, a, b, C, k, reg, *, function="sparse_ot", side="column"):
        """Check, cast and default the arguments of `sparse_ot`; `side` is what k bounds."""
        cost, low, high = as_cost(function, "C", C)
        a, b, mass = as_marginals(function, a, b, cost.shape)
        k, reg = _check_settings(function, k, reg, cost.shape, side)
        rows = np.flatnonzero(a > NEGLIGIBLE * mass)
        columns = np.flatnonzero(b > NEGLIGIBLE * mass)
        kept = cost
        if len(rows) < len(a) or len(columns) < len(b):
            kept = cost[np.ix_(rows, columns)]
            low, high = float(kept.min()), float(kept.max())
        Ct, by_rows = _both_ways(kept)
        unit = (high - low) or abs(high) or 1.0
        return cls(
            a=a[rows], b=b[columns], Ct=Ct, C=by_rows, k=np.minimum(k[columns], len(rows)),
            reg=_default_reg(function, reg, unit, mass), mass=mass, unit=unit,
            rows=rows, columns=columns, cost=cost, shape=cost.shape,
        )  # fmt: skip

    @classmethod
    def from_stack(cls, a, b, C, k, reg, *, function):
        """`from_arrays` of every problem of a stack: a (P, n), b (P, m), C (P, n, m).

        Checked all at once. Returns None where one of them needs to be looked at by itself: to
        leave out empty rows, to cast or copy a cost, or to be refused.
        """
        if not all(type(x) is np.ndarray and x.dtype == np.float64 for x in (a, b, C)):
            return None
        if (a.ndim, b.ndim, C.ndim, np.ndim(k)) != (2, 2, 3, 0) or 0 in C.shape:
            return None
        if a.shape != C.shape[:2] or b.shape != C.shape[::2]:
            return None
        if not (C.flags.c_contiguous and C.flags.writeable):
            return None
        low, high = C.min(axis=(1, 2)), C.max(axis=(1, 2))
        mass, other = a.sum(axis=1), b.sum(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):  # what is not finite fails
            sizes = np.concatenate([mass, other, np.maximum(np.abs(low), np.abs(high))])
            is_plain = (
                ((sizes >= SMALLEST) & (sizes <= LARGEST)).all()
                and (a > NEGLIGIBLE * mass[:, None]).all()
                and (b > NEGLIGIBLE * other[:, None]).all()
                and (a.max(axis=1) >= SMALLEST).all()
                and (b.max(axis=1) >= SMALLEST).all()
                and (np.abs(mass - other) <= MASS_RTOL * mass).all()
            )
        if not is_plain:
            return None
        count, n, m = C.shape
        counts, reg = _check_settings(function, k, reg, (n, m), "column")
        a, b = np.array(a), b * (mass / other)[:, None]
        Ct = np.ascontiguousarray(C.transpose(0, 2, 1))
        rows, columns = np.arange(n), np.arange(m)
        unit = np.where(high > low, high - low, np.abs(high))
        return [
            cls(
                a=a[p], b=b[p], Ct=Ct[p], C=C[p], k=np.minimum(counts, n),
                reg=_default_reg(function, reg, float(unit[p]), float(mass[p])),
                mass=float(mass[p]), unit=float(unit[p]),
                rows=rows, columns=columns, cost=C[p], shape=(n, m),
            )
            for p in range(count)
        ]  # fmt: skip

    @classmethod
    def from_unbalanced(cls, a, b, C, k, reg, *, function="sparse_ot", side="column"):
        """As `from_arrays` where sums may differ: masses are nominal, and positive."""
        cost, low, high = as_cost(function, "C", C)
        n, m = cost.shape
        a, _ = as_masses(function, "a", a, n)
        b, _ = as_masses(function, "b", b, m)
        for name, x in (("a", a), ("b", b)):
            if not (x >= SMALLEST).all():
                message = (
                    f"{function}: `{name}` must be positive where `marginal_penalty` is given; got "
                    f"{name}[{int(x.argmin())}] = {x.min():g}; leave that one out."
                )
                raise ValueError(message)
        k, reg = _check_settings(function, k, reg, cost.shape, side)
        mass = max(float(a.sum()), float(b.sum()))
        Ct, by_rows = _both_ways(cost)
        unit = (high - low) or abs(high) or 1.0
        return cls(
            a=a, b=b, Ct=Ct, C=by_rows, k=k,
            reg=_default_reg(function, reg, unit, mass), mass=mass, unit=unit,
            rows=np.arange(n), columns=np.arange(m), cost=cost, shape=cost.shape,
        )  # fmt: skip

    @classmethod
    def from_points(
        cls, a, b, X, Y, metric, k, reg, *, cost_range, function="sparse_ot", side="column"
    ):
        """The same for costs between points; `cost_range` is the kernel that finds their range."""
        X, Y, metric = as_points(function, X, Y, metric)
        shape = len(X), len(Y)
        a, b, mass = as_marginals(function, a, b, shape, points=True)
        k, reg = _check_settings(function, k, reg, shape, side)
        rows = np.flatnonzero(a > NEGLIGIBLE * mass)
        columns = np.flatnonzero(b > NEGLIGIBLE * mass)
        rows, columns = rows[kd_order(X[rows])], columns[kd_order(Y[columns])]
        Ct = PointCost(Cloud.of_sorted(X[rows]), Cloud.of_sorted(Y[columns]), metric)
        low, high = cost_range(Ct)
        unit = (high - low) or abs(high) or 1.0
        return cls(
            a=a[rows], b=b[columns], Ct=Ct, C=Ct.transposed, k=np.minimum(k[columns], len(rows)),
            reg=_default_reg(function, reg, unit, mass), mass=mass, unit=unit,
            rows=rows, columns=columns, cost=(X, Y), shape=shape,
        )  # fmt: skip


def _both_ways(cost):
    """The cost by columns, C-contiguous, and by rows, which is the same memory where it can be.

    Both are writeable: numba compiles anew for read-only arrays.
    """
    Ct = np.require(cost.T, requirements=("C", "W"))
    return Ct, cost if cost.flags.c_contiguous and cost.flags.writeable else Ct.T


def _check_settings(function, k, reg, shape, side):
    k = as_cardinalities(function, "k", k, *shape, side=side)
    return k, None if reg is None else as_real(function, "reg", reg, low=0.0, sized=True)


def _default_reg(function, reg, unit, mass):
    """Return reg, by default what suits the scales: as sized as one that is given."""
    if reg is not None:
        return reg
    if not SMALLEST * mass <= unit <= LARGEST * mass:
        message = (
            f"{function}: `reg`, by default the range of `C` over the mass, must be 0 or between "
            f"{SMALLEST:g} and {LARGEST:g}; got {unit:.3g} over {mass:.3g}; rescale `C` or the "
            "masses, or give `reg`."
        )
        raise ValueError(message)
    return unit / mass


@dataclass(frozen=True)
class LinearOT(_Blocks):
    """min <T, C>, T 1 = a, T' 1 = b, T >= 0, with masses also as integers.

    Rows and columns without mass, or with less than the integers resolve, are left out of `a`, `b`,
    `C`; `rows` and `columns` are the indices of the others in the arrays that were given.
    """

    a: NDArray  # (n,) > 0
    b: NDArray  # (m,) > 0
    supply: NDArray  # (n,) int64 > 0
    demand: NDArray  # (m,) int64 > 0, sum equal to that of supply
    quantum: float  # mass of one unit of them
    C: Any  # (n, m) float32 or float64, contiguous one way or the other, writeable; or `PointCost`
    mass: float
    unit: float  # a positive cost that the others are measured by: about the range of C
    rows: NDArray
    columns: NDArray
    cost: Any  # as given, all rows and columns; of points, both clouds
    shape: tuple  # of the cost

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
            cost=cost, shape=cost.shape,
        )  # fmt: skip

    @classmethod
    def from_points(cls, a, b, X, Y, metric, *, function="emd"):
        """The same for costs between points, which are sorted along kd-trees."""
        X, Y, metric = as_points(function, X, Y, metric)
        a, b, mass = as_marginals(function, a, b, (len(X), len(Y)), points=True)
        supply, demand, quantum = integer_masses(a, b)
        rows, columns = np.flatnonzero(supply), np.flatnonzero(demand)
        rows, columns = rows[kd_order(X[rows])], columns[kd_order(Y[columns])]
        C = PointCost(Cloud.of_sorted(Y[columns]), Cloud.of_sorted(X[rows]), metric)
        sample = C.sample()
        low, high = float(sample.min()), float(sample.max())
        return cls(
            a=a[rows], b=b[columns], supply=supply[rows], demand=demand[columns], quantum=quantum,
            C=C, mass=mass, unit=(high - low) or abs(high) or 1.0, rows=rows, columns=columns,
            cost=(X, Y), shape=(len(X), len(Y)),
        )  # fmt: skip
