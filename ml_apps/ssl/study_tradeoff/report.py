"""Tables, sentences and promises of the study."""

import functools

from rich.table import Table

from ml_apps.ssl.evaluate import crossed_interval, t_interval

from . import factors, images

__all__ = [
    "CANNOT", "cells", "curve", "difference", "factor_records", "others", "promises", "recovered",
    "show",
]  # fmt: skip

CANNOT = (
    "What this shows. Factors: in a Gaussian model whose private factors are drawn anew in other "
    "tasks' views, what k tasks cost and bring, and what a contrastive term on the target's own "
    "unlabelled pairs wins back; intervals cover pre-training, hyperplanes and labels. The model "
    "is ours, the penalty is tuned on 500 further labels, and the repair is the minimum of the sum "
    "of both losses, not a fine-tuned network. Images: the direction of effects for one small "
    "encoder, one loss and one fixed recipe for all; intervals cover seeds of training and draws "
    "of labels, the test images are the same for all. What it cannot: sizes of effects at the "
    "scale of the paper, an order of theta elsewhere, or a best recipe for any arm."
)
AT = factors.LABELS.index(20)


def factor_records(records):
    """Records of the model."""
    return [r for r in records if r["part"] == "factors"]


def curve(records, kind, name, at=None):
    """Interval over repetitions at each number of labels, or at one of them."""
    places = range(len(factors.LABELS)) if at is None else [at]
    found = [t_interval([r[kind][name][i] for r in records]) for i in places]
    return found if at is None else found[0]


def difference(records, kind, name, other, at=AT):
    """Interval of a paired difference of two representations."""
    return t_interval([r[kind][name][at] - r[kind][other][at] for r in records])


def recovered(records, theta, at=AT):
    """Share of the loss from the first to the last k that the regulariser wins back."""
    first, last = f"k={min(factors.KS)}", f"k={max(factors.KS)}"
    rows = [r["target"] for r in records]
    lost = [a[first][at] - a[last][at] for a in rows]
    back = [a[f"theta={theta:g}"][at] - a[last][at] for a in rows]
    if sum(lost) <= 0:  # nothing to win back
        return float("nan"), float("nan")
    ratio = sum(back) / sum(lost)
    half = t_interval([b - ratio * a for a, b in zip(lost, back, strict=True)])[1]  # delta method
    return ratio, half * len(lost) / sum(lost)


def cells(records, mixture, per_class, value):
    """A table (seeds, draws) of `value(record)`, of the seeds with every draw; none without two."""
    found = {
        (r["seed"], r["draw"]): value(r)
        for r in records
        if r["part"] == "images" and r["mixture"] == mixture and r["per_class"] == per_class
    }
    draws = sorted({draw for _, draw in found})
    seeds = sorted({seed for seed, _ in found})
    table = [[found[s, d] for d in draws] for s in seeds if all((s, d) in found for d in draws)]
    return table or None


def others(record):
    """Average accuracy over all tasks, the target among them, with five labels a class."""
    values = [record["accuracy"]["probe"], *record["others"].values()]
    return sum(values) / len(values)


def promises(records):
    """Figures of the model against what was promised."""
    found = factor_records(records)
    if len(found) < 2:
        return []
    first, last = f"k={min(factors.KS)}", f"k={max(factors.KS)}"
    worst = max(w["deviation"] for r in found for w in r["weights"].values())
    fall, rise = (difference(found, kind, last, first) for kind in ("target", "average"))
    back = recovered(found, 1.0)
    return [
        ("weights within 3 % of 1/sqrt(k), largest deviation", worst, worst <= 0.03),
        ("target, 20 labels, falls by >= 0.05", _pm((-fall[0], fall[1])), -fall[0] >= 0.05),
        ("average over tasks, 20 labels, rises", _pm(rise), rise[0] - rise[1] > 0),
        ("theta = 1 wins back >= 2/3 of the fall", _pm(back), back[0] >= 2 / 3),
    ]


def show(records, console):
    """All tables."""
    found = factor_records(records)
    if len(found) > 1:
        _weights(found, console)
        _accuracies(found, console)
    if any(r["part"] == "images" for r in records):
        for per_class in images.PER_CLASS:
            _images(records, per_class, console)
        _universality(records, console)


