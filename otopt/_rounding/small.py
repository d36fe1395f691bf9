"""The rounding of a small problem in one compiled call."""

from functools import cache

import numpy as np

from .counting import has_room
from .pool import Pool
from .rounding import DIVE_ABOVE, FEASIBLE, IMPROVE_ABOVE, Rounded, search_budget

__all__ = ["round_small"]

LUCK = 1 << 14


def round_small(problem, kernels, relaxed, certificate, *, options, effort):
    """`round_plan` in one compiled call, as far as its first pool of entries goes.

    Returns
    -------
    Rounded or None
        None where a second search, with a larger pool, may still find a plan.
    """
    roomy = has_room(problem.a, problem.b, problem.k)
    settings = (
        int(options.extra_candidates),
        int(options.rounding_rounds if roomy else options.rounding_rounds // 3),
        search_budget(roomy, effort), roomy, int(options.improvement_rounds),
        FEASIBLE, DIVE_ABOVE, IMPROVE_ABOVE,
    )  # fmt: skip
    rows, cost, mass, alpha, value, nit = kernels.round_small(
        problem.a, problem.b, np.asarray(problem.Ct, float), problem.k, float(problem.reg),
        float(problem.unit), problem.mass,
        (relaxed.reference, float(relaxed.mu), relaxed.lists, relaxed.columns),
        (certificate.bound, certificate.alpha, certificate.beta, certificate.conjugate),
        settings, _luck(),
    )  # fmt: skip
    # Where the plan was sparse already, its masses were settled.
    relaxed.support = kernels.pack_support(relaxed.lists, relaxed.columns)
    found = value < np.inf
    if not found and roomy:
        return None
    used = mass > 0 if found else np.ones(mass.shape, bool)
    return Rounded(Pool(rows, cost, mass, used), alpha, nit, found, value)


@cache
def _luck():
    return np.random.default_rng(0).random(LUCK)
