"""``python -m benchmarks.batch [--quick] [--check]``: 256 problems of 64 x 64, paired.

Median of repeats. Promises are judged at defaults and by elapsed time: a batch takes every core, a
loop cannot. The same on one thread, in CPU time, stands beside them. About seven minutes; half a
minute with ``--quick``.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

from benchmarks import _run  # noqa: E402

from . import measure  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
FAMILIES = (("gauss", "random"), ("colour", "random"), ("router", "random"))


def bars(run):
    """List of (promise, figure, kept)."""
    rows = []
    for r in run["batches"]:
        name = f"{r['count']} x {r['cost']} {r['weights']}"
        rows += [
            (f"{name}: POT loop / batch on {r['threads']} threads, elapsed", r["pot_over_batch"],
             r["pot_over_batch"] >= 10),
            (f"{name}: our loop / batch on {r['threads']} threads, elapsed", r["loop_over_batch"],
             r["loop_over_batch"] >= 3),
            (f"{name}: POT loop / batch on one thread, CPU", r["pot_over_batch_one_thread"], None),
            (f"{name}: our loop / batch on one thread, CPU", r["loop_over_batch_one_thread"], None),
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
    count, repeats = (32, 1) if args.quick else (256, 7)
    path = args.out or RESULTS / ("batch_quick.json" if args.quick else "batch.json")
    console = _run.console(160)
    environment = describe()
    run = {"environment": environment, "batches": [], "hard_member": []}
    jobs = [
        *[("batches", partial(measure.batch_record, *f, count, repeats)) for f in FAMILIES],
        ("hard_member", partial(measure.hard_member_record, count - 1, 3)),
    ]
    _run.measure_all(jobs, run, path, console, environment=environment, warm_up=lambda: None)
    _run.show_promises(bars(run), console)
    return _run.exit_status(bars(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
