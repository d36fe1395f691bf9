"""The entropic problem as data: checked, cast, normalised and oriented here, once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .problems import MASS_RTOL, MASS_RTOL_SINGLE, NEGLIGIBLE
from .validation import as_choice, as_cloud, as_cost, as_masses, as_real

__all__ = ["METRICS", "EntropicOT"]

SHORT = 256  # entries of a row: the kernels' work between two entries no longer hides
METRICS = {"sqeuclidean": 1, "euclidean": 2}


@dataclass(frozen=True)
class EntropicOT:
    r"""min <T, C> + reg KL(T | a b' / scale) + KL of the marginals or T 1 = a, T' 1 = b.

    The solver sees ``mass (q,)`` and ``weight (p,)`` over `scale`, the marginals of the rows and
    columns of a row-contiguous cost ``(q, p)``: a and b, or b and a where `swapped`. Sources and
    targets without mass are left out of them; `rows` and `columns` index the others in what was
    given.
    """

    mass: NDArray
    weight: NDArray
    C: NDArray | None  # (q, p), float32 or float64
    points: tuple | None  # (X (q, d), Yt (d, p), metric)
    reg: float
    mass_penalty: float  # of the marginal that belongs to `mass`; inf where it is met
    weight_penalty: float
    scale: float  # geometric mean of the two sums
    low: float  # bounds of the cost
    high: float
    swapped: bool
    rows: NDArray
    columns: NDArray
    a: NDArray  # as given, float64
    b: NDArray
    matrix: NDArray | None  # the cost as given
    cloud: tuple | None  # or X, Y and the number of the metric

    @property
    def balanced(self):
        """Whether both marginals are met."""
        return np.isinf(self.mass_penalty) and np.isinf(self.weight_penalty)

    @property
    def unit(self):
        """A positive cost that others are measured by: the range where there is one."""
        return (self.high - self.low) or abs(self.high) or 1.0

    def dense_cost(self):
        """The cost as a matrix (n, m), float64 or as given."""
        if self.matrix is not None:
            return self.matrix
        return np.stack([self.cost_row(i) for i in range(len(self.a))])

    def cost_row(self, i):
        """Cost from source i to every target."""
        if self.matrix is not None:
            return self.matrix[i].astype(float)
        X, Y, metric = self.cloud  # pyright: ignore[reportGeneralTypeIssues]
        return _distances(X[i], Y, metric)

    def cost_column(self, j):
        """Cost from every source to target j."""
        if self.matrix is not None:
            return self.matrix[:, j].astype(float)
        X, Y, metric = self.cloud  # pyright: ignore[reportGeneralTypeIssues]
        return _distances(Y[j], X, metric)

    @classmethod
    def from_arrays(cls, a, b, C, reg, *, X, Y, metric, marginal_penalty, function="sinkhorn"):
        """Check, cast and default the arguments of `sinkhorn`."""
        reg = as_real(function, "reg", reg, low=0.0, strict=True, sized=True)
        matrix = cloud = None
        low = high = 0.0
        if C is None:
            cloud = _as_cloud(function, X, Y, metric)
            n, m = len(cloud[0]), len(cloud[1])
        elif X is not None or Y is not None:
            message = f"{function}: give `C` or both `X` and `Y`; got `C` with points."
            raise ValueError(message)
        else:
            matrix, low, high = as_cost(function, "C", C)
            n, m = matrix.shape
        a, a_single = as_masses(function, "a", a, n)
        b, b_single = as_masses(function, "b", b, m)
        penalty_a, penalty_b = _penalties(function, marginal_penalty)
        mass, other = float(a.sum()), float(b.sum())
        if np.isinf(penalty_a) and np.isinf(penalty_b):
            rtol = MASS_RTOL_SINGLE if a_single or b_single else MASS_RTOL
            if abs(mass - other) > rtol * max(mass, other):
                message = (
                    f"{function}: `a` and `b` must have equal sums; got {mass:.17g} and "
                    f"{other:.17g}; normalise them, for example b * (a.sum() / b.sum()), or relax "
                    "them with `marginal_penalty`."
                )
                raise ValueError(message)
            b = b * (mass / other)
            other = mass

        rows = np.flatnonzero(a > NEGLIGIBLE * mass)
        columns = np.flatnonzero(b > NEGLIGIBLE * other)
        scale = np.sqrt(mass) * np.sqrt(other)
        # Rows are met exactly at any potentials: a marginal that is alone strict is theirs.
        one_strict = (
            None if np.isinf(penalty_a) == np.isinf(penalty_b) else bool(np.isinf(penalty_b))
        )
        if matrix is not None:
            kept, swapped = _oriented(matrix, rows, columns, one_strict)
            points = None
            if kept.size < matrix.size:
                low, high = float(kept.min()), float(kept.max())
        else:
            assert cloud is not None
            kept, swapped = None, bool(one_strict)
            first, second = cloud[0][rows], cloud[1][columns]
            high = _largest_distance(first, second, cloud[2])
            first, second = (second, first) if swapped else (first, second)
            points = first, np.ascontiguousarray(second.T), cloud[2]
        sides = (a[rows] / scale, penalty_a), (b[columns] / scale, penalty_b)
        (rows_mass, rows_penalty), (weight, weight_penalty) = sides[::-1] if swapped else sides
        return cls(
            mass=rows_mass, weight=weight, C=kept, points=points, reg=reg,
            mass_penalty=rows_penalty, weight_penalty=weight_penalty, scale=float(scale),
            low=low, high=high, swapped=swapped, rows=rows, columns=columns, a=a, b=b,
            matrix=matrix, cloud=cloud,
        )  # fmt: skip


def _oriented(matrix, rows, columns, one_strict):
    """The cost of sources and targets with mass as the kernels read it, and whether transposed."""
    if len(rows) < matrix.shape[0] or len(columns) < matrix.shape[1]:
        matrix = matrix[np.ix_(rows, columns)]
    swapped = matrix.flags.f_contiguous and not matrix.flags.c_contiguous
    q, p = matrix.shape[::-1] if swapped else matrix.shape
    if p < SHORT and q > 4 * p:
        swapped = not swapped
    if one_strict is not None:
        swapped = one_strict
    return np.ascontiguousarray(matrix.T if swapped else matrix), swapped


def _as_cloud(function, X, Y, metric):
    if X is None or Y is None:
        message = f"{function}: `C` must be given, or both `X` and `Y`; got neither."
        raise ValueError(message)
    as_choice(function, "metric", metric, tuple(METRICS))
    X = np.ascontiguousarray(as_cloud(function, "X", X), np.float64)
    Y = np.ascontiguousarray(as_cloud(function, "Y", Y), np.float64)
    if X.shape[1] != Y.shape[1]:
        message = (
            f"{function}: `X` and `Y` must have the same number of columns; got {X.shape[1]} and "
            f"{Y.shape[1]}."
        )
        raise ValueError(message)
    return X, Y, METRICS[metric]


def _distances(x, Y, metric):
    squared = ((Y - x) ** 2).sum(axis=1)
    return squared if metric == 1 else np.sqrt(squared)


def _largest_distance(X, Y, metric):
    """An upper bound, from the box of the points."""
    reach = np.maximum(np.abs(X.max(0) - Y.min(0)), np.abs(Y.max(0) - X.min(0)))
    squared = float((reach**2).sum())
    return squared if metric == 1 else float(np.sqrt(squared))


def _penalties(function, penalty):
    if penalty is None:
        return np.inf, np.inf
    pair = penalty if isinstance(penalty, (tuple, list)) else (penalty, penalty)
    if len(pair) != 2:
        message = f"{function}: `marginal_penalty` must be a number or a pair; got {penalty!r}."
        raise ValueError(message)
    return tuple(
        np.inf
        if x is None or (isinstance(x, float) and x == np.inf)
        else as_real(function, "marginal_penalty", x, low=0.0, strict=True, sized=True)
        for x in pair
    )
