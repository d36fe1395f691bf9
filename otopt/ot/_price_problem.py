"""Everything that `solve_prices` is told, checked; for one process and for many."""

from __future__ import annotations

from otopt._backend import is_tensor
from otopt._core.validation import as_choice, as_flag, as_positive_int, as_real
from otopt._oracles.price_dual import PriceDual

from ._price_input import as_count, read_capacity, read_price, read_rows
from ._price_solve import METHODS, PriceSettings

__all__ = ["read_problem"]


def read_problem(
    function, scores, k, capacity, *, row_mass, row_nnz, equality, method, smoothing, reg, passes,
    tol, maxiter, warm_start, certify, reduce=None,
):  # fmt: skip
    """Check everything; `reduce` adds up statistics over processes."""
    method = METHODS[as_choice(function, "method", method, METHODS)]
    smoothing = (
        None
        if smoothing is None
        else as_real(function, "smoothing", smoothing, low=0, strict=True, sized=True)
    )
    if reg is not None and not (
        is_tensor(reg) and is_tensor(scores) and scores.device == reg.device
    ):
        reg = as_real(function, "reg", reg, low=0, strict=True, sized=True)
    passes = None if passes is None else as_positive_int(function, "passes", passes)
    tol = as_real(function, "tol", tol, low=0, strict=True)
    maxiter = as_positive_int(function, "maxiter", maxiter)
    rows = read_rows(function, scores, row_mass)
    m = rows.S.shape[1]
    k = as_count(function, "k", k, m)
    nnz = m if row_nnz is None else as_count(function, "row_nnz", row_nnz, m)
    if nnz < k:
        message = f"{function}: `row_nnz` must be at least k = {k}; got {nnz}."
        raise ValueError(message)
    mass = rows.mass
    if reduce is not None:
        total = rows.weight.sum().reshape(1)
        mass = rows.number(reduce(total)[0])
    bounds = read_capacity(function, capacity, rows, k, k * mass)
    equality = capacity is None if equality is None else as_flag(function, "equality", equality)
    if method == "quantile" and (
        reduce is not None or (rows.on_host and _is_weighted(rows.weight))
    ):
        message = (
            f"{function}: `method` 'quantile' needs masses of 0 or 1 on one process; got other "
            "masses or a process group; use method='diagonal'."
        )
        raise ValueError(message)
    if method == "newton" and (not rows.on_host or reduce is not None):
        message = (
            f"{function}: `method` 'newton' runs on the CPU, in one process; got a tensor "
            "elsewhere or a process group; use method='diagonal'."
        )
        raise ValueError(message)
    start = None
    if warm_start is not None:
        given = getattr(warm_start, "price", warm_start)
        start = read_price(function, "warm_start", given, rows)
    extra = {} if reduce is None else {"reduce": reduce}
    dual = PriceDual(rows.kernels, rows.S, rows.weight, k, nnz, bounds, equality, **extra)
    settings = PriceSettings(
        method, reg, smoothing, passes, tol, maxiter, as_flag(function, "certify", certify)
    )
    return rows, dual, start, settings


def _is_weighted(weight):
    return bool(((weight != 0) & (weight != 1)).any())
