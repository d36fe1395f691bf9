"""``python -m benchmarks.exact [--quick] [--check]``: our exact solver and its peers, paired.

One thread, process CPU time. The full grid takes about ten minutes, the quick one half a minute;
point clouds of up to 50,000 a side, at the end, some minutes more.
Results are written after every measurement: an interrupted run, or one with ``--minutes``, keeps
what it has, and ``--resume`` goes on from there.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import numpy as np  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import bars, clouds, measure, plots  # noqa: E402
from .problems import assignments, grid  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"


def repeats_for(cell):
    """Five where a solve by POT is a matter of milliseconds, three or one where it takes longer."""
    return 5 if cell.n * cell.m <= 1e6 else 3 if cell.n <= 4100 else 1


def plan_of_run(quick):
    """All measurements, small ones first, as (list of the JSON they go to, name, function)."""
    jobs = [("cells", c, partial(measure.cell_record, c, repeats_for(c))) for c in grid(quick)]
    jobs += [
        ("assignments", c, partial(measure.assignment_record, c, 3)) for c in assignments(quick)
    ]
    jobs.sort(key=lambda job: job[1].n * job[1].m)
    return [
        ("first_call", "first call", measure.first_call_record),
        *((kind, bars.label(vars(cell)), measurement) for kind, cell, measurement in jobs),
        *(("clouds", name, measurement) for name, measurement in clouds.jobs(quick)),
    ]


def left_over(jobs, run):
    """The jobs whose records the run does not hold."""
    return [job for job in jobs if all(record["name"] != job[1] for record in run[job[0]])]


def show(run, console):
    """Tables of the cells and of the promises."""
    table = Table(title="Exact transport (median CPU seconds, one thread)")
    for name in ("problem", "otopt", "warm", "POT", "POT / otopt", "gap", "method"):
        table.add_column(name, justify="left" if name in ("problem", "method") else "right")
    for c in run["cells"]:
        median = {name: f"{np.median(s):.4f}" for name, s in c["seconds"].items()}
        table.add_row(
            bars.label(c), median["ours"], median["warm"], median["pot"], f"{c['ratio']:.1f}",
            f"{max(c['gap'], 0):.0e}", c["method"],
        )  # fmt: skip
    console.print(table)
    table = Table(title="Assignment (median CPU seconds, one thread)")
    for name in ("problem", "otopt", "scipy", "lap", "scipy / otopt", "method"):
        table.add_column(name, justify="left" if name in ("problem", "method") else "right")
    for r in run["assignments"]:
        median = {name: f"{np.median(s):.4f}" for name, s in r["seconds"].items()}
        table.add_row(
            f"{r['family']} {r['n']}", median["ours"], median["scipy"], median.get("lap", ""),
            f"{r['ratio']:.1f}", r["method"],
        )  # fmt: skip
    console.print(table)
    table = Table(title="Points without a matrix (CPU seconds, one thread)")
    for name in ("problem", "points", "matrix", "peak MiB", "a matrix, MiB", "gap"):
        table.add_column(name, justify="left" if name == "problem" else "right")
    for cells in clouds.rows(run["clouds"]):
        table.add_row(*cells)
    console.print(table)
    _run.show_promises(bars.summary(run), console)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exact", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="n = 500 only")
    parser.add_argument("--minutes", type=float, help="start nothing after so many")
    parser.add_argument("--resume", action="store_true", help="keep what the JSON holds, go on")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--out", type=Path, help="JSON to write; a PNG is written beside it")
    args = parser.parse_args(argv)
    path = args.out or RESULTS / ("exact_quick.json" if args.quick else "exact.json")
    console = _run.console(140)

    environment = describe()
    run = {
        "environment": environment,
        "cells": [],
        "assignments": [],
        "first_call": [],
        "clouds": [],
    }
    if args.resume:
        run = _run.resume(run, path)
    jobs = left_over(plan_of_run(args.quick), run)

    def keep(job, record):
        run[job[0]].append({"name": job[1]} | record)

    _run.measure_all(
        jobs,
        run,
        path,
        console,
        environment=environment,
        warm_up=measure.warm_up,
        minutes=args.minutes,
        keep=keep,
    )
    _run.write(run, path)
    console.print(f"{len(left_over(jobs, run))} measurements left")
    show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    return _run.exit_status(bars.summary(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
