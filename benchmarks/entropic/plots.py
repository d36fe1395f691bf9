"""Picture of a run: time to the same marginal error."""

import numpy as np

from .bars import label

COLOURS = {"ours": "#1f6feb", "pot_kernel": "#8c959f", "pot_log": "#d1242f"}
NAMES = {"ours": "otopt", "pot_kernel": "POT, kernel form", "pot_log": "POT, log form"}


def draw(run, path):
    """Bars for every cell, on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cells = run["cells"]
    if not cells:
        return
    figure, axis = plt.subplots(figsize=(9, 1.2 + 0.5 * len(cells)), layout="constrained")
    for offset, name in zip((-0.27, 0.0, 0.27), NAMES, strict=True):
        seconds = [np.median(c["seconds"].get(name, [np.nan])) for c in cells]
        axis.barh(
            np.arange(len(cells)) + offset, seconds, 0.25, color=COLOURS[name], label=NAMES[name]
        )
    axis.set_yticks(np.arange(len(cells)), [label(c) for c in cells])
    axis.invert_yaxis()
    axis.set(xscale="log", xlabel="CPU seconds to an L1 marginal error of 1e-9, one thread")
    axis.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
