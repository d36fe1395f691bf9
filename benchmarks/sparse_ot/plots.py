"""Pictures of a run."""

import numpy as np


def draw(run, path):
    """Time, marginal error and gap, ours beside POT's."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cells = [c for c in run["cells"] if "ratio" in c and c["possible"]]
    if not cells:
        return
    room = np.array([c["room"] for c in cells])
    figure, axes = plt.subplots(1, 3, figsize=(14, 4.2), layout="constrained")
    theirs = [np.median(c["seconds"]["pot"]) for c in cells]
    mine = [np.median(c["seconds"]["ours"]) for c in cells]
    points = axes[0].scatter(theirs, mine, c=np.log10(room), s=14, cmap="viridis")
    limits = [min(theirs + mine) / 2, max(theirs + mine) * 2]
    axes[0].plot(limits, limits, color="0.6", lw=1)
    axes[0].set(xscale="log", yscale="log", xlabel="POT, s", ylabel="otopt, s", title="time")
    figure.colorbar(points, ax=axes[0], label="log10 of k m / (n + m - 1)")
    axes[1].scatter(room, [c["pot_marginal_error"] for c in cells], s=14, label="POT")
    axes[1].scatter(room, [max(c["marginal_error"], 1e-17) for c in cells], s=14, label="otopt")
    axes[1].set(xscale="log", yscale="log", xlabel="k m / (n + m - 1)", title="L1 marginal error")
    axes[1].legend()
    found = [c for c in cells if c["gap"] is not None]
    for reg in sorted({c["reg"] for c in found}):
        chosen = [c for c in found if c["reg"] == reg]
        axes[2].scatter(
            [c["room"] for c in chosen],
            [max(c["gap"], 1e-16) for c in chosen],
            s=14,
            label=f"reg {reg:g}",
        )
    axes[2].set(xscale="log", yscale="log", xlabel="k m / (n + m - 1)", title="certified gap")
    axes[2].legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
