"""Pictures of a run: accuracy against gap, a panel for each task and gap."""

from __future__ import annotations

import numpy as np

from . import bars
from .measure import GAPS

__all__ = ["draw"]


def draw(run, tasks, path):
    """Means over seeds along the strengths; points with intervals where targets were met."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    shown = [t for t in tasks if any(r["task"] == t.name for r in run["records"])]
    panels = [(task, gap) for task in shown for gap, _ in task.targets]
    if not panels:
        return
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(5.2 * columns, 4.0 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.axis("off")
    for axis, (task, gap) in zip(axes, panels, strict=False):
        _panel(axis, run, task, gap)
    figure.savefig(path, dpi=110)


def _panel(axis, run, task, gap):
    measure = "rmse" if "regression" in task.methods[-1] else "accuracy"
    for i, method in enumerate(task.methods):
        records = bars.records(run, task.name, method)
        paths = [[p["report"] for p in r["path"]] for r in records.values()]
        if not paths or gap not in paths[0][0]:
            continue
        x = np.mean([[p[gap] for p in path] for path in paths], axis=0)
        y = np.mean([[p[measure] for p in path] for path in paths], axis=0)
        style = "-" if method.startswith("otopt") else "--"
        axis.plot(x, y, style, marker="o", ms=3, lw=1, color=f"C{i}", label=method)
        for target in dict(task.targets)[gap]:
            points = bars.at_target(run, task.name, method, gap, target).values()
            reports = [p["report"] for p in points]
            if len(reports) < 2:
                continue
            (gx, wx), (gy, wy) = (bars.interval([r[k] for r in reports]) for k in (gap, measure))
            axis.errorbar(gx, gy, wy, wx, color=f"C{i}", fmt="s", ms=4, lw=0.8)
    null = run["null"].get(task.name)
    if null:
        axis.axvspan(0, null["upper"][gap], color="0.92", zorder=0, label="within chance (95 %)")
    axis.set(title=task.name, xlabel=f"{GAPS[gap]} gap", ylabel=measure)
    axis.legend(fontsize=6)
