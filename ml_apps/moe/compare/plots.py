"""Pictures of a run: loss against load, and load over training."""

from __future__ import annotations

import numpy as np

from . import bars

__all__ = ["draw"]


def draw(run, path):
    """Write the picture; nothing where there are no records."""
    from matplotlib.figure import Figure

    names = [
        name for name in bars.routers(run) if "load" in next(iter(bars.records(run, name).values()))
    ]
    if not names:
        return
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, name in enumerate(names):
        found = list(bars.records(run, name).values())
        load = np.mean([r["max_over_mean"] for r in found])
        losses = [r["loss"] for r in found]
        colour = f"C{number % 10}"
        marker = "*" if name == bars.OURS else "o"
        left.errorbar(
            load, np.mean(losses), bars.deviation(losses) / np.sqrt(len(losses)), fmt=marker,
            color=colour, capsize=3, markersize=13 if marker == "*" else 6, label=name,
        )  # fmt: skip
        curve = np.mean([r["load"] for r in found], axis=0)
        width = max(1, len(curve) // 40)
        smooth = np.convolve(curve, np.ones(width) / width, "valid")
        right.plot(np.arange(len(smooth)) + width, smooth, color=colour, lw=1.2)
    dense = bars.records(run, "dense").values()
    if dense:
        left.axhline(np.mean([r["loss"] for r in dense]), color="0.6", lw=0.8, label="dense")
    left.set(
        xlabel="max / mean load asked for, second half of training",
        ylabel="validation loss (nat a character), token-wise", title="loss against load",
    )  # fmt: skip
    left.legend(fontsize=8)
    right.set(xlabel="step", ylabel="max / mean load", title="load over training (worse layer)")
    right.set_yscale("log")
    figure.savefig(path, dpi=120)