def _weights(records, console):
    table = Table(title=f"Weights of factors after pre-training, {len(records)} repetitions")
    for head in ("tasks", "shared", "private", "1/sqrt(k)", "largest deviation", "dropped"):
        table.add_column(head, justify="right")
    for k in factors.KS:
        w = [r["weights"][f"k={k}"] for r in records]
        means = [sum(v[key] for v in w) / len(w) for key in ("shared", "private")]
        table.add_row(
            str(k), f"{means[0]:.4f}", f"{means[1]:.4f}", f"{k**-0.5:.4f}",
            f"{max(v['deviation'] for v in w):.2%}", f"{max(v['dropped'] for v in w):.4f}",
        )  # fmt: skip
    console.print(table)


def _accuracies(records, console):
    table = Table(
        title="Accuracy of tuned probes, 20 labels; 95 % intervals over repetitions",
        caption="Differences are paired with k = 1. theta: k = 8 and a contrastive term on the "
        "target. Undisturbed: no factors of other tasks in the target's inputs.",
    )
    for head in ("features", "target", "less k=1", "average", "less k=1", "undisturbed"):
        table.add_column(head, justify="right")
    for name in records[0]["target"]:
        row = [name]
        for kind in ("target", "average"):
            row += [
                _pm(curve(records, kind, name, AT)),
                _pm(difference(records, kind, name, "k=1")),
            ]
        known = name in records[0]["undisturbed"]
        row.append(_pm(curve(records, "undisturbed", name, AT)) if known else "")
        table.add_row(*row)
    console.print(table)
    table = Table(title="Accuracy on the target by the number of labels")
    for head in ("features", *map(str, factors.LABELS)):
        table.add_column(head, justify="right")
    for name in records[0]["target"]:
        table.add_row(name, *map(_pm, curve(records, "target", name)))
    console.print(table)


def _arm(name):
    return lambda record: record["accuracy"][name]


def _less(name, other):
    return lambda record: record["accuracy"][name] - record["accuracy"][other]


def _images(records, per_class, console):
    rows = {m: cells(records, m, per_class, lambda r: r) for m in images.MIXTURES}
    rows = {m: table for m, table in rows.items() if table}
    if not rows:
        return
    table = Table(
        title=f"{images.TARGET}, {per_class} labels a class: accuracy; 95 % intervals over seeds "
        "and draws",
        caption="Second lines: difference to theta = 0, paired; * where 0 is outside.",
    )
    names = ("probe", *(f"theta={theta:g}" for theta in images.THETAS))
    for head in ("pre-trained on", "seeds, draws", *names):
        table.add_column(head, justify="right")
    interval = functools.partial(_interval, records, per_class)
    for m, grid in rows.items():
        table.add_row(
            m, f"{len(grid)}, {len(grid[0])}", *(_pm(interval(m, _arm(n))) for n in names)
        )
        table.add_row(
            "", "",
            *(_marked(interval(m, _less(n, "theta=0"))) if n != "theta=0" else "" for n in names),
        )  # fmt: skip
    console.print(table)


def _interval(records, per_class, mixture, value):
    return crossed_interval(cells(records, mixture, per_class, value))


def _universality(records, console):
    table = Table(
        title="Probes with 5 labels a class: the target, and the average over three tasks",
        caption="Differences are paired by draw; seeds of encoders are paired, too.",
    )
    for head in ("pre-trained on", "target", "difference", "average", "difference"):
        table.add_column(head, justify="right")
    base = next(iter(images.MIXTURES))
    for m in images.MIXTURES:
        row = [m]
        for value in (_arm("probe"), others):
            ours, first = (cells(records, name, 5, value) for name in (m, base))
            if not ours or not first:
                break
            seeds = min(len(ours), len(first))
            pairs = zip(ours[:seeds], first[:seeds], strict=True)
            if len(ours[0]) != len(first[0]):  # stopped within a seed: draws do not pair
                break
            less = [[a - b for a, b in zip(*pair, strict=True)] for pair in pairs]
            row += [
                _pm(crossed_interval(ours)),
                "" if m == base else _marked(crossed_interval(less)),
            ]
        if len(row) == 5:
            table.add_row(*row)
    if table.row_count:
        console.print(table)


def _pm(interval):
    mean, half = interval
    return f"{mean:.3f} ± {half:.3f}"


def _marked(interval):
    mean, half = interval
    return f"{mean:+.3f} ± {half:.3f}{' *' if abs(mean) > half else ''}"
