"""The figure of the study: the model above, real images below."""

import numpy as np

from ml_apps.ssl.evaluate import crossed_interval

from . import factors, images, report

__all__ = ["draw", "factor_panels"]


def draw(records, path):
    """Draw what there are records of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    found = report.factor_records(records)
    has_factors = len(found) > 1
    has_images = any(r["part"] == "images" for r in records)
    rows = has_factors + has_images
    if not rows:
        return
    figure = Figure(figsize=(13, 4 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, 3, squeeze=False)
    if has_factors:
        factor_panels(found, grid[0])
    if has_images:
        _image_panels(records, grid[-1])
    figure.savefig(path, dpi=110)


def factor_panels(records, axes):
    """Weights, the trade-off in k, and curves by labels; 95 % intervals over repetitions."""
    weights, trade, curves = axes
    ks = np.array(factors.KS)
    private = [[r["weights"][f"k={k}"]["private"] for r in records] for k in ks]
    weights.plot(ks, np.mean(private, axis=1), "o", label="measured")
    line = np.linspace(ks.min(), ks.max(), 100)
    weights.plot(line, line**-0.5, "k--", lw=1, label=r"$1/\sqrt{k}$")
    weights.set(title="weight of private factors", xlabel="tasks in pre-training, k", ylim=0)
    for kind, label in (("target", "target"), ("average", "average over tasks")):
        found = [report.curve(records, kind, f"k={k}", report.AT) for k in ks]
        _errorbar(trade, ks, found, label)
    repaired = report.curve(records, "target", "theta=1", report.AT)
    _errorbar(trade, ks[-1:], [repaired], r"target, $\theta = 1$", "s")
    trade.set(title="accuracy with 20 labels", xlabel="tasks in pre-training, k")
    for name, label, style in (
        ("k=1", "k = 1", "o-"), ("k=8", "k = 8", "o-"),
        ("theta=1", r"k = 8, $\theta = 1$", "s--"), ("none", "no pre-training", "o:"),
    ):  # fmt: skip
        _errorbar(curves, factors.LABELS, report.curve(records, "target", name), label, style)
    curves.set(title="target", xlabel="labels", xscale="log")
    for axis in axes:
        axis.legend()


def _image_panels(records, axes):
    """Accuracy by theta, one panel a number of labels; the probe as a dotted line."""
    for axis, per_class in zip(axes, images.PER_CLASS, strict=True):
        for i, mixture in enumerate(images.MIXTURES):
            found = [
                report.cells(records, mixture, per_class, lambda r, n=name: r["accuracy"][n])
                for name in ("probe", *(f"theta={theta:g}" for theta in images.THETAS))
            ]
            if found[0] is None:
                continue
            probe, *tuned = map(crossed_interval, found)
            places = np.arange(len(images.THETAS)) + 0.08 * (i - 1)
            _errorbar(axis, places, tuned, mixture, color=f"C{i}")
            _errorbar(axis, [-1 + 0.08 * (i - 1)], [probe], None, "s", color=f"C{i}")
        axis.set(
            title=f"{images.TARGET}, {per_class} labels a class",
            xlabel=r"linear probe, then fine-tuning with $\theta$",
            xticks=range(-1, len(images.THETAS)),
            xticklabels=["probe", *map(str, images.THETAS)],
        )
        if axis.has_data():
            axis.legend(title="pre-trained on")
    axes[0].set_ylabel("accuracy")


def _errorbar(axis, x, intervals, label, style="o-", **kwargs):
    mean, half = np.array(intervals).T
    half = np.where(np.isfinite(half), half, 0)
    axis.errorbar(x, mean, half, fmt=style, capsize=3, label=label, **kwargs)
