"""``python -m benchmarks.mmot [--quick] [--check]``: ours and its peers, paired, one thread.

The full grid takes a few minutes on one core, the quick one less than one. Results are written
after every measurement: an interrupted run keeps what it has.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import numpy as np  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import bars, measure, plots  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
KINDS = ("cells", "read", "samples", "training", "barycentre", "tails")


def plan_of_run(quick):
    """All measurements, in order, as (list of the JSON they go to, function)."""
    sizes = measure.SIZES[:2] if quick else measure.SIZES
    marginals = measure.MARGINALS[:3] if quick else measure.MARGINALS
    return [
        ("read", measure.read_record),
        *[("samples", partial(measure.samples_record, N))
          for N in ((1000, 10_000) if quick else (1000, 10_000, 100_000, 1_000_000))],
        ("training", partial(measure.training_record, steps=50 if quick else 200)),
        ("barycentre", partial(measure.barycentre_record, 400 if quick else 4000)),
        ("tails", partial(measure.tails_record, 50 if quick else 300)),
        *[("cells", partial(measure.cell_record, n, d, 5 if n * d <= 50_000 else 1))
          for n in sizes for d in marginals],
    ]  # fmt: skip


def show(run, console):
    """Tables of the cells and of the promises."""
    table = Table(title="Value and gradient (median CPU microseconds, one thread)")
    for name in ("n", "d", *plots.NAMES.values(), "POT / otopt"):
        table.add_column(name, justify="right")
    for c in run["cells"]:
        times = [f"{1e6 * np.median(c['seconds'][name]):,.1f}" if name in c["seconds"] else ""
                 for name in plots.NAMES]  # fmt: skip
        table.add_row(str(c["n"]), str(c["d"]), *times, f"{c['ratio']:,.0f}")
    console.print(table)
    _run.show_promises(bars.summary(run), console, digits=4)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mmot", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small problems only")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--out", type=Path, help="JSON to write; a PNG is written beside it")
    args = parser.parse_args(argv)
    path = args.out or RESULTS / ("mmot_quick.json" if args.quick else "mmot.json")
    console = _run.console(170)

    environment = describe()
    run = {"environment": environment, **{kind: [] for kind in KINDS}}
    _run.measure_all(
        plan_of_run(args.quick),
        run,
        path,
        console,
        environment=environment,
        warm_up=measure.warm_up,
    )
    _run.write(run, path)
    show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    return _run.exit_status(bars.summary(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
