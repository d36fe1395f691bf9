"""Batches of entropic transport problems of one shape, solved independently."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from otopt._backend import is_tensor, numpy_views
from otopt._backend import kernels as select_kernels
from otopt._core.options import SinkhornOptions, resolve_options
from otopt._core.problems import MASS_RTOL, MASS_RTOL_SINGLE, NEGLIGIBLE
from otopt._core.status import Status
from otopt._core.validation import (
    as_array,
    as_floats,
    as_positive_int,
    as_real,
    as_stack,
    as_threads,
)
from otopt.errors import ConvergenceWarning

from ._entropic_plan import check_marginals
from ._entropic_tensors import LazyResult, at_home
from .entropic import DEFAULT_MAXITER
from .result import Potentials

if TYPE_CHECKING:
    from numpy.typing import NDArray


__all__ = ["EntropicBatch", "sinkhorn_batch"]

OUTCOMES = np.array([Status.OPTIMAL, Status.ITERATION_LIMIT, Status.PRECISION_LIMIT])


@dataclass(frozen=True, eq=False, repr=False)
class EntropicBatch(LazyResult):
    """Entropic plans of B problems, each with its own status and certificate.

    Of problems in torch tensors, `potentials`, `value` and `plan` are tensors.

    Attributes
    ----------
    potentials : Potentials
        Dual variables f (B, n) and g (B, m), in units of cost.
    value, linear_value, dual_bound, primal_bound, gap, marginal_error : ndarray, shape (B,)
        As in `EntropicResult`, of every problem.
    status : ndarray of int, shape (B,)
        Values of `Status`.
    nit : ndarray of int, shape (B,)
        Passes over each matrix.
    elapsed : float
        Seconds for all.
    reg : ndarray, shape (B,)
        The regularisations.
    plan : ndarray, shape (B, n, m)
        The plans, built on first access from the costs that were given: RuntimeError where those
        have changed since the solve.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> C = np.array([[[0.0, 1.0], [1.0, 0.0]], [[0.0, 2.0], [2.0, 0.0]]])
    >>> batch = otopt.sinkhorn_batch([[0.5, 0.5]] * 2, [[0.5, 0.5]] * 2, C, reg=0.1)
    >>> batch.plan.shape, batch.status
    ((2, 2, 2), array([0, 0]))
    """

    potentials: Potentials
    value: NDArray
    linear_value: NDArray
    dual_bound: NDArray
    primal_bound: NDArray
    gap: NDArray
    marginal_error: NDArray
    status: NDArray
    nit: NDArray
    elapsed: float
    reg: NDArray
    _problem: tuple = field(compare=False)

    @property
    def success(self) -> NDArray:
        """Whether each plan meets its marginals up to the tolerance, (B,)."""
        return self.status == Status.OPTIMAL

    @cached_property
    @at_home
    def plan(self) -> NDArray:
        """The plans (B, n, m)."""
        a, b, C = self._problem
        f, g = self.potentials
        exponent = f[:, :, None] + g[:, None] - C
        exponent /= self.reg[:, None, None]
        plan = np.exp(exponent)
        plan *= (a / a.sum(axis=1, keepdims=True))[:, :, None]
        plan *= b[:, None]
        check_marginals(
            type(self).__name__, plan, (a, b), self.potentials, self.reg, self.marginal_error
        )
        return plan

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        names = [Status(s).name for s in np.unique(self.status)]
        counts = ", ".join(f"{(self.status == Status[x]).sum()} {x}" for x in names)
        n, m = self.potentials[0].shape[1], self.potentials[1].shape[1]
        return (
            f"EntropicBatch\n  problems: {len(self)} of {n} x {m} ({counts})\n"
            f"  marginal_error: at most {self.marginal_error.max():.1e}\n"
            f"  effort: nit {self.nit.min()} to {self.nit.max()}, {self.elapsed:.3g} s"
        )


def sinkhorn_batch(a, b, C, *, reg, tol=1e-9, maxiter=None, workers=1, options=None):
    r"""Entropic optimal transport for a batch of problems of one shape.

    Every problem is the balanced one of `sinkhorn`, solved in compiled code until it has converged
    by itself: none waits for the worst.

    Parameters
    ----------
    a : array_like, shape (B, n) or (n,)
        Masses of the sources, non-negative.
    b : array_like, shape (B, m) or (m,)
        Masses of the targets, of the same sum up to rounding.
    C : array_like, shape (B, n, m)
        Costs, finite; computed with in float64.
    reg : float or array_like, shape (B,)
        Entropic regularisation, > 0, in units of the cost.
    tol : float
        Accepted L1 error of the marginals, relative to the mass.
    maxiter : int, optional
        Passes over each matrix; 20000 by default.
    workers : int
        Threads; -1 for all cores. Changes the speed, never the answer.
    options : SinkhornOptions or dict, optional
        Fine settings.

    Returns
    -------
    EntropicBatch
        Potentials, plans, bounds and a status for every problem.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, before any work.

    Warns
    -----
    ConvergenceWarning
        Some plans do not meet their marginals up to `tol`; `status` says which.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> rng = np.random.default_rng(0)
    >>> a, C = np.full(4, 0.25), rng.random((10, 4, 4))
    >>> batch = otopt.sinkhorn_batch(a, a, C, reg=0.1)
    >>> bool(batch.success.all()), batch.plan.shape
    (True, (10, 4, 4))
    """
    started = time.perf_counter()
    options = resolve_options("sinkhorn_batch", SinkhornOptions, options)
    tol = as_real("sinkhorn_batch", "tol", tol, low=0.0, strict=True)
    maxiter = (
        DEFAULT_MAXITER
        if maxiter is None
        else as_positive_int("sinkhorn_batch", "maxiter", maxiter)
    )
    workers = as_threads("sinkhorn_batch", workers)
    home, (a, b, C) = numpy_views("sinkhorn_batch", a=a, b=b, C=C)
    a, b, C, reg = _check(a, b, C, reg)
    scale = a.sum(axis=1, keepdims=True)
    mass, weight = a / scale, b / scale
    schedule = (
        float(options.anneal_below),
        float(options.anneal_from),
        float(options.anneal_factor),
        float(options.level_tol),
    )
    phi, psi, linear, sums, outcome, error, passes = select_kernels("gibbs").gibbs_batch(
        C, reg, mass, weight, tol, maxiter, schedule, workers
    )
    value, lower, upper = _bounds(phi, psi, mass, weight, sums, reg, C)
    shift = 0.5 * (_inner(mass, psi) - _inner(weight, phi))[:, None]
    scale = scale[:, 0]
    unit = np.maximum(np.ptp(C, axis=(1, 2)), np.finfo(float).tiny)
    result = EntropicBatch(
        potentials=Potentials(reg[:, None] * (psi - shift), reg[:, None] * (phi + shift)),
        value=scale * value,
        linear_value=scale * linear,
        dual_bound=scale * lower,
        primal_bound=scale * upper,
        gap=(upper - lower) / np.maximum(np.abs(upper), 1e-9 * unit),
        marginal_error=scale * error,
        status=np.where(error <= tol, Status.OPTIMAL, OUTCOMES[outcome]),
        nit=passes,
        elapsed=time.perf_counter() - started,
        reg=reg,
        _problem=(a, b, C),
    )
    if not result.success.all():
        message = (
            f"sinkhorn_batch: {(~result.success).sum()} of {len(C)} problems did not reach tol = "
            f"{tol:.1e}; the worst misses its marginals by {error.max():.1e} of the mass. See "
            "`status`; raise maxiter, loosen tol, or increase reg."
        )
        warnings.warn(message, ConvergenceWarning, stacklevel=2)
    return result if home is None else result.in_tensors(home)


def _check(a, b, C, reg):
    C = as_stack("sinkhorn_batch", "C", C, 3, (None, None, None))
    count, n, m = C.shape
    a, b = (
        x if is_tensor(x) else as_array("sinkhorn_batch", name, x)
        for name, x in (("a", a), ("b", b))
    )
    a, b = (
        as_stack("sinkhorn_batch", name, _for_all("sinkhorn_batch", name, x, count, size), 2,
                 (count, size))
        for name, x, size in (("a", a, n), ("b", b, m))
    )  # fmt: skip
    single = any(np.asarray(x).dtype == np.float32 for x in (a, b))
    a, b, C = a.astype(np.float64), b.astype(np.float64), np.ascontiguousarray(C, np.float64)
    for name, x in (("a", a), ("b", b)):
        if (x < 0).any() or not (x.sum(axis=1) > 0).all():
            k = int(np.argmax((x < 0).any(axis=1) | ~(x.sum(axis=1) > 0)))
            message = (
                f"sinkhorn_batch: `{name}` must be non-negative with positive sums; got "
                f"{name}[{k}] from {x[k].min()} with sum {x[k].sum()}."
            )
            raise ValueError(message)
    sums = a.sum(axis=1), b.sum(axis=1)
    wrong = np.abs(sums[0] - sums[1]) > (MASS_RTOL_SINGLE if single else MASS_RTOL) * sums[0]
    if wrong.any():
        k = int(np.argmax(wrong))
        message = (
            f"sinkhorn_batch: `a` and `b` must have equal sums; got {sums[0][k]:.17g} and "
            f"{sums[1][k]:.17g} in problem {k}; normalise them, for example "
            "b * (a.sum(1, keepdims=True) / b.sum(1, keepdims=True))."
        )
        raise ValueError(message)
    b = b * (sums[0] / sums[1])[:, None]
    a = np.where(a > NEGLIGIBLE * sums[0][:, None], a, 0.0)
    b = np.where(b > NEGLIGIBLE * sums[0][:, None], b, 0.0)
    regs = as_floats("sinkhorn_batch", "reg", reg)
    regs = np.broadcast_to(regs, count).copy() if regs.shape in ((), (1,), (count,)) else None
    if regs is None or not (np.isfinite(regs) & (regs > 0)).all():
        message = f"sinkhorn_batch: `reg` must be > 0, one number or {count}; got {reg!r}."
        raise ValueError(message)
    return a, b, C, regs


def _for_all(function, name, x, count, size):
    """One vector of masses for every problem, where it is one for all."""
    if np.ndim(x) != 1:
        return x
    if len(x) != size:
        message = f"{function}: `{name}` must have {size} entries; got {len(x)}."
        raise ValueError(message)
    return np.broadcast_to(x, (count, size))


def _inner(x, y):
    return np.einsum("ki,ki->k", x, np.where(x > 0, y, 0.0))


def _bounds(phi, psi, mass, weight, sums, reg, C):
    """Value of the plan and bounds on the optimum, as in `_entropic_assembly`."""
    used = weight > 0
    lower = reg * (_inner(weight, phi) + _inner(mass, psi))
    value = reg * (_inner(sums, phi) + _inner(mass, psi))
    x = np.minimum(np.divide(weight, sums, out=np.ones_like(sums), where=sums > 0), 1.0)
    scaled = x * sums
    missing = np.maximum(weight - scaled, 0.0)
    delta = missing.sum(axis=1)
    upper = _inner(scaled, np.where(used, phi, 0.0) + np.log(x)) + _inner(mass, psi)
    upper -= delta * np.where(mass > 0, psi, np.inf).min(axis=1)
    upper += (missing * (1.0 - np.log(np.where(used, weight, 1.0)))).sum(axis=1)
    return value, lower, reg * upper + delta * C.max(axis=(1, 2))
