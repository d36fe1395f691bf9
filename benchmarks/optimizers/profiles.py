"""Data and performance profiles.

J. J. Moré, S. M. Wild, SIAM Journal on Optimization 20, 2009, doi 10.1137/080724083: a problem is
solved to tau where ``f <= f_L + tau (f_0 - f_L)``, f_L the least value that any solver of the run
found within the budget. E. D. Dolan, J. J. Moré, Mathematical Programming 91, 2002,
doi 10.1007/s101070100263, for ratios to the fastest solver.
"""

import numpy as np

__all__ = ["TAUS", "data_profile", "performance_profile", "solved_at", "summarise"]

TAUS = (1e-1, 1e-3, 1e-5, 1e-7)


def solved_at(steps, best, start, tau):
    """The first evaluation that solved the problem, or None; `steps` are (evaluation, value)."""
    goal = best + tau * (start - best)
    return next((int(count) for count, value in steps if value <= goal), None)


def summarise(problems, runs):
    """Per problem f_0 and f_L; per solver evaluations to every tau, in the order of `problems`.

    "raised" counts the runs that ended by an error. `runs` maps solvers to one record for each
    problem.
    """
    # The noise of a stochastic problem does not matter where its truth is known.
    starts = [float((p.truth or p.fun)(p.x0)) for p in problems]
    best = [
        min([starts[i], *(run[i]["steps"][-1][1] for run in runs.values() if run[i]["steps"])])
        for i in range(len(problems))
    ]
    solvers = {
        name: {
            "evaluations": {
                f"{tau:g}": [
                    solved_at(r["steps"], best[i], starts[i], tau) for i, r in enumerate(records)
                ]
                for tau in TAUS
            },
            "microseconds": 1e6
            * float(np.sum([r["seconds"] for r in records]))
            / max(int(np.sum([r["calls"] for r in records])), 1),
            "raised": sum(bool(r["error"]) for r in records),
        }
        for name, records in runs.items()
    }
    return {
        "problems": [p.name for p in problems],
        "n": [p.n for p in problems],
        "start": starts,
        "best": best,
        "solvers": solvers,
    }


def _as_array(evaluations):
    return np.array([np.inf if e is None else e for e in evaluations], float)


def data_profile(summary, solver, tau, budget):
    """Share of problems solved to tau within budget (n + 1) evaluations (`budget` may be many)."""
    evaluations = _as_array(summary["solvers"][solver]["evaluations"][f"{tau:g}"])
    units = evaluations / (np.array(summary["n"]) + 1)
    return (units <= np.asarray(budget, float)[..., None]).mean(axis=-1)


def performance_profile(summary, solver, tau, ratio):
    """Share of problems solved to tau in at most ratio times the evaluations of the fastest."""
    needed = {
        name: _as_array(entry["evaluations"][f"{tau:g}"])
        for name, entry in summary["solvers"].items()
    }
    fastest = np.min(list(needed.values()), axis=0)
    with np.errstate(invalid="ignore"):
        ratios = np.where(np.isfinite(needed[solver]), needed[solver] / fastest, np.inf)
    return (ratios <= np.asarray(ratio, float)[..., None]).mean(axis=-1)
