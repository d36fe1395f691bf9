"""From what users pass as start, bounds and constraints to a start and a domain in coordinates."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otopt._core.validation import SMALLEST, as_floats, as_positive_int, check_size

from ._domain import Domain

__all__ = ["Space", "as_bounds", "as_count", "as_start"]

FAR = 100.0  # first steps: a variable further from zero counts as that far
APART = 0.1  # entries of a start below that share of the largest get smaller steps, down to that


def as_start(function, x0):
    """A finite vector of floats."""
    x = np.atleast_1d(as_floats(function, "x0", x0))
    if x.ndim != 1:
        message = f"{function}: `x0` must be a vector; got shape {x.shape}; use x0.ravel()."
        raise ValueError(message)
    if not np.isfinite(x).all():
        i = int(np.argmin(np.isfinite(x)))
        message = f"{function}: `x0` must be finite; got x0[{i}] = {x[i]}."
        raise ValueError(message)
    return x


def as_count(function, name, value):
    """A non-negative integer; whole floats, such as 1e4, are taken for one."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    is_zero = isinstance(value, (int, np.integer)) and value == 0 and not isinstance(value, bool)
    return 0 if is_zero else as_positive_int(function, name, value)


def as_bounds(function, bounds, n=None):
    """Lower and upper bounds (n,), from Bounds, pairs with None, or None."""
    if bounds is None:
        return np.full(n or 0, -np.inf), np.full(n or 0, np.inf)
    # Rows of a matrix: iteration would go through a data frame by columns. Objects may be None.
    if hasattr(bounds, "__array__") and getattr(getattr(bounds, "dtype", None), "kind", "") != "O":
        bounds = as_floats(function, "bounds", bounds)
    try:
        if hasattr(bounds, "lb"):
            lower, upper = np.broadcast_arrays(bounds.lb, bounds.ub)  # pyright: ignore[reportAttributeAccessIssue]
            lower, upper = (np.array(side, float, ndmin=1) for side in (lower, upper))
            if n is not None and len(lower) == 1:
                lower, upper = np.repeat(lower, n), np.repeat(upper, n)
        else:
            pairs = [(low, high) for low, high in bounds]
            lower = np.array([-np.inf if low is None else low for low, _ in pairs], float)
            upper = np.array([np.inf if high is None else high for _, high in pairs], float)
    except (TypeError, ValueError, RuntimeError):
        message = (
            f"{function}: `bounds` must be a scipy.optimize.Bounds or a (low, high) pair for every "
            f"variable; got {bounds!r}."
        )
        raise TypeError(message) from None
    if n is not None and len(lower) != n:
        message = (
            f"{function}: `bounds` must have one pair for every entry of `x0`; got {len(lower)} "
            f"pairs for {n} entries."
        )
        raise ValueError(message)
    for side in (lower, upper):
        finite = np.abs(side[np.isfinite(side)])
        check_size(function, "bounds", finite.max(initial=0.0))
    wrong = np.isnan(lower) | np.isnan(upper) | (lower > upper) | (lower == np.inf) | (
        upper == -np.inf
    )  # fmt: skip
    if wrong.any():
        i = int(np.argmax(wrong))
        message = (
            f"{function}: `bounds` must have low <= high; got ({lower[i]}, {upper[i]}) for "
            f"variable {i}; use None or inf where there is no bound."
        )
        raise ValueError(message)
    return lower, upper


