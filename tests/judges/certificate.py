"""What an exact transport result claims, from the problem alone."""

import numpy as np


def check_exact(result, a, b, C, *, tol=1e-12):
    """Plan, value, bound and gap, recomputed; an optimal status means a gap within `tol`.

    The gap is measured by the value and by the potentials: rounding is relative to the numbers that
    cancel.
    """
    single = any(np.asarray(x).dtype == np.float32 for x in (a, b))
    a, b, C = (np.asarray(x, float) for x in (a, b, C))
    if single:  # sums agree to single precision only
        b = b * (a.sum() / b.sum())
    n, m = C.shape
    mass = a.sum()
    T = result.plan.toarray()
    assert T.shape == C.shape
    assert (T >= 0).all()
    assert (result.mass >= 0).all()
    assert ((result.rows >= 0) == (result.mass > 0)).all()
    assert (T > 0).sum() <= max((a > 0).sum() + (b > 0).sum() - 1, 1)
    error = np.abs(T.sum(axis=1) - a).sum() + np.abs(T.sum(axis=0) - b).sum()
    assert error <= 1e-14 * (n + m) * mass
    assert abs(error - result.marginal_error) <= 1e-13 * mass

    u, v = result.potentials
    size = np.abs(u).max() + np.abs(v).max()
    rounding = 1e-13 * (size + np.abs(C).max()) * mass
    assert (u[:, None] + v - C).max() <= 1e-14 * (size + np.abs(C).max())
    assert abs((T * C).sum() - result.value) <= rounding
    assert abs(a @ u + b @ v - result.dual_bound) <= rounding
    assert result.dual_bound <= result.value + rounding
    gap = result.value - result.dual_bound
    if result.status.name == "OPTIMAL":
        assert gap <= tol * (abs(result.value) + size * mass)
    else:
        assert result.status.name in ("ITERATION_LIMIT", "STOPPED")
        assert np.isfinite(result.gap)
    if abs(result.value) > 1e-6 * np.abs(C).max() * mass:
        assert abs(result.gap - gap / abs(result.value)) <= 1e-9 * (1 + abs(result.gap))
