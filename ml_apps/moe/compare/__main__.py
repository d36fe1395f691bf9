"""``python -m ml_apps.moe.compare [--quick] [--resume]``: routers in a small language model.

Two layers of 8 experts learn the characters of the standard library's source; data and their order
are the same for all routers of a seed. A run takes about 15 CPU seconds, the whole comparison a
quarter of an hour; records are written as they are made, and with ``--minutes`` and ``--resume``
it can be cut into pieces.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch
from rich.table import Table

from ml_apps import _run

from . import bars, plots
from .methods import METHODS, QUICK
from .train import run_one

PACKAGES = ("otopt", "numpy", "torch")


def main(argv=None):
    """Measure, print, write; exit status 1 with --check where a promise is broken."""
    quick = "three routers, two seeds, 120 steps"
    parser = _run.parser("ml_apps.moe.compare", __doc__, quick=quick)
    parser.add_argument("--seeds", type=_run.positive_int, help="seeds (5; 2 with --quick)")
    parser.add_argument(
        "--steps", type=_run.positive_int, help="training steps (400; 120 with --quick)"
    )
    parser.add_argument("--router", action="append", help="only this one; may be repeated")
    args = parser.parse_args(argv)
    console = _run.console(150)
    path = args.out or Path("moe_quick.json" if args.quick else "moe.json")
    names = args.router or list(QUICK if args.quick else METHODS)
    unknown = sorted(set(names) - set(METHODS))
    if unknown:
        parser.error(f"no router {unknown}; there are {list(METHODS)}")
    usual_steps, usual_seeds = (120, 2) if args.quick else (400, 5)
    steps = usual_steps if args.steps is None else args.steps
    seeds = usual_seeds if args.seeds is None else args.seeds
    environment = _run.environment(PACKAGES)
    run = {"environment": environment, "steps": steps, "records": []}
    if args.resume:
        run = _run.resume(run, path)
        if run["steps"] != steps:
            parser.error(
                f"{path} was made with {run['steps']} steps; give --steps or another --out"
            )
    torch.set_num_threads(1)
    done = {(r["router"], r["seed"]) for r in run["records"]}
    jobs = [
        ("records", functools.partial(run_one, name, seed, steps))
        for seed in range(seeds)  # an early stop leaves whole ones
        for name in names
        if (name, seed) not in done
    ]
    _run.measure_all(
        jobs, run, path, console,
        environment=environment, minutes=args.minutes, write=_run.write_lines,
    )  # fmt: skip
    if not run["records"]:
        return 0
    _show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    rows = bars.promises(run)
    _run.show_promises(rows, console)
    return _run.exit_status(rows, console, check=args.check)


def _show(run, console):
    table = Table(
        title=f"Validation loss after {run['steps']} steps, routed token by token",
        caption=f"± after a loss: deviation over seeds; after a difference: 95 % interval, paired "
        f"with {bars.OURS!r}. Loads and drops: second half of training, then the first 50 steps.",
    )
    for name in (
        "router", "seeds", "loss", "less ours", "max/mean", "early", "dropped, %", "early", "CPU s",
    ):  # fmt: skip
        table.add_column(name, justify="left" if name == "router" else "right")
    for name in bars.routers(run):
        table.add_row(*bars.row(run, name), style="bold" if name == bars.OURS else "")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
