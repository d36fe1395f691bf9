"""``python -m benchmarks.sparse_ot [--quick] [--check]``: our solver and POT's, paired, one thread.

The full grid takes about half an hour on one core, the quick one about a minute; with ``--minutes``
as much as fits, once each and small problems first. Results are written after every measurement: an
interrupted run keeps what it has, and ``--resume`` measures the rest.
"""

import argparse
import dataclasses
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import numpy as np  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import bars, measure, plots  # noqa: E402
from .problems import grid, impossible  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"


def repeats_for(cell, quick):
    """Three where a pair takes little time or a promise of speed is read off the cell."""
    promised = cell.reg == 1.0 and cell.k in (4, 16)
    small = cell.n * cell.m <= 10_000
    return 3 if not quick and (small or (promised and cell.n == cell.m in (500, 1000))) else 1


def plan_of_run(quick, once=False):
    """All measurements, in order, as (list of the JSON they go to, function)."""
    cells = [*grid(quick), *impossible()[: 1 if quick else None]]
    return [
        *[
            ("evaluations", partial(measure.evaluation_record, k, at))
            for k in (1, 2, 4, 16)
            for at in ("start", "solution")
        ],
        *[("judge", partial(measure.judge_record, seed)) for seed in range(5 if quick else 20)],
        *[
            ("memory", partial(measure.memory_record, n))
            for n in ((1000,) if quick else (1000, 2000))
        ],
        *([] if quick else [("large", measure.large_record)]),
        *[
            ("cells", partial(measure.cell_record, cell, repeats_for(cell, quick or once)))
            for cell in cells
        ],
    ]


def left_over(jobs, run):
    """The jobs whose measurements `run` does not hold yet."""
    done = {kind: len(run[kind]) for kind in ("evaluations", "judge", "memory", "large")}
    cells = {bars.label(cell) for cell in run["cells"]}
    rest = []
    for kind, measurement in jobs:
        if kind == "cells":
            if bars.label(dataclasses.asdict(measurement.args[0])) not in cells:
                rest.append((kind, measurement))
        elif done[kind] > 0:
            done[kind] -= 1
        else:
            rest.append((kind, measurement))
    return rest


def small_first(jobs):
    """Cells by size after everything else."""

    def size(job):
        cell = job[1].args[0]
        return cell.n * cell.m

    cells = sorted((job for job in jobs if job[0] == "cells"), key=size)
    return [job for job in jobs if job[0] != "cells"] + cells


def show(run, console):
    """Tables of the cells and of the promises."""
    table = Table(title="Cells (median CPU seconds, one thread)")
    for name in ("problem", "room", "otopt s", "POT s", "ratio", "status", "gap",
                 "marginal error", "POT's"):  # fmt: skip
        table.add_column(name, justify="left" if name in ("problem", "status") else "right")
    for c in run["cells"]:
        table.add_row(
            bars.label(c), f"{c['room']:.2f}", f"{np.median(c['seconds']['ours']):.3f}",
            f"{np.median(c['seconds']['pot']):.3f}", f"{c['ratio']:.1f}", c["status"],
            f"{bars.gap(c):.1e}", f"{c['marginal_error']:.0e}", f"{c['pot_marginal_error']:.0e}",
        )  # fmt: skip
    console.print(table)
    _run.show_promises(bars.summary(run), console)
    for record in run["large"]:
        console.print(
            f"{record['n']} x {record['n']}, k = {record['k']}: relaxed to 1e-6 in "
            f"{record['relaxed_seconds']:.2f} s, whole solve {record['whole_seconds']:.2f} s "
            f"(gap {record['gap']:.1e}), ot.emd {record['emd_seconds']:.2f} s"
        )


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sparse_ot", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cells of every kind")
    parser.add_argument("--minutes", type=float, help="stop after so many, small problems first")
    parser.add_argument("--resume", action="store_true", help="measure what an earlier run left")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--out", type=Path, help="JSON to write; a PNG is written beside it")
    args = parser.parse_args(argv)
    name = "sparse_ot_quick.json" if args.quick else "sparse_ot.json"
    path = args.out or RESULTS / name
    console = _run.console(160)

    environment = describe()
    run = {"environment": environment, "cells": [], "evaluations": [], "memory": [], "large": [],
           "judge": []}  # fmt: skip
    jobs = plan_of_run(args.quick, once=args.minutes is not None)
    run["grid"] = sum(kind == "cells" for kind, _ in jobs)
    if args.resume:
        run = _run.resume(run, path)
        jobs = left_over(jobs, run)
    if args.minutes:
        jobs = small_first(jobs)
    _run.measure_all(
        jobs,
        run,
        path,
        console,
        environment=environment,
        warm_up=measure.warm_up,
        minutes=args.minutes,
    )
    run["cells"].sort(key=lambda c: [c[name] for name in ("n", "m", "cost", "weights", "k", "reg")])
    _run.write(run, path)
    console.print(f"{len(run['cells'])} of {run['grid']} cells of the grid")
    show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    return _run.exit_status(bars.summary(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