def _as_linear(function, constraints, n):
    """Rows of ``A x <= b`` and ``E x = e``."""
    single = hasattr(constraints, "A") or isinstance(constraints, dict) or callable(constraints)
    A, b, E, e = [np.empty((0, n))], [np.empty(0)], [np.empty((0, n))], [np.empty(0)]
    if not single and constraints is not None and not isinstance(constraints, (list, tuple)):
        message = (
            f"{function}: `constraints` must be scipy.optimize.LinearConstraint, or a sequence of "
            f"them; got {type(constraints).__name__}."
        )
        raise TypeError(message)
    listed: Any = [constraints] if single else constraints or ()
    for constraint in listed:
        if not hasattr(constraint, "A"):
            message = (
                f"{function}: `constraints` must be scipy.optimize.LinearConstraint; got "
                f"{type(constraint).__name__}; let `fun` return inf where others are violated."
            )
            raise TypeError(message)
        rows = constraint.A
        rows = np.atleast_2d(
            np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows, float)
        )
        if rows.shape[1] != n:
            message = (
                f"{function}: `constraints` must have one column for every variable; got "
                f"{rows.shape[1]} columns for {n} variables."
            )
            raise ValueError(message)
        low, high = (np.broadcast_to(np.asarray(x, float), len(rows)) for x in
                     (constraint.lb, constraint.ub))  # fmt: skip
        if not np.isfinite(rows).all() or np.isnan(low).any() or np.isnan(high).any():
            message = f"{function}: `constraints` must not hold NaN, nor inf in `A`."
            raise ValueError(message)
        equal = low == high
        E.append(rows[equal])
        e.append(low[equal])
        for part, side in ((rows, high), (-rows, -low)):
            keep = ~equal & np.isfinite(side)
            A.append(part[keep])
            b.append(side[keep])
    return np.vstack(A), np.concatenate(b), np.vstack(E), np.concatenate(e)


@dataclass(frozen=True)
class Space:
    """Points ``x = origin + basis @ u``: the search moves u, on which steps have one unit.

    Variables that bounds fix and equality constraints are gone from u; where `basis` is diagonal,
    x is clipped to the bounds last, so that rounding breaks none. The tolerance of the search is
    relative to the largest entry of u: none starts far from zero, lest it exceed a narrow box.
    """

    origin: NDArray
    basis: NDArray
    lower: NDArray
    upper: NDArray
    start: NDArray  # u
    step: float
    domain: Domain
    given: tuple  # what all of this follows from

    def to_x(self, u):
        """The point of the user that u stands for."""
        x = self.origin + self.basis @ u
        return np.minimum(np.maximum(x, self.lower), self.upper)

    @classmethod
    def from_arguments(cls, function, x0, bounds, constraints, step):
        """Check, complete and scale what the user gave."""
        if x0 is None:
            x, lower, upper = _middle(function, bounds)
        else:
            x = as_start(function, x0)
            lower, upper = as_bounds(function, bounds, len(x))
            clipped = np.minimum(np.maximum(x, lower), upper)
            if (clipped != x).any():
                i = int(np.argmax(clipped != x))
                message = (
                    f"{function}: `x0` lies outside its bounds in variable {i} ({x[i]:g} not in "
                    f"[{lower[i]:g}, {upper[i]:g}]); it was moved to the nearest point inside."
                )
                warnings.warn(message, RuntimeWarning, stacklevel=4)
                x = clipped
        n = len(x)
        asked, linear = x, _as_linear(function, constraints, n)
        A, b, E, _ = linear
        if len(A) or len(E):
            x = _feasible(function, x, lower, upper, linear)
        steps = _steps(function, step, x, lower, upper)
        unit = float(steps.max(initial=0.0)) or 1.0
        scale = steps / unit
        if len(E):
            basis = _null_space(np.vstack([E, np.eye(n)[lower == upper]]), scale)
            origin = x
            finite_up, finite_low = np.isfinite(upper), np.isfinite(lower)
            A = np.vstack([A, np.eye(n)[finite_up], -np.eye(n)[finite_low]])
            b = np.concatenate([b, upper[finite_up], -lower[finite_low]])
            start = np.zeros(basis.shape[1])
            box = np.full(len(start), -np.inf), np.full(len(start), np.inf)
        else:
            free = lower < upper
            basis = np.diag(scale)[:, free]
            origin = np.where(free, x - np.clip(x, -FAR * steps, FAR * steps), x)
            start, low, high = ((y - origin)[free] / scale[free] for y in (x, lower, upper))
            box = low, high
        rows, right = A @ basis, b - A @ origin
        length = np.linalg.norm(rows, axis=1)
        keep = length > 1e-12 * np.maximum(np.linalg.norm(A * scale, axis=1), 1e-300)
        domain = Domain(*box, rows[keep] / length[keep, None], right[keep] / length[keep])
        return cls(
            origin, basis, lower, upper, start, unit, domain, (asked, lower, upper, linear, steps)
        )


