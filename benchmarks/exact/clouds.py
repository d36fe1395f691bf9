"""emd between point clouds: beside the matrix where that fits, and at 50,000 points a side.

Large clouds are solved in a process of their own, whose peak of resident memory is then that of
the solve, with Python and all libraries; what these take before it is recorded too.
"""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

import otopt

from .measure import completed, paired, timed
from .problems import squared_distances

ROOT = Path(__file__).parents[2]
BESIDE, ALONE = (2000, 4000), (12_500, 50_000)
QUICK = (500,), (2000,)
WEIGHTS = ("uniform", "random")
MOST_BYTES = 4096  # a point of either side, at any size: memory is linear


def clouds(n, weights, seed=0):
    """Masses and points of two overlapping squares."""
    rng = np.random.default_rng([seed, n])
    X, Y = rng.random((n, 2)), rng.random((n, 2)) * 0.8 + 0.3
    a, b = np.ones((2, n)) if weights == "uniform" else rng.uniform(0.001, 1, (2, n))
    return a / a.sum(), b / b.sum(), X, Y


def beside_record(n, weights):
    """Points and matrix, interleaved; the matrix is made outside the clock."""
    a, b, X, Y = clouds(n, weights)
    C = squared_distances(X, Y)
    results, seconds, wall = paired(
        3,
        points=lambda: completed(otopt.emd(a, b, X=X, Y=Y)),
        matrix=lambda: completed(otopt.emd(a, b, C)),
    )
    points, matrix = results["points"], results["matrix"]
    return {
        "n": n,
        "weights": weights,
        "seconds": seconds,
        "wall_seconds": wall,
        "ratio": float(np.median(seconds["matrix"]) / np.median(seconds["points"])),
        "difference": abs(points.value - matrix.value) / abs(matrix.value),
    } | _quality(points)


def alone_record(n, weights):
    """One solve of a large problem in a new process."""
    command = [sys.executable, "-m", "benchmarks.exact.clouds", str(n), weights]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def record_here(n, weights):
    """The same in this process, which should have done nothing yet."""
    a, b, X, Y = clouds(500, weights)
    otopt.emd(a, b, X=X, Y=Y)  # loads kernels and libraries
    a, b, X, Y = clouds(n, weights)
    _forget_peak()
    before = _peak_resident()
    result, cpu, wall = timed(lambda: otopt.emd(a, b, X=X, Y=Y))
    return {
        "n": n,
        "weights": weights,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "peak_resident": _peak_resident(),
        "resident_before": before,
        "matrix_bytes": 8 * n * n,
    } | _quality(result)


def _forget_peak():
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak begins again from here


def _peak_resident():
    """Peak of resident memory, in bytes; unlike that of getrusage not inherited from a parent."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


def _quality(result):
    return {
        "status": result.status.name,
        "method": result.method,
        "gap": float(result.gap),
        "marginal_error": result.marginal_error,
        "pivots": result.nit,
        "passes": result.nfev,
    }


def jobs(quick):
    """Measurements for the list of the run, as (name, function)."""
    kinds = (("beside", beside_record), ("alone", alone_record))
    return [
        (f"clouds {kind} {n} {weights}", partial(record, n, weights))
        for (kind, record), sizes in zip(kinds, QUICK if quick else (BESIDE, ALONE), strict=True)
        for n in sizes
        for weights in WEIGHTS
    ]


def rows(records):
    """Cells of a table: problem, points, matrix, peak MiB, a matrix in MiB, gap."""
    for r in records:
        name = f"{r['n']} x {r['n']} {r['weights']}"
        if "cpu_seconds" in r:
            megabytes = (f"{r[key] / 2**20:.0f}" for key in ("peak_resident", "matrix_bytes"))
            yield name, f"{r['cpu_seconds']:.2f}", "", *megabytes, f"{max(r['gap'], 0):.0e}"
        else:
            median = [f"{np.median(r['seconds'][key]):.4f}" for key in ("points", "matrix")]
            yield name, *median, "", "", f"{max(r['gap'], 0):.0e}"


def summary(records):
    """List of (promise, figure, kept)."""
    beside = [r for r in records if "difference" in r]
    alone = [r for r in records if "cpu_seconds" in r]
    promises = []
    if records:
        optimal = [r["status"] == "OPTIMAL" for r in records]
        gap = max(r["gap"] for r in records)
        promises += [
            ("clouds: certified optimal", float(np.mean(optimal)), all(optimal)),
            ("clouds: largest certified gap", gap, gap <= 1e-12),
        ]
    if beside:
        difference = max(r["difference"] for r in beside)
        least = min(r["ratio"] for r in beside)
        promises += [
            ("clouds: difference to the matrix", difference, difference <= 1e-12),
            ("clouds: time of the matrix / of the points, least", least, None),
        ]
    for r in alone:
        n = r["n"]
        name = f"clouds {n} {r['weights']}"
        grown = r["peak_resident"] - r["resident_before"]
        share = grown / r["matrix_bytes"]
        promises += [
            (f"{name}: CPU s", r["cpu_seconds"], None),
            (f"{name}: memory as a share of the matrix", share, None),
            (f"{name}: bytes a point", grown / n, grown / n <= MOST_BYTES),
        ]
    return promises


if __name__ == "__main__":
    sys.stdout.write(json.dumps(record_here(int(sys.argv[1]), sys.argv[2])) + "\n")
