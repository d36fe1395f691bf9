"""``python -m benchmarks.ssl_losses [--quick] [--check]``: losses of ml_apps.ssl beside lightly's.

Forward and backward in float32 on one thread: CPU time, called in turn, and the high-water mark of
resident memory (Linux). lightly without torchvision: ``pip install --no-deps lightly``; where it is
missing, ours alone are measured. About six minutes, half a minute with ``--quick``.
"""

import json
import os
import subprocess
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.table import Table

from benchmarks import _run
from benchmarks._environment import THREAD_VARIABLES, describe

RESULTS = Path(__file__).parent.parent / "results"
CELLS = [(f, 1024, d) for d in (512, 2048, 8192) for f in ("ntxent", "vicreg", "barlow")]
CELLS += [("chunked", 4096, 128)]
QUICK = [("ntxent", 256, 128), ("vicreg", 256, 512), ("barlow", 256, 512), ("chunked", 1024, 64)]


def measured(cell, budget):
    """The record of a cell, from a process of its own: nobody else's memory is in it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ssl_losses.measure", *map(str, cell), str(budget)],
        env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{cell}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def bars(run):
    """List of (promise, figure, kept)."""
    rows = []
    for r in run["losses"]:
        if "cpu_ratio" not in r:
            continue
        family, n, d = r["family"], r["n"], r["d"]
        name = f"{family} n={n} d={d}: lightly / ours"
        least = 0.9
        if (n, d) == (1024, 8192):
            least = {"vicreg": 6, "barlow": 3}.get(family, least)
        if family == "chunked":
            least = 1
        rows.append((f"{name}, CPU, >= {least}", r["cpu_ratio"], r["cpu_ratio"] >= least))
        memory = {("vicreg", 8192): 8, ("barlow", 8192): 3.5, ("chunked", 128): 10}
        least = memory.get((family, d))
        kept = None if least is None else r["memory_ratio"] >= least
        promise = f"{name}, memory" + (f", >= {least}" if least else "")
        rows.append((promise, r["memory_ratio"], kept))
        worst = max(r["value_difference"], r["gradient_difference"])
        rows.append((f"{name}: difference of values", worst, worst <= 1e-4))
    return rows


def show(run, console):
    table = Table(title="forward and backward, float32, one thread")
    for head in ("loss", "n", "d", "ours CPU s", "lightly", "ours MB", "lightly"):
        table.add_column(head, justify="right")
    for r in run["losses"]:
        theirs = [f"{r[k]:.3g}" if k in r else "-" for k in ("lightly_cpu_s", "lightly_peak_mb")]
        table.add_row(
            r["family"], str(r["n"]), str(r["d"]),
            f"{r['ours_cpu_s']:.3g}", theirs[0], f"{r['ours_peak_mb']:.3g}", theirs[1],
        )  # fmt: skip
    console.print(table)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = _run.parser("benchmarks.ssl_losses", __doc__, quick="small batches, briefly")
    args = parser.parse_args(argv)
    path = args.out or RESULTS / ("ssl_losses_quick.json" if args.quick else "ssl_losses.json")
    console = _run.console(120)
    environment = describe()
    try:
        environment["versions"]["lightly"] = version("lightly")
    except PackageNotFoundError:
        environment["versions"]["lightly"] = None
        console.print("lightly is not installed: ours alone")
    run = {"environment": environment, "losses": []}
    if args.resume:
        run = _run.resume(run, path)
    done = {(r["family"], r["n"], r["d"]) for r in run["losses"]}
    cells = [cell for cell in (QUICK if args.quick else CELLS) if cell not in done]
    jobs = [("losses", partial(measured, cell, 1 if args.quick else 12)) for cell in cells]
    _run.measure_all(
        jobs, run, path, console,
        environment=environment, minutes=args.minutes,
    )  # fmt: skip
    show(run, console)
    # The quick cells are too small for the promises.
    rows = [] if args.quick else bars(run)
    _run.show_promises(rows, console)
    return _run.exit_status(rows, console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
