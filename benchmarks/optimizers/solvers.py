"""Solvers under one call. To add your own, append to `SOLVERS`::

    from benchmarks.optimizers.solvers import SOLVERS
    SOLVERS["mine"] = lambda fun, x0, bounds, maxfev: my_solver(fun, x0)

`bounds` is None or an array (n, 2). A solver may run as long as it likes: the run ends when `fun`
has been called maxfev times. One whose package is missing is left out.
"""

from __future__ import annotations

import importlib.util

import numpy as np

__all__ = ["PACKAGES", "SOLVERS", "installed"]

REACH = 10.0  # of the box about the start, for global methods where a problem has no bounds


def _ours(fun, x0, bounds, maxfev):
    import otopt

    otopt.pattern_search(fun, x0, bounds=bounds, maxfev=maxfev)


def _scipy(method, **options):
    def solve(fun, x0, bounds, maxfev):
        from scipy.optimize import minimize

        minimize(fun, x0, method=method, bounds=bounds, options=options | _budget(method, maxfev))

    return solve


def _budget(method, maxfev):
    return {"maxiter": maxfev} if method == "COBYLA" else {"maxfev": maxfev}


def _box(x0, bounds):
    from scipy.optimize import Bounds

    if bounds is not None:
        return Bounds(*bounds.T)
    reach = REACH * np.maximum(1.0, np.abs(x0))
    return Bounds(x0 - reach, x0 + reach)


def _differential_evolution(fun, x0, bounds, maxfev):
    from scipy.optimize import differential_evolution

    differential_evolution(fun, _box(x0, bounds), x0=x0, rng=0, tol=0, polish=True, maxiter=10**6)


def _direct(fun, x0, bounds, maxfev):
    from scipy.optimize import direct

    direct(fun, _box(x0, bounds), maxfun=maxfev, maxiter=10**6, vol_tol=0, len_tol=0)


def _nlopt(name):
    def solve(fun, x0, bounds, maxfev):
        import nlopt

        optimizer = nlopt.opt(getattr(nlopt, name), len(x0))
        optimizer.set_min_objective(lambda x, gradient: fun(x))
        if bounds is not None:
            optimizer.set_lower_bounds(bounds[:, 0])
            optimizer.set_upper_bounds(bounds[:, 1])
        optimizer.set_maxeval(maxfev)
        optimizer.optimize(x0)

    return solve


def _py_bobyqa(fun, x0, bounds, maxfev):
    import pybobyqa

    box = None if bounds is None else (bounds[:, 0], bounds[:, 1])
    pybobyqa.solve(
        fun, x0, bounds=box, maxfun=maxfev, rhoend=1e-10, do_logging=False, print_progress=False
    )


def _cma(fun, x0, bounds, maxfev):
    import cma

    box = [None, None] if bounds is None else [*bounds.T]
    options = {"bounds": box, "maxfevals": maxfev, "seed": 1, "verbose": -9, "verb_log": 0}
    cma.fmin2(fun, x0, 0.5, options)


def _nomad(fun, x0, bounds, maxfev):
    import PyNomad

    def evaluate(point):
        value = fun(np.array([point.get_coord(i) for i in range(point.size())]))
        point.setBBO(str(value).encode())
        return 1

    low, high = ([], []) if bounds is None else (list(bounds[:, 0]), list(bounds[:, 1]))
    settings = [
        f"DIMENSION {len(x0)}", "BB_OUTPUT_TYPE OBJ", f"MAX_BB_EVAL {maxfev}", "DISPLAY_DEGREE 0"
    ]  # fmt: skip
    PyNomad.optimize(evaluate, list(x0), low, high, settings)


SOLVERS = {
    "otopt pattern_search": _ours,
    "scipy Nelder-Mead": _scipy("Nelder-Mead", xatol=1e-14, fatol=1e-14),
    "scipy Nelder-Mead adaptive": _scipy("Nelder-Mead", xatol=1e-14, fatol=1e-14, adaptive=True),
    "scipy Powell": _scipy("Powell", xtol=1e-14, ftol=1e-14),
    "scipy COBYQA": _scipy("COBYQA", final_tr_radius=1e-10),
    "scipy COBYLA": _scipy("COBYLA", tol=1e-10),
    "scipy differential_evolution": _differential_evolution,
    "scipy direct": _direct,
    "nlopt BOBYQA": _nlopt("LN_BOBYQA"),
    "nlopt Sbplx": _nlopt("LN_SBPLX"),
    "Py-BOBYQA": _py_bobyqa,
    "cma": _cma,
    "NOMAD": _nomad,
}
# Those that search by simplices or patterns, for a promise about them.
PATTERN_OR_SIMPLEX = (
    "scipy Nelder-Mead", "scipy Nelder-Mead adaptive", "nlopt Sbplx", "NOMAD"
)  # fmt: skip
PACKAGES = {"nlopt": "nlopt", "Py-BOBYQA": "pybobyqa", "cma": "cma", "NOMAD": "PyNomad"}


def installed():
    """The names of the solvers that can run here."""
    modules = {name: PACKAGES.get(name.partition(" ")[0], "otopt") for name in SOLVERS}
    return [name for name, module in modules.items() if importlib.util.find_spec(module)]
