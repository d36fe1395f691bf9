"""Picture of a run: share of the experts' time against balance."""

import numpy as np

from .bars import label


def draw(run, path):
    from matplotlib.figure import Figure

    cells = [c for c in run["cells"] if c["k"] == 1]
    if not cells:
        return
    figure = Figure(figsize=(5 * len(cells), 4.6), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(cells)))
    names = list(dict.fromkeys(name for c in cells for name in c["routers"]))
    for axis, cell in zip(axes, cells, strict=True):
        for number, name in enumerate(names):
            record = cell["routers"].get(name)
            if record:
                marker = "*" if name.startswith("OT") else "o"
                axis.plot(
                    100 * record["share"], record["max_over_mean"], marker, color=f"C{number % 10}",
                    ms=12 if marker == "*" else 7, mec="k" if number >= 10 else None, label=name,
                )  # fmt: skip
        axis.set(xscale="log", xlabel="% of the experts' forward pass", title=label(cell))
        axis.axhline(1, color="0.7", lw=0.8)
    axes[0].set_ylabel("max / mean load")
    axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=120)
