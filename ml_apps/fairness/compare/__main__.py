"""``python -m ml_apps.fairness.compare [--quick] [--resume]``: ours beside peers, on real data.

Strengths are chosen on rows kept for that, never on those of the report. ``--quick`` takes the
diabetes data that come with scikit-learn and two seeds. Every record is written as it is made: with
``--minutes`` and ``--resume`` the run can be cut into pieces.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits

from . import bars, plots
from .measure import GAPS, measure, null_record
from .methods import METHODS, missing
from .tasks import QUICK, TASKS, split

PACKAGES = ("otopt", "numpy", "scikit-learn", "torch", "fairlearn", "fairret", "equipy")


def main(argv=None):
    """Measure, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m ml_apps.fairness.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="scikit-learn's data, two seeds")
    parser.add_argument("--resume", action="store_true", help="go on with the records of --out")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--seeds", type=int, help="splits of each data set (2 or 5, by task)")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument("--task", action="append", help="only this task; may be repeated")
    parser.add_argument("--out", type=Path, help="JSON to write; a PNG is written beside it")
    args = parser.parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    path = args.out or Path("fairness_quick.json" if args.quick else "fairness.json")
    tasks = list((QUICK if args.quick else TASKS).values())
    if args.task:
        unknown = sorted(set(args.task) - {t.name for t in tasks})
        if unknown:
            parser.error(f"no task {unknown}; there are {[t.name for t in tasks]}")
        tasks = [t for t in tasks if t.name in args.task]
    run = {"environment": _environment(), "records": [], "null": {}, "skipped": {}}
    if args.resume and path.exists():
        run |= json.loads(path.read_text())
    threadpool_limits(1)
    tasks = _with_data(tasks, run, console)
    _measure_all(tasks, args.seeds, run, path, args.minutes, console)
    _show(run, tasks, console)
    plots.draw(run, tasks, path.with_suffix(".png"))
    rows = bars.promises(run)
    broken = [text for text, *_, kept in rows if not kept]
    if args.check and broken:
        console.print("broken:", *broken, sep="\n  ")
        return 1
    return 0


def _environment():
    def installed(package):
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {package: installed(package) for package in PACKAGES},
    }


def _with_data(tasks, run, console):
    """Tasks whose data are there; the others are named."""
    there = []
    for task in tasks:
        try:
            split(task, 0)
        except FileNotFoundError as error:
            run["skipped"][task.name] = str(error)
            console.print(f"[yellow]skipped {task.name}[/yellow]: {error}", highlight=False)
        else:
            run["skipped"].pop(task.name, None)
            there.append(task)
    return there


def _measure_all(tasks, seeds, run, path, minutes, console):
    """All records that are missing, seed by seed, so that an early stop leaves whole seeds."""
    absent = missing({name for task in tasks for name in task.methods})
    for package, names in absent.items():
        note = f"{package} is not installed: {', '.join(names)} left out"
        run["skipped"][package] = note
        console.print(f"[yellow]{note}[/yellow]; pip install 'otopt\\[fairness]'", highlight=False)
    left_out = {name for names in absent.values() for name in names}
    done = {(r["task"], r["method"], r["seed"]) for r in run["records"]}
    jobs = [
        (task, seed, method)
        for seed in range(max(seeds or task.seeds for task in tasks))
        for task in tasks
        if seed < (seeds or task.seeds)
        for method in task.methods
        if (task.name, method, seed) not in done and method not in left_out
    ]
    started, last = time.monotonic(), (None, None)
    data = None
    try:
        for task, seed, method in track(
            jobs, "measuring", console=console, disable=not console.is_terminal
        ):
            if minutes and time.monotonic() - started > 60 * minutes:
                break
            if last != (task.name, seed):
                data, last = split(task, seed), (task.name, seed)
            if task.name not in run["null"]:
                run["null"][task.name] = null_record(task, data, task.methods[0], seed)
            run["records"].append(measure(task, data, method, seed))
            _write(run, path)
    except KeyboardInterrupt:
        console.print("stopped; what was measured is kept")


def _write(run, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    parts = {key: json.dumps(_rounded(value), allow_nan=False) for key, value in run.items()}
    parts["records"] = parts["records"].replace('{"task"', '\n{"task"')  # a line each
    partial.write_text("{" + ",\n".join(f'"{key}": {text}' for key, text in parts.items()) + "}\n")
    partial.replace(path)


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _show(run, tasks, console):
    for task in tasks:
        measured = [m for m in task.methods if bars.records(run, task.name, m)]
        if not measured:
            continue
        is_regression = "regression" in task.methods[-1]
        name, unit = ("rmse", 1) if is_regression else ("accuracy", 100)
        null = run["null"][task.name]
        chance = ", ".join(
            f"{GAPS[gap]} {null['mean'][gap]:.3f} (95 %: {null['upper'][gap]:.3f})"
            for gap, _ in task.targets
        )
        table = Table(
            title=f"{task.name}: {'RMSE' if is_regression else 'accuracy, %'} on unseen rows "
            "(gap there), strengths chosen on others",
            caption=f"by chance alone: {chance}; * sees the groups at prediction, ° random",
        )
        table.add_column("method")
        heads = [(gap, value) for gap, values in task.targets for value in values]
        for gap, value in heads:
            table.add_column(f"{GAPS[gap]} <= {value:g}", justify="right")
        table.add_column("CPU s a fit", justify="right")
        for method in measured:
            marks = "*" * METHODS[method].sees_groups + "°" * METHODS[method].is_random
            cells = [_cell(run, task.name, method, *head, name, unit) for head in heads]
            seconds = [p["seconds"] for r in bars.records(run, task.name, method).values()
                       for p in r["path"]]  # fmt: skip
            table.add_row(method + marks, *cells, f"{sum(seconds) / len(seconds):.2f}")
        console.print(table)
    rows = bars.promises(run)
    if rows:
        table = Table(
            title="Promises (mean over splits, 95 % interval that allows for their overlap)"
        )
        for head in ("promise", "figure", "kept"):
            table.add_column(head)
        for text, mean, half, kept in rows:
            table.add_row(text, f"{mean:.3g}" + (f" ± {half:.2g}" if half else ""),
                          "yes" if kept else "NO")  # fmt: skip
        console.print(table)


def _cell(run, task, method, gap, target, name, unit):
    points = [p["report"] for p in bars.at_target(run, task, method, gap, target).values()]
    count = len(bars.records(run, task, method))
    if not points:
        return "–"
    (value, half), (there, _) = (
        bars.interval([unit * p[name] for p in points]),
        bars.interval([p[gap] for p in points]),
    )
    digits = 3 if name == "rmse" else 2
    text = f"{value:.{digits}f}" + (f"±{half:.{digits}f}" if half is not None else "")
    reached = "" if len(points) == count else f" {len(points)}/{count}"
    return f"{text} ({there:.3f}){reached}"


if __name__ == "__main__":
    raise SystemExit(main())
