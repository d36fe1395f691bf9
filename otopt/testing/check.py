"""Judge a transport result by the problem alone; shares no solver code, only input checks."""

import numpy as np

from otopt._core.validation import as_cardinalities, as_masses, as_real, as_stack

__all__ = ["check_plan"]

FEASIBLE = 1e-9  # accepted L1 marginal error of a success, relative to the mass
ROUNDING = 1e-10  # accepted relative error of reported numbers


def _require(condition, text):
    if not condition:
        message = f"check_plan: {text}"
        raise AssertionError(message)


def check_plan(result, a, b, C, k, *, tol=1e-6):
    r"""Verify everything that an `OTResult` of `sparse_ot` claims.

    Sparsity, signs, marginals, value and gap are recomputed from `plan`; the bound from
    `potentials`, by the dual formula

    .. math::
        D(\alpha, \beta) = a^\top\alpha + b^\top\beta - \tfrac{1}{2\,\mathrm{reg}} \sum_j
        \sum_{\text{k largest}} (\alpha_i + \beta_j - c_{ij})_+^2 .

    Parameters
    ----------
    result : OTResult
        What `sparse_ot` returned.
    a, b, C : array_like, shape (n,), (m,), (n, m)
        The problem.
    k : int, array_like of int, shape (m,), or None
        The cardinality that was asked for.
    tol : float
        The tolerance that the solver was given.

    Raises
    ------
    AssertionError
        Saying which claim is false.
    ValueError, TypeError
        For arrays that are no problem at all.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> a, b, C = np.full(3, 1 / 3), np.full(3, 1 / 3), np.eye(3)
    >>> otopt.testing.check_plan(otopt.sparse_ot(a, b, C, 1), a, b, C, 1)
    """
    C = as_stack("check_plan", "C", C, 2, (None, None)).astype(float)
    (a, a_single), (b, b_single) = (
        as_masses("check_plan", name, x, size)
        for name, x, size in (("a", a, len(C)), ("b", b, C.shape[1]))
    )
    rounded = a_single or b_single
    if rounded:  # single-precision masses agree in sum to single precision only
        b = b * (a.sum() / b.sum())
    n, m = C.shape
    k = as_cardinalities("check_plan", "k", k, n, m)
    tol = as_real("check_plan", "tol", tol, low=0.0, strict=True)
    mass = a.sum()
    spread = np.ptp(C) or np.abs(C).max() or 1.0
    T = result.plan.toarray()
    _require(T.shape == (n, m), f"plan has shape {T.shape}, the cost {C.shape}")
    _require((T >= 0).all(), f"plan has an entry {T.min()}")
    count = (T > 0).sum(axis=0)
    j = int((count - k).argmax())
    _require(count[j] <= k[j], f"a column has {count[j]} > {k[j]}")

    error = np.abs(T.sum(axis=1) - a).sum() + np.abs(T.sum(axis=0) - b).sum()
    _require(
        abs(error - result.marginal_error) <= ROUNDING * mass,
        f"marginal_error is {error:.3e}, reported {result.marginal_error:.3e}",
    )
    linear = (T * C).sum()
    value = linear + 0.5 * result.reg * (T**2).sum()
    scale = abs(value) + spread * mass
    _require(abs(linear - result.linear_value) <= ROUNDING * scale, "linear_value is wrong")
    _require(abs(value - result.value) <= ROUNDING * scale, "value is wrong")

    alpha, beta = result.potentials
    positive = np.maximum(alpha[:, None] + beta - C, 0.0)
    bound = a @ alpha + b @ beta
    if result.reg > 0:
        largest = np.arange(n)[:, None] >= n - k
        bound -= (np.sort(positive, axis=0)[largest] ** 2).sum() / (2 * result.reg)
    else:
        size = np.abs(alpha).max() + np.abs(beta).max() + np.abs(C).max()
        _require(positive.max() <= 1e-12 * size, "potentials are not dual feasible")
    _require(
        abs(bound - result.dual_bound) <= 1e-9 * (abs(bound) + scale),
        f"potentials prove {bound:.12g}, reported {result.dual_bound:.12g}",
    )
    # A plan that misses its marginals by `error` can be cheaper by so much at these prices.
    slack = 1e-12 * scale + 2 * error * (np.abs(alpha).max() + np.abs(beta).max())
    relaxed_slack = 2 * tol * mass * (np.abs(alpha).max() + np.abs(beta).max())
    _require(
        result.relaxed.value >= result.dual_bound - slack - relaxed_slack,
        "relaxed value is below the bound",
    )

    if result.success:
        _require(error <= FEASIBLE * mass, f"success with marginal error {error / mass:.1e}")
        _require(value >= result.dual_bound - slack, "value is below the bound")
        gap = (value - result.dual_bound) / max(abs(value), 1e-9 * spread * mass)
        _require(abs(gap - result.gap) <= 1e-6 * (1 + abs(gap)), f"gap is {gap}")
        name = "OPTIMAL" if result.gap <= tol else "FEASIBLE"
        _require(result.status.name == name, f"{result.status.name} with gap {result.gap:.1e}")
    else:
        _require(result.status.name not in ("OPTIMAL", "FEASIBLE"), "success denied")
        if result.status.name in ("INFEASIBLE", "NOT_FOUND"):
            _require(error > FEASIBLE * mass, f"{result.status.name}, but the plan is feasible")
    if result.status.name == "INFEASIBLE":
        slots = int(k[b > 0].sum())
        _require((a > 0).sum() + (b > 0).sum() - 1 > slots or _starved(a, b, k),
                 "infeasibility claimed, but the count allows it")  # fmt: skip


def _starved(a, b, k):
    """Whether a row or column cannot be served with the slots there are."""
    filled = np.cumsum(np.sort(a)[::-1])[k - 1]  # by the k heaviest rows
    if (b > filled * (1 - 1e-12)).any():
        return True
    columns = np.sort(b)[::-1]
    needed = sum(int((np.cumsum(columns) < x * (1 - 1e-9)).sum()) + 1 for x in a[a > 0])
    return needed > int(k[b > 0].sum())
