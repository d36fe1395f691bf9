"""Plans of potentials: refused where the cost has changed since, rounded to their marginals."""

import numpy as np

__all__ = ["check_marginals", "rounded"]


def check_marginals(name, plan, wanted, potentials, reg, error):
    """Refuse plans (..., n, m) whose marginals are further off than the solve left them.

    The cost is the caller's memory: another one makes another plan of the same potentials.
    """
    rows, columns = wanted
    size = sum(np.abs(f).max(axis=-1) for f in potentials)
    of_exponents = np.minimum(8 * np.finfo(float).eps * size / reg, 700.0)
    rounding = 1e-6 + np.expm1(of_exponents)
    found = np.abs(plan.sum(axis=-1) - rows).sum(axis=-1)
    found += np.abs(plan.sum(axis=-2) - columns).sum(axis=-1)
    if not (found <= error + rounding * rows.sum(axis=-1)).all():
        message = f"{name}: the cost has changed since the solve; pass a copy of it."
        raise RuntimeError(message)


def rounded(plan, a, b):
    """A plan (n, m) that meets a and b (Altschuler, Weed and Rigollet 2017, Algorithm 2)."""
    plan = plan * _share(a, plan.sum(axis=1))[:, None]
    plan *= _share(b, plan.sum(axis=0))
    missing = np.maximum(a - plan.sum(axis=1), 0.0), np.maximum(b - plan.sum(axis=0), 0.0)
    total = missing[1].sum()
    if total > 0:
        plan += np.outer(missing[0], missing[1] / total)
    return plan


def _share(wanted, have):
    share = np.ones_like(wanted)
    return np.minimum(np.divide(wanted, have, out=share, where=have > 0), 1.0)