def _middle(function, bounds):
    if bounds is None:
        message = f"{function}: `x0` or `bounds` must be given; got neither."
        raise ValueError(message)
    lower, upper = as_bounds(function, bounds)
    if not np.isfinite([lower, upper]).all():
        i = int(np.argmin(np.isfinite(lower) & np.isfinite(upper)))
        message = (
            f"{function}: `bounds` must be finite where no `x0` is given; got ({lower[i]}, "
            f"{upper[i]}) for variable {i}; give `x0`."
        )
        raise ValueError(message)
    return lower + (upper - lower) / 2, lower, upper


def _steps(function, step, x, lower, upper):
    """First steps (n,): a quarter of the size of x by default, and of the width of a box.

    An entry far below the largest is more likely in another unit than meant to move as far. How
    far below is no measure of it: it may be a zero but for rounding. Zeros say nothing.
    """
    if step is None:
        sizes = np.abs(x)
        largest = float(sizes.max(initial=0.0))
        shares = np.where(sizes > 0, np.clip(sizes / (APART * largest or 1.0), APART, 1.0), 1.0)
        steps = 0.25 * max(1.0, largest) * shares
        width = np.where(upper > lower, upper - lower, 1.0)
        return np.minimum(steps, 0.25 * width)
    steps = as_floats(function, "initial_step", step)
    if steps.shape not in ((), (1,), x.shape):
        message = (
            f"{function}: `initial_step` must be a number, or one for each of the {len(x)} "
            f"variables; got shape {steps.shape}."
        )
        raise ValueError(message)
    steps = np.array(np.broadcast_to(steps, x.shape))
    if not ((steps >= SMALLEST) & np.isfinite(steps)).all():
        message = f"{function}: `initial_step` must be positive and finite; got {step!r}."
        raise ValueError(message)
    return steps


def _null_space(rows, scale):
    """Columns, orthonormal in units of `scale`, along which `rows` do not change."""
    scaled = rows * scale
    scaled /= np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), 1e-300)
    _, sizes, V = np.linalg.svd(scaled)
    basis = V[int((sizes > 1e-12 * sizes.max(initial=1e-300)).sum()) :].T
    # Entries are small where those of `rows` are large: once more, for digits relative to them.
    basis = basis - np.linalg.pinv(scaled, rcond=1e-12) @ (scaled @ basis)
    return basis * scale[:, None]


def _feasible(function, x, lower, upper, linear):
    """The point nearest to x (sum of absolute distances) that meets all constraints."""
    from scipy.optimize import linprog

    A, b, E, e = linear
    n = len(x)
    if (A @ x <= b).all() and np.allclose(E @ x, e, rtol=0, atol=1e-12):
        return x
    eye = np.eye(n)
    distance = np.vstack([np.hstack([eye, -eye]), np.hstack([-eye, -eye])])
    found = linprog(
        np.append(np.zeros(n), np.ones(n)),
        A_ub=np.vstack([distance, np.hstack([A, np.zeros_like(A)])]),
        b_ub=np.concatenate([x, -x, b]),
        A_eq=np.hstack([E, np.zeros_like(E)]) if len(E) else None,
        b_eq=e if len(E) else None,
        bounds=[*zip(lower, upper, strict=True), *[(0, None)] * n],
    )
    if found.x is None:
        message = (
            f"{function}: `constraints` and `bounds` must leave a feasible point; got none "
            f"({found.message.strip()})."
        )
        raise ValueError(message)
    message = f"{function}: `x0` violates `constraints`; it was moved to the nearest point inside."
    warnings.warn(message, RuntimeWarning, stacklevel=5)
    return np.minimum(np.maximum(found.x[:n], lower), upper)
