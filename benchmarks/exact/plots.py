"""Pictures of a run."""

import numpy as np


def draw(run, path):
    """Time by size, beside POT, for every family."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cells = [c for c in run["cells"] if c["n"] == c["m"]]
    if not cells:
        return
    families = list(dict.fromkeys(c["family"] for c in cells))
    figure, axes = plt.subplots(
        1, len(families), figsize=(2.6 * len(families), 3.4), sharey=True, layout="constrained"
    )
    for axis, family in zip(np.atleast_1d(axes), families, strict=True):
        for weights, style in (("uniform", "-"), ("random", "--")):
            chosen = [c for c in cells if c["family"] == family and c["weights"] == weights]
            chosen.sort(key=lambda c: c["n"])
            sizes = [c["n"] for c in chosen]
            for name, colour in (("pot", "0.5"), ("ours", "C0"), ("warm", "C1")):
                seconds = [np.median(c["seconds"][name]) for c in chosen]
                axis.plot(
                    sizes, seconds, style, color=colour, marker=".", label=f"{name}, {weights}"
                )
        axis.set(xscale="log", yscale="log", xlabel="n", title=family)
        axis.set_xticks(sizes, [str(n) for n in sizes], minor=False)
        axis.minorticks_off()
    np.atleast_1d(axes)[0].set_ylabel("CPU seconds, one thread")
    np.atleast_1d(axes)[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)
