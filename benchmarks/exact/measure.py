"""Measurements; every function returns plain dictionaries for the JSON."""

import dataclasses
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

import otopt

from .problems import Cell

ROOT = Path(__file__).parents[2]


def timed(function):
    """Result, process CPU seconds and wall seconds."""
    wall, start = time.perf_counter(), time.process_time()
    result = function()
    return result, time.process_time() - start, time.perf_counter() - wall


def paired(repeats, **functions):
    """Run all in turn, `repeats` times: last results, CPU seconds, wall seconds."""
    results = {}
    seconds, wall = {name: [] for name in functions}, {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            results[name], *spent = timed(function)
            seconds[name].append(spent[0])
            wall[name].append(spent[1])
    return results, seconds, wall


def completed(result):
    """The result; Ctrl-C, which a solve turns into a status, stops the benchmark."""
    if result.status is otopt.Status.STOPPED:
        raise KeyboardInterrupt
    return result


def pot(a, b, C):
    """POT's network simplex, with enough iterations."""
    import ot

    return ot.emd(a, b, C, numItermax=10**9)


def lap_solver():
    """``lapjv`` of lap or lapx where one is installed."""
    try:
        from lap import lapjv
    except ImportError:
        return None
    return lapjv


def warm_up():
    """Compile or load every kernel before anything is timed."""
    for family in ("plane", "noise"):
        for weights in ("uniform", "random"):
            for shape in ((200, 200), (300, 64)):
                a, b, C = Cell(family, *shape, weights).arrays()
                otopt.emd(a, b, C, warm_start=otopt.emd(a, b, C))


def cell_record(cell, repeats):
    """Cold, warm from the optimum, and POT, interleaved."""
    a, b, C = cell.arrays()
    optimum = completed(otopt.emd(a, b, C))
    results, seconds, wall = paired(
        repeats,
        ours=lambda: completed(otopt.emd(a, b, C)),
        warm=lambda: completed(otopt.emd(a, b, C, warm_start=optimum)),
        pot=lambda: pot(a, b, C),
    )
    result = results["ours"]
    expected = float((results["pot"] * C).sum())
    unit = abs(expected) or float(C.max())
    median = {name: float(np.median(s)) for name, s in seconds.items()}
    return dataclasses.asdict(cell) | {
        "seconds": seconds,
        "wall_seconds": wall,
        "ratio": median["pot"] / median["ours"],
        "warm_share": median["warm"] / median["ours"],
        "status": result.status.name,
        "method": result.method,
        "gap": float(result.gap),
        "marginal_error": result.marginal_error,
        "difference": abs(result.value - expected) / unit,
        "pivots": result.nit,
        "passes": result.nfev,
    }


def assignment_record(cell, repeats):
    """Assignment beside scipy's and, where it is installed, lap's."""
    from scipy.optimize import linear_sum_assignment

    _, _, C = cell.arrays()
    functions = {
        "ours": lambda: completed(otopt.assignment(C)),
        "scipy": partial(linear_sum_assignment, C),
    }
    lapjv = lap_solver()
    if lapjv is not None:
        functions["lap"] = partial(lapjv, C)
    results, seconds, wall = paired(repeats, **functions)
    expected = float(C[results["scipy"]].sum())
    median = {name: float(np.median(s)) for name, s in seconds.items()}
    return {
        "family": cell.family,
        "n": cell.n,
        "seconds": seconds,
        "wall_seconds": wall,
        "ratio": median["scipy"] / median["ours"],
        "lap_ratio": median["lap"] / median["ours"] if lapjv is not None else None,
        "method": results["ours"].method,
        "difference": abs(results["ours"].value - expected) / (abs(expected) or float(C.max())),
    }


FIRST_CALL = """
import time
started = time.perf_counter()
import numpy as np
import otopt
rng = np.random.default_rng(0)
x, y = rng.random((2, 500, 2))
C = ((x[:, None] - y) ** 2).sum(axis=2)
assert otopt.emd(np.full(500, 1 / 500), np.full(500, 1 / 500), C).success
print(time.process_time(), time.perf_counter() - started)
"""


def first_call_record():
    """A first call in a new process: with an empty kernel cache, then with a filled one."""
    import os

    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        for _ in range(4):
            done = subprocess.run(
                [sys.executable, "-c", FIRST_CALL],
                cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
            )  # fmt: skip
            seconds.append([float(x) for x in done.stdout.split()])
    warm = np.median(seconds[1:], axis=0)
    return {
        "cold_cpu": seconds[0][0],
        "cold_wall": seconds[0][1],
        "warm_cpu": float(warm[0]),
        "warm_wall": float(warm[1]),
    }
