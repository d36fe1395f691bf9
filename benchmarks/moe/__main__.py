"""``python -m benchmarks.moe [--quick] [--check]``: routers beside the experts, one thread.

The quick run takes about two minutes, the full one five. Results are written after every
measurement: an interrupted run keeps what it has, and ``--resume`` measures what is missing.
"""

from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import numpy as np  # noqa: E402
from rich.table import Table  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import bars, measure, plots  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
KINDS = ("cells", "drift", "balance")
QUICK = ((512, 8), (4096, 64), (16384, 256))
FULL = ((512, 64), (4096, 8), (16384, 64), (4096, 256))


def plan_of_run(quick):
    """All measurements, as (list of the JSON they go to, function)."""
    sizes = QUICK if quick else sorted(QUICK + FULL, key=lambda size: size[0] * size[1])
    drifts = (0.02,) if quick else (0.0, 0.02, 0.1)
    jobs = [("drift", partial(measure.drift_record, 4096, 64, 1, drift)) for drift in drifts]
    jobs.append(("balance", partial(measure.balance_record, 4096, 64, 1)))
    return jobs + [
        ("cells", partial(measure.cell_record, n, m, k, quick)) for k in (1, 8) for n, m in sizes
    ]


def show(run, console):
    for cell in run["cells"]:
        ffn = np.median(cell["ffn_milliseconds"])
        table = Table(title=f"{bars.label(cell)}: experts {ffn:.0f} ms; optimum by {cell['judge']}")
        for name in (
            "router",
            "CPU ms",
            "% of experts",
            "max/mean",
            "dropped, %",
            "value/optimum",
            "gap a token",
        ):
            table.add_column(name, justify="left" if name == "router" else "right")
        for name, r in cell["routers"].items():
            table.add_row(
                name, f"{np.median(r['milliseconds']):.2f}", f"{100 * r['share']:.2f}",
                f"{r['max_over_mean']:.3f}", f"{100 * r['dropped']:.1f}",
                f"{r['value_over_optimum']:.4f}", f"{r['gap']:.1e}" if "gap" in r else "",
                style="bold" if name.startswith("OT") else "",
            )  # fmt: skip
        console.print(table)
    _run.show_promises(bars.summary(run), console)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = _run.parser("benchmarks.moe", __doc__, quick="the three sizes of the promises")
    args = parser.parse_args(argv)
    path = args.out or RESULTS / ("moe_quick.json" if args.quick else "moe.json")
    console = _run.console(150)
    environment = describe()
    run = {"environment": environment, "done": [], **{kind: [] for kind in KINDS}}
    if args.resume:
        run = _run.resume(run, path)
    _run.measure_all(
        _run.missing(plan_of_run(args.quick), run), run, path, console,
        environment=environment, warm_up=measure.warm_up, minutes=args.minutes,
    )  # fmt: skip
    run["cells"].sort(key=lambda c: (c["k"], c["n"] * c["m"]))
    _run.write(run, path)
    show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    return _run.exit_status(bars.summary(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
