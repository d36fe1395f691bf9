"""Tables, verdicts and figures of the study.

The unit is the data seed: networks of one seed are averaged first, and bands are 95 % t intervals
over seeds. A method is compared with SGD in the same bin by the differences of the seeds that have
both.
"""

from __future__ import annotations

import numpy as np
from rich.table import Table

from .methods import BINS

__all__ = ["compare", "draw", "show", "verdicts"]

NAMES = {"guess": "guess-and-check", "pattern": "pattern search", "greedy": "greedy search",
         "sgd_paper": "SGD, paper's recipe", "sgd": "SGD, usual recipe",
         "sgd_ten": "SGD"}  # fmt: skip
FEWEST = 3  # seeds with both methods, below which nothing is said


def interval(values):
    """Mean and half width of the 95 % t interval."""
    from scipy.stats import t

    values = np.asarray(values, float)
    if len(values) < 2:
        return float(values.mean()), float("inf")
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(half)


def by_seed(records, data, net, n, method, at):
    """Mean test accuracy of each seed: of the first fit, or in bin `at`."""
    out = {}
    for r in records:
        if r["cell"][:3] == [data, net, n] and r["cell"][4] == method:
            rows = r["first"] if at == "first" else r["bins"].get(str(at), [])
            if rows:
                out[r["cell"][3]] = float(np.mean([accuracy for _, accuracy in rows]))
    return out


def compare(records, data, net, n, method, against, at):
    """Seeds with both, means of both, mean difference and its half width; None if too few."""
    one, two = (by_seed(records, data, net, n, m, at) for m in (method, against))
    seeds = sorted(one.keys() & two.keys())
    if len(seeds) < FEWEST:
        return None
    a, b = (np.array([values[s] for s in seeds]) for values in (one, two))
    mean, half = interval(a - b)
    return {"seeds": len(seeds), "method": a.mean(), "sgd": b.mean(), "difference": mean,
            "half": half, "within": abs(mean) <= half}  # fmt: skip


def cells(records):
    """Data, network and n of what was measured."""
    return sorted({tuple(r["cell"][:3]) for r in records})


def verdicts(records):
    """Every comparison that can be made: (data, net, n, method, against, bin, figures)."""
    out = []
    for data, net, n in cells(records):
        pairs = (
            [("pattern", "sgd_ten")] if net == "lenet10"
            else [(m, s) for m in ("guess", "pattern", "greedy") for s in ("sgd_paper", "sgd")]
        )  # fmt: skip
        for method, against in pairs:
            for at in ("first", *range(len(BINS) - 1)):
                figures = compare(records, data, net, n, method, against, at)
                if figures is not None:
                    out.append((data, net, n, method, against, at, figures))
    return out


def label(at):
    """A bin in words."""
    return "where it first fits" if at == "first" else f"loss {BINS[at]:.2f}-{BINS[at + 1]:.2f}"


def show(records, console):
    """Print means by method, then every comparison with SGD."""
    means = Table(title="Test accuracy where a network first fits, mean and 95 % band over seeds")
    for column in ("data", "network", "n", "method", "seeds", "test accuracy", "CPU s a seed"):
        means.add_column(column)
    for data, net, n in cells(records):
        for method, name in NAMES.items():
            values = by_seed(records, data, net, n, method, "first")
            if not values:
                continue
            mean, half = interval(list(values.values()))
            seconds = [r["cpu_seconds"] for r in records
                       if r["cell"][:3] == [data, net, n] and r["cell"][4] == method]  # fmt: skip
            means.add_row(data, net, str(n), name, str(len(values)), f"{mean:.3f} ± {half:.3f}",
                          f"{np.median(seconds):.2g}")  # fmt: skip
    console.print(means)
    table = Table(title="Against SGD at equal normalised loss, paired over data seeds")
    for column in ("data", "network", "n", "method", "against", "at", "seeds", "method's", "SGD's",
                   "difference", "within the band"):  # fmt: skip
        table.add_column(column)
    for data, net, n, method, against, at, f in verdicts(records):
        side = "yes" if f["within"] else "no, better" if f["difference"] > 0 else "no, worse"
        table.add_row(data, net, str(n), NAMES[method], NAMES[against], label(at), str(f["seeds"]),
                      f"{f['method']:.3f}", f"{f['sgd']:.3f}",
                      f"{f['difference']:+.3f} ± {f['half']:.3f}", side)  # fmt: skip
    console.print(table)


def draw(records, folder, stem):
    """Accuracy against loss for every n of a network; the files."""
    from matplotlib.figure import Figure

    files = []
    for net in sorted({r["cell"][1] for r in records}):
        chosen = [r for r in records if r["cell"][1] == net]
        sizes = sorted({r["cell"][2] for r in chosen})
        data = chosen[0]["cell"][0]
        figure = Figure(figsize=(3.2 * len(sizes), 3.4), layout="constrained")
        axes = figure.subplots(1, len(sizes), squeeze=False, sharey=net != "lenet10")[0]
        for axis, n in zip(axes, sizes, strict=True):
            axis.set_title(f"{n} examples")
            axis.set_xlabel("normalised training loss")
            _curves(axis, [r for r in chosen if r["cell"][2] == n], data, net, n)
        axes[0].set_ylabel("test accuracy")
        if axes[0].get_legend_handles_labels()[0]:
            axes[0].legend(fontsize=7)
        path = folder / f"{stem}_{net}.png"
        figure.savefig(path, dpi=120)
        files.append(path)
    return files


def _curves(axis, records, data, net, n):
    """Means and bands by bin; a star where networks first fit, on average."""
    for i, (method, name) in enumerate(NAMES.items()):
        x, y, half = [], [], []
        for b in range(len(BINS) - 1):
            values = by_seed(records, data, net, n, method, b)
            if len(values) >= FEWEST:
                mean, h = interval(list(values.values()))
                x.append((BINS[b] + BINS[b + 1]) / 2)
                y.append(mean)
                half.append(h)
        if x:
            y, half = np.array(y), np.array(half)
            axis.plot(x, y, "o-", ms=3, color=f"C{i}", label=name)
            axis.fill_between(x, y - half, y + half, color=f"C{i}", alpha=0.15, lw=0)
        first = [r["first"] for r in records if r["cell"][4] == method and r["first"]]
        if first:
            loss, accuracy = np.mean([np.mean(rows, axis=0) for rows in first], axis=0)
            axis.plot(loss, accuracy, "*", ms=9, color=f"C{i}", mec="k", mew=0.5)
