"""Data profiles of every set, and performance profiles of the first."""

import numpy as np

from .bars import OURS
from .profiles import data_profile, performance_profile

__all__ = ["draw"]

SHOWN = (1e-1, 1e-3, 1e-5)


def draw(run, path):
    """A PNG: one row a set, one column a tau, and a row of performance profiles."""
    from matplotlib.figure import Figure

    sets = run["sets"]
    if not sets:
        return
    names = sorted({solver for entry in sets.values() for solver in entry["solvers"]})
    rows = len(sets) + 1
    figure = Figure(figsize=(13, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, len(SHOWN), squeeze=False, sharey=True)
    budgets, ratios = np.linspace(0, 100, 201), np.geomspace(1, 32, 200)
    first = next(iter(sets.values()))
    for row, (name, entry) in zip(axes, [*sets.items(), ("performance", first)], strict=True):
        is_performance = name == "performance"
        for axis, tau in zip(row, SHOWN, strict=True):
            for number, solver in enumerate(names):
                if solver not in entry["solvers"]:
                    continue
                style = {"lw": 2.5, "color": "k", "zorder": 3} if solver == OURS else {
                    "lw": 1.1, "color": f"C{number % 10}", "ls": "-" if number < 10 else "--"
                }  # fmt: skip
                if is_performance:
                    axis.semilogx(
                        ratios,
                        performance_profile(entry, solver, tau, ratios),
                        label=solver,
                        **style,
                    )
                else:
                    axis.plot(
                        budgets, data_profile(entry, solver, tau, budgets), label=solver, **style
                    )
            title = f"{next(iter(sets))}, performance" if is_performance else name
            axis.set(title=f"{title}, tau = {tau:g}", ylim=(0, 1.02))
            axis.set_xlabel("evaluations over the fastest's" if is_performance
                            else "evaluations / (n + 1)")  # fmt: skip
        row[0].set_ylabel("share solved")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, dpi=100)
