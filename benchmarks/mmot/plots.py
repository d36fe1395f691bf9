"""Pictures of a run."""

import numpy as np

NAMES = {"ours": "otopt", "pot": "POT dmmot", "published": "published algorithm",
         "fixed_barycentre": "d costs to a fixed barycentre (POT)",
         "sinkhorn_barycentre": "entropic barycentre (POT)"}  # fmt: skip


def draw(run, path):
    """Time against n for the fewest and the most marginals; samples against their sort."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    cells = run["cells"]
    if not cells:
        return
    chosen = sorted({c["d"] for c in cells})
    chosen = [chosen[0], chosen[-1]] if len(chosen) > 1 else chosen
    figure, axes = plt.subplots(1, len(chosen) + 1, figsize=(14, 4.2), layout="constrained")
    for axis, d in zip(axes, chosen, strict=False):
        for name, text in NAMES.items():
            points = [(c["n"], np.median(c["seconds"][name]))
                      for c in cells if c["d"] == d and name in c["seconds"]]  # fmt: skip
            if points:
                axis.loglog(*zip(*sorted(points), strict=True), "o-", label=text)
        axis.set(title=f"{d} histograms, value and gradient", xlabel="bins", ylabel="CPU s")
    axes[0].legend(fontsize=8)
    if run["samples"]:
        N = [r["N"] for r in run["samples"]]
        for name, text in (("ours", "otopt, value and gradient"), ("argsort", "one argsort")):
            times = [np.median(r["seconds"][name]) for r in run["samples"]]
            axes[-1].loglog(N, times, "o-", label=text)
        axes[-1].set(title="samples, 8 groups", xlabel="samples", ylabel="CPU s")
        axes[-1].legend(fontsize=8)
    figure.savefig(path, dpi=120)
    plt.close(figure)
