"""``python -m ml_apps.ssl.study_psco [--quick]``: few-shot learning on alphabets never seen.

Omniglot, trained without labels on six alphabets and tested on Sanskrit and Tagalog: PsCo with
pseudo-labels by Sinkhorn, by exact matching and by cosines, MoCo, an untrained network and raw
pixels. All see the same tasks. A run that was stopped goes on with ``--resume``.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import torch
from rich.table import Table
from torch.nn import functional as F

from ml_apps import _run
from ml_apps.ssl import assignments, augment, fewshot, psco
from ml_apps.ssl.evaluate import t_interval
from ml_apps.ssl.training import Config, Run, load_data

__all__ = ["interval", "load", "main", "measure", "promises", "report"]

TRAINED = ("moco", "sinkhorn", "bmatch", "cosine")
STEPS, BATCH, TASKS, FEW_TASKS = 1000, 64, 600, 30
SIDE, QUERY, SHOTS = 28, 15, 1
CANNOT = (
    "What this shows: small networks on six alphabets of Omniglot, tested on two others. The "
    "standard split of Omniglot is not used, so nothing here can be compared with the table of "
    "the paper. +- over seeds is the spread of training; +- over tasks that of the draw of "
    "tasks; both together is the root of the sum of squares. Differences of methods within the "
    "spread of seeds are none. Adaptation and the linear classifier see fewer tasks."
)


def load(split):
    """Omniglot in white on black, 28 x 28: images (n, 1, 28, 28) and labels (n,)."""
    images, labels = load_data("omniglot", split)
    return 1 - F.interpolate(images, size=(SIDE, SIDE), mode="area"), labels


def measure(method, seed, steps, tasks, few_tasks):
    """Train once and judge: the record of a cell."""
    (x, y), (x_test, y_test) = load("train"), load("test")
    started = time.process_time()

    def judged(z, classify, shot, count=tasks, way=5):
        episodes = fewshot.fewshot_episodes(z, y_test, way, shot, QUERY, 0, tasks=count)
        found = fewshot.accuracy(episodes, classify)
        return {"accuracy": found.mean, "half_width": found.half_width}

    record = {"method": method, "seed": seed, "steps": steps, "tasks": tasks}
    if method == "pixels":
        z, nearest = x_test.flatten(1), fewshot.nearest_prototype
        results = {f"{w}w{k}s": judged(z, nearest, k, way=w) for w, k in ((5, 1), (5, 5), (20, 1))}
        return record | {"results": results}
    config = Config(
        method="moco" if method in ("moco", "random") else "psco",
        data="omniglot",
        encoder="placed_conv",
        steps=steps,
        batch=BATCH,
        lr=5e-3,
        settings={"num_shots": SHOTS}
        | ({"assignment": method} if method in assignments.ASSIGNMENTS else {}),
        seed=seed,
    )
    run = Run(config, x)
    if method != "random":
        run.train()
    trained = time.process_time() - started
    z, heads = run.features(x_test), run.model.heads

    def adapted(support, labels, query):
        return psco.adapt(heads, support, labels).classify(support, labels, query)

    results = {f"{w}w{k}s": judged(z, heads.classify, k, way=w)
               for w, k in ((5, 1), (5, 5), (20, 1))}  # fmt: skip
    results["5w5s adapted"] = judged(z, adapted, 5, few_tasks)
    results["5w5s linear"] = judged(z, fewshot.linear, 5, few_tasks)
    record |= {"results": results, "train_cpu_s": trained}
    if method in assignments.ASSIGNMENTS:
        record |= _quality(run, y, seed)
    return record | {"cpu_s": time.process_time() - started}


@torch.no_grad()
def _quality(run, y, seed):
    """Purity of the pseudo-labels of a fresh batch against a queue of other training images."""
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    size = len(run.model.criterion.queue)
    rows, items = order[:BATCH], order[BATCH : BATCH + size]
    g = torch.Generator().manual_seed(seed)
    weak = augment.strong_and_weak(run.images, run.augmentation, generator=g)[1]
    run.model.eval()
    z = F.normalize(torch.cat([run.model.average(v) for v in weak.split(512)]), dim=1)
    labels = run.model.criterion.pseudo_labels(z[rows], z[items])
    found = assignments.overlap(labels.indices, y[rows], y[items])
    return {"purity": found.purity, "distinct": found.distinct, "picks": labels.indices.numel(),
            "certified": labels.certified}  # fmt: skip


def jobs(quick, seeds):
    """All seeds of a method, and what needs only one."""
    steps, tasks, few = (30, 40, 5) if quick else (STEPS, TASKS, FEW_TASKS)
    cells = [("pixels", 0)] + [(m, s) for s in range(seeds) for m in (*TRAINED, "random")]
    return [("runs", partial(measure, m, s, steps, tasks, few)) for m, s in cells]


def interval(records, kind):
    """Mean over seeds, and half widths over seeds, over tasks, and over both."""
    found = [r["results"][kind] for r in records]
    mean, seeds = t_interval([f["accuracy"] for f in found])
    tasks = sum(f["half_width"] for f in found) / len(found)
    return mean, seeds, tasks, (seeds**2 + tasks**2) ** 0.5


def by_method(run):
    """Records of every method."""
    groups = {}
    for record in run["runs"]:
        groups.setdefault(record["method"], []).append(record)
    return groups


def report(run, console):
    """Tables."""
    groups = by_method(run)
    table = Table(title="Accuracy on held-out alphabets, 95 % half widths")
    for head in ("method", "task", "seeds", "accuracy", "+- seeds", "+- tasks", "+- both"):
        table.add_column(head, justify="right")
    for method, records in groups.items():
        for kind in records[0]["results"]:
            mean, *half = interval(records, kind)
            if len(records) < 2:  # one training, or none
                half = [float("nan"), half[1], float("nan")]
            shown = ["-" if h != h else f"{h:.3f}" for h in half]  # NaN
            table.add_row(method, kind, str(len(records)), f"{mean:.3f}", *shown)
    console.print(table)
    _differences(groups, console)


def promises(run):
    """List of (promise, figure, kept)."""
    groups, rows = by_method(run), []
    pixels = groups.get("pixels", [])
    for method in TRAINED:
        if method not in groups or not pixels:
            continue
        mean, *_, half = interval(groups[method], "5w1s")
        raw, _, raw_half, _ = interval(pixels, "5w1s")
        rows.append((f"{method}: 5-way 1-shot > 0.6", mean, mean > 0.6))
        clear = mean - raw > half + raw_half
        rows.append((f"{method}: above raw pixels, beyond both intervals", mean - raw, clear))
    return rows


def _differences(groups, console):
    table = Table(title="Differences to MoCo, paired by seed")
    for head in ("method", "task", "seeds", "difference", "+- seeds", "", "purity", "distinct"):
        table.add_column(head, justify="right")
    base = {r["seed"]: r for r in groups.get("moco", [])}
    for method in assignments.ASSIGNMENTS:
        both = [r for r in groups.get(method, []) if r["seed"] in base]
        if len(both) < 2:
            continue
        purity = sum(r["purity"] for r in both) / len(both)
        distinct = sum(r["distinct"] / r["picks"] for r in both) / len(both)
        for kind in both[0]["results"]:
            mean, half = t_interval(
                [r["results"][kind]["accuracy"] - base[r["seed"]]["results"][kind]["accuracy"]
                 for r in both]
            )  # fmt: skip
            told = "no difference seen" if abs(mean) <= half else ""
            table.add_row(method, kind, str(len(both)), f"{mean:+.3f}", f"{half:.3f}", told,
                          f"{purity:.3f}", f"{distinct:.3f}")  # fmt: skip
    if table.row_count:
        console.print(table)


def draw(run, path):
    """Every seed as a dot, means with the interval over seeds and tasks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axis, kind in zip(figure.subplots(1, 3), ("5w1s", "5w5s", "20w1s"), strict=True):
        names = [m for m in (*TRAINED, "random", "pixels")
                 if any(r["method"] == m for r in run["runs"])]  # fmt: skip
        for i, method in enumerate(names):
            records = [r for r in run["runs"] if r["method"] == method]
            mean, _, tasks, both = interval(records, kind)
            half = both if len(records) > 1 else tasks
            axis.errorbar(i, mean, yerr=half, fmt="_", color="k", capsize=4)
            dots = [r["results"][kind]["accuracy"] for r in records]
            axis.plot([i] * len(dots), dots, "o", ms=4, alpha=0.6)
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right")
        axis.set_title(kind.replace("w", "-way ").replace("s", "-shot"))
    figure.axes[0].set_ylabel("accuracy, held-out alphabets")
    figure.savefig(path, dpi=120)


def main(argv=None):
    """Run what is missing, print, draw; exit status 1 with --check where a promise is broken."""
    parser = _run.parser("ml_apps.ssl.study_psco", __doc__, quick="two seeds, 30 steps, 40 tasks")
    parser.add_argument("--seeds", type=_run.positive_int, default=5)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # networks this small only wait for each other's threads
    console = _run.console(120)
    path = args.out or Path("ssl_psco_quick.json" if args.quick else "ssl_psco.json")
    environment = _run.environment(("otopt", "torch", "numpy"))
    run = {"environment": environment, "runs": [], "done": []}
    if args.resume:
        run = _run.resume(run, path)
    try:
        todo = _run.missing(jobs(args.quick, 2 if args.quick else args.seeds), run)
        _run.measure_all(todo, run, path, console, environment=environment, minutes=args.minutes)
    except FileNotFoundError as error:
        console.print(str(error))
        return 2
    if not run["runs"]:
        return 0
    report(run, console)
    draw(run, path.with_suffix(".png"))
    console.print(CANNOT)
    rows = [] if args.quick else promises(run)  # thirty steps keep no promise
    _run.show_promises(rows, console)
    return _run.exit_status(rows, console, check=args.check)


if __name__ == "__main__":
    sys.exit(main())
