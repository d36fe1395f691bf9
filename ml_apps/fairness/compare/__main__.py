"""``python -m ml_apps.fairness.compare [--quick] [--resume]``: ours beside peers, on real data.

Strengths are chosen on rows kept for that, never on those of the report. ``--quick`` takes the
diabetes data that come with scikit-learn and two seeds. Every record is written as it is made: with
``--minutes`` and ``--resume`` the run can be cut into pieces.
"""

from __future__ import annotations

import functools
from pathlib import Path

from rich.table import Table
from threadpoolctl import threadpool_limits

from ml_apps import _run

from . import bars, plots
from .measure import GAPS, measure, null_record
from .methods import METHODS, missing
from .tasks import QUICK, TASKS, split

PACKAGES = ("otopt", "numpy", "scikit-learn", "torch", "fairlearn", "fairret", "equipy")


def main(argv=None):
    """Measure, print, write; exit status 1 with --check where a promise is broken."""
    quick = "scikit-learn's data, two seeds"
    parser = _run.parser("ml_apps.fairness.compare", __doc__, quick=quick)
    parser.add_argument(
        "--seeds", type=_run.positive_int, help="splits of each data set (2 or 5, by task)"
    )
    parser.add_argument("--task", action="append", help="only this task; may be repeated")
    args = parser.parse_args(argv)
    console = _run.console(150)
    path = args.out or Path("fairness_quick.json" if args.quick else "fairness.json")
    tasks = list((QUICK if args.quick else TASKS).values())
    if args.task:
        unknown = sorted(set(args.task) - {t.name for t in tasks})
        if unknown:
            parser.error(f"no task {unknown}; there are {[t.name for t in tasks]}")
        tasks = [t for t in tasks if t.name in args.task]
    environment = _run.environment(PACKAGES)
    run = {"environment": environment, "records": [], "null": {}, "skipped": {}}
    if args.resume:
        run = _run.resume(run, path)
    threadpool_limits(1)
    tasks = _with_data(tasks, run, console)
    _run.measure_all(
        _jobs(tasks, args.seeds, run, console), run, path, console,
        environment=environment, minutes=args.minutes, write=_run.write_lines,
    )  # fmt: skip
    _show(run, tasks, console)
    plots.draw(run, tasks, path.with_suffix(".png"))
    rows = bars.summary(run)
    if rows:
        title = "Promises (mean over splits, 95 % interval that allows for their overlap)"
        _run.show_promises(rows, console, title=title)
    return _run.exit_status(rows, console, check=args.check)


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


def _jobs(tasks, seeds, run, console):
    """All measurements that are missing, seed by seed: an early stop leaves whole seeds."""
    absent = missing({name for task in tasks for name in task.methods})
    for package, names in absent.items():
        note = f"{package} is not installed: {', '.join(names)} left out"
        run["skipped"][package] = note
        console.print(f"[yellow]{note}[/yellow]; pip install 'otopt\\[fairness]'", highlight=False)
    left_out = {name for names in absent.values() for name in names}
    done = {(r["task"], r["method"], r["seed"]) for r in run["records"]}
    rows = functools.lru_cache(maxsize=1)(split)

    def splits(task):
        return task.seeds if seeds is None else seeds

    def record(task, seed, method):
        data = rows(task, seed)
        if task.name not in run["null"]:
            run["null"][task.name] = null_record(task, data, task.methods[0], seed)
        return measure(task, data, method, seed)

    return [
        ("records", functools.partial(record, task, seed, method))
        for seed in range(max(map(splits, tasks), default=0))
        for task in tasks
        if seed < splits(task)
        for method in task.methods
        if (task.name, method, seed) not in done and method not in left_out
    ]


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
