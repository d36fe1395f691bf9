"""``python -m benchmarks.entropic [--quick] [--check]``: ours and its peers, one thread.

The full grid takes about half an hour on one core (POT's log form takes nearly all of it), the
quick one under a minute. OTT-JAX takes part where it is installed. Results are written after every
measurement: an interrupted run keeps what it has, and ``--resume`` measures what is missing.
"""

import os
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import numpy as np  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import bars, measure, plots, solvers  # noqa: E402
from .problems import Cell, grid, tiny  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
KINDS = ("cells", "ott", "tiny", "single", "batch", "memory", "first_call")


def plan_of_run(quick):
    """All measurements, cheap ones first, as (list of the JSON they go to, function)."""
    n = 300 if quick else 1000
    regs = (0.1, 0.01, 0.001)
    repeats = 3 if quick else 5
    jobs = [
        ("first_call", measure.first_call_record),
        *[("tiny", partial(measure.tiny_record, cell)) for cell in tiny(quick)],
        *[("single", partial(measure.single_record, Cell(n, n, reg))) for reg in regs],
    ]
    if solvers.has_ott():
        jobs += [
            ("ott", partial(measure.ott_record, Cell(n, n, reg), threshold))
            for reg, threshold in ((0.1, 1e-5), (0.01, 1e-5), (0.001, 1e-3))
        ]
    cells = sorted(grid(quick), key=lambda cell: cell.n * cell.m / cell.reg)
    jobs += [("cells", partial(measure.cell_record, cell, repeats)) for cell in cells]
    jobs.insert(-1, ("batch", partial(measure.batch_record, *((16, 32) if quick else (256, 64)))))
    jobs.insert(-1, ("memory", partial(measure.memory_record, 2000 if quick else 50_000)))
    return jobs  # what takes longest comes last


def show(run, console):
    """Tables of the cells and of the promises."""
    table = Table(title="CPU seconds (median) to an L1 marginal error of 1e-9, one thread")
    for name in ("problem", "otopt", "POT kernel", "ratio", "POT log", "ratio", "nit", "gap"):
        table.add_column(name, justify="left" if name == "problem" else "right")
    for c in run["cells"]:
        cells = []
        for name in ("pot_kernel", "pot_log"):
            seconds = c["seconds"].get(name)
            cells += (
                [f"{np.median(seconds):.4f}", f"{c['ratios'][name]:.1f}"] if seconds else ["", ""]
            )
        table.add_row(
            bars.label(c), f"{np.median(c['seconds']['ours']):.4f}", *cells, str(c["nit"]),
            f"{c['gap']:.0e}",
        )  # fmt: skip
    console.print(table)
    _run.show_promises(bars.summary(run), console)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = _run.parser("benchmarks.entropic", __doc__, quick="small problems of every kind")
    args = parser.parse_args(argv)
    name = "entropic_quick.json" if args.quick else "entropic.json"
    path = args.out or RESULTS / name
    console = _run.console(160)

    environment = describe()
    run = {"environment": environment, "done": [], **{kind: [] for kind in KINDS}}
    if args.resume:
        run = _run.resume(run, path)
    _run.measure_all(
        _run.missing(plan_of_run(args.quick), run), run, path, console,
        environment=environment, warm_up=measure.warm_up, minutes=args.minutes,
    )  # fmt: skip
    run["cells"].sort(key=lambda c: (c["n"], c["m"], -c["reg"]))
    _run.write(run, path)
    show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    return _run.exit_status(bars.summary(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
