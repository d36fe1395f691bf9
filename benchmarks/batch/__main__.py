"""``python -m benchmarks.batch [--quick] [--check]``: 256 problems of 64 x 64, paired, one thread.

CPU time, median of repeats; about five minutes, a quarter of one with ``--quick``.
"""

import argparse
import json
import os
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from . import measure  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
FAMILIES = (("gauss", "random"), ("colour", "random"), ("router", "random"))


def bars(run):
    """List of (promise, figure, kept)."""
    rows = []
    for r in run["batches"]:
        name = f"{r['count']} x {r['cost']} {r['weights']}"
        rows += [
            (f"{name}: POT loop / batch", r["pot_over_batch"], r["pot_over_batch"] >= 10),
            (f"{name}: our loop / batch", r["loop_over_batch"], r["loop_over_batch"] >= 3),
            (f"{name}: our largest marginal error", r["marginal_error"],
             r["marginal_error"] <= min(1e-9, r["pot_marginal_error"])),
        ]  # fmt: skip
    for r in run["hard_member"]:
        slower = max(r["easy_slowdown_cpu"], r["easy_slowdown_elapsed"])
        rows.append(("easy members beside a hard one / alone", slower, slower <= 1.2))
    return rows


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="32 problems, once")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--out", type=Path, help="JSON to write")
    args = parser.parse_args(argv)
    count, repeats = (32, 1) if args.quick else (256, 3)
    path = args.out or RESULTS / ("batch_quick.json" if args.quick else "batch.json")
    run = {"environment": describe(), "batches": [], "hard_member": []}
    for family in FAMILIES:
        run["batches"].append(measure.batch_record(*family, count, repeats))
    run["hard_member"].append(measure.hard_member_record(count - 1, 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1, allow_nan=False) + "\n")

    console = Console(width=None if os.isatty(1) else 160)
    table = Table(title="Batches of 64 x 64, k = 4 (CPU, one thread)")
    for name in ("promise", "figure", "kept"):
        table.add_column(name)
    for name, figure, kept in bars(run):
        table.add_row(name, f"{figure:.3g}", "yes" if kept else "NO")
    console.print(table)
    broken = [name for name, _, kept in bars(run) if not kept]
    return 1 if args.check and broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
