"""``python -m benchmarks.clouds [--quick]``: point clouds without a cost matrix, one thread.

Gaussian clouds in two dimensions with random weights, k = 4. Every size is solved in a process of
its own, so that its peak of resident memory is that of the solve (with Python and all libraries).
The largest takes several minutes.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import numpy as np  # noqa: E402
from rich.table import Table  # noqa: E402

import otopt  # noqa: E402
from benchmarks import _run  # noqa: E402

RESULTS = Path(__file__).parent / "results"
SIZES, QUICK = (1000, 10_000, 100_000), (1000, 4000)
K, TOL = 4, 1e-4
PROMISED_ERROR, PROMISED_BYTES = 1e-4, 2 * 2**30


def clouds(n, seed=0):
    """Two clouds of n points and their masses: a, b, X, Y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    Y = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.3], [0.3, 0.6]]) + 1.0
    a, b = rng.uniform(0.5, 1.5, (2, n))
    return a / a.sum(), b / b.sum(), X, Y


def record(n, rounding="repair"):
    """Solve one size here and now; what is printed of it."""
    for size in (300, 2500):  # loads kernels and libraries, on both ways through the solver
        a, b, X, Y = clouds(size)
        otopt.sparse_ot(a, b, X=X, Y=Y, k=K, tol=TOL)
    a, b, X, Y = clouds(n)
    wall, cpu = time.perf_counter(), time.process_time()
    result = otopt.sparse_ot(a, b, X=X, Y=Y, k=K, tol=TOL, rounding=rounding)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {
        "n": n,
        "k": K,
        "tol": TOL,
        "rounding": rounding,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "peak_resident": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "matrix_bytes": 8 * n * n,
        "relaxed_marginal_error": result.relaxed.marginal_error / a.sum(),
        "relaxed_gap": (result.relaxed.value - result.dual_bound) / abs(result.relaxed.value),
        "marginal_error": result.marginal_error / a.sum(),
        "gap": result.gap if np.isfinite(result.gap) else None,
        "status": result.status.name,
        "nonzeros": int((result.rows >= 0).sum()),
        "nit": result.nit,
        "nfev": result.nfev,
    }


def apart(n, rounding):
    """`record` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.clouds", "--one", str(n), "--rounding", rounding]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def kept(entry):
    """Whether a record keeps what is promised: accuracy and memory."""
    accurate = entry["relaxed_marginal_error"] <= PROMISED_ERROR
    if entry["rounding"] == "repair":
        accurate = accurate and entry["marginal_error"] <= PROMISED_ERROR
    return accurate and entry["peak_resident"] < PROMISED_BYTES


def bars(run):
    """List of (promise, figure, kept)."""
    text = f"error <= {PROMISED_ERROR:g}, peak < {PROMISED_BYTES / 2**20:g} MiB; peak in MiB"
    return [
        (f"{e['n']} x {e['n']}: {text}", e["peak_resident"] / 2**20, kept(e)) for e in run["clouds"]
    ]


def show(entries, console):
    """A table of the records."""
    table = Table(title=f"Clouds in two dimensions, k = {K}, tol = {TOL:g}, one thread")
    for name in ("points", "CPU s", "wall s", "peak MiB", "a matrix, MiB", "relaxed error",
                 "plan's error", "gap", "status", "kept"):  # fmt: skip
        table.add_column(name, justify="right")
    for e in entries:
        gap = "" if e["gap"] is None else f"{e['gap']:.1e}"
        table.add_row(
            f"{e['n']} x {e['n']}", f"{e['cpu_seconds']:.1f}", f"{e['wall_seconds']:.1f}",
            f"{e['peak_resident'] / 2**20:.0f}", f"{e['matrix_bytes'] / 2**20:.0f}",
            f"{e['relaxed_marginal_error']:.1e}", f"{e['marginal_error']:.1e}",
            gap, e["status"], "yes" if kept(e) else "NO",
        )  # fmt: skip
    console.print(table)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clouds", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--sizes", type=int, nargs="+", help="other numbers of points")
    parser.add_argument("--rounding", choices=("repair", "none"), default="repair")
    parser.add_argument("--out", type=Path, help="JSON to write")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.one:
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)  # the status is in the record
        sys.stdout.write(json.dumps(record(args.one, args.rounding)) + "\n")
        return 0
    console = _run.console(160)
    path = args.out or RESULTS / ("clouds_quick.json" if args.quick else "clouds.json")
    run = {"environment": describe(), "clouds": []}
    for n in args.sizes or (QUICK if args.quick else SIZES):
        run["clouds"].append(apart(n, args.rounding))
        _run.write(run, path)
    show(run["clouds"], console)
    return int(args.check and not all(kept(entry) for entry in run["clouds"]))


if __name__ == "__main__":
    raise SystemExit(main())
