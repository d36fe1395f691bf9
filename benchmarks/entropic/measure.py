"""Measurements; every function returns plain dictionaries for the JSON."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from . import solvers
from .problems import Cell, batch
from .solvers import marginal_error, ours, timed

TARGET = 1e-9
POT_LIMIT = 100_000
COLD = 5.0  # seconds: a solve that takes longer is timed once


def warm_up():
    """Compile every kernel before anything is timed."""
    for dtype in (np.float64, np.float32):
        for n in (40, 300):
            a, b, C = Cell(n, n, 0.01).arrays()
            for reg in (0.1, 0.001):
                ours(a, b, C.astype(dtype), reg)


def cell_record(cell, repeats):
    """Our solve and POT's two forms, interleaved, at an L1 error of at most `TARGET`."""
    a, b, C = cell.arrays()
    threshold = solvers.pot_threshold(a, b, C, cell.reg, TARGET, POT_LIMIT)
    forms = {} if threshold is None else {"pot_kernel": "sinkhorn"}
    log_threshold = TARGET / np.sqrt(cell.m) if threshold is None else threshold
    forms["pot_log"] = "sinkhorn_log"
    times = {name: [] for name in ("ours", *forms)}
    errors, result = {}, None
    for repeat in range(repeats):
        result, seconds, _ = timed(lambda: ours(a, b, C, cell.reg))
        times["ours"].append(seconds)
        for name, method in forms.items():
            if repeat and min(times[name]) > COLD:
                continue
            plan, seconds, _ = timed(
                lambda method=method: solvers.pot(
                    a, b, C, cell.reg, method, log_threshold, POT_LIMIT
                )
            )
            times[name].append(seconds)
            errors[name] = marginal_error(plan, a, b)
    errors["ours"] = marginal_error(result.plan, a, b)
    middle = {name: float(np.median(seconds)) for name, seconds in times.items()}
    return dataclasses.asdict(cell) | {
        "seconds": times,
        "errors": errors,
        "ratios": {name: middle[name] / middle["ours"] for name in forms},
        "status": result.status.name,
        "gap": result.gap,
        "nit": result.nit,
        "nfev": result.nfev,
    }


def tiny_record(cell):
    """Small regularisations: mass, marginals and finiteness, ours and the kernel form's."""
    a, b, C = cell.arrays()
    result, seconds, _ = timed(lambda: ours(a, b, C, cell.reg))
    plan = result.plan
    theirs = solvers.pot(a, b, C, cell.reg, "sinkhorn", TARGET, 1000)
    mass = float(theirs.sum())
    return dataclasses.asdict(cell) | {
        "seconds": seconds,
        "status": result.status.name,
        "finite": bool(np.isfinite(plan).all()),
        "mass": float(plan.sum()),
        "error": marginal_error(plan, a, b),
        "gap": result.gap,
        "pot_kernel_mass": mass if np.isfinite(mass) else None,
    }


def single_record(cell):
    """float32 against float64: iterations, status and accuracy."""
    a, b, C = cell.arrays()
    double, single = ours(a, b, C, cell.reg), ours(a, b, C.astype(np.float32), cell.reg)
    return dataclasses.asdict(cell) | {
        "nit": {"float64": double.nit, "float32": single.nit},
        "ratio": single.nit / double.nit,
        "status": single.status.name,
        "error": marginal_error(single.plan, a, b),
    }


def ott_record(cell, threshold, repeats=5):
    """float32, compiled beforehand; ours stops at the error that OTT reached."""
    a, b, C = cell.arrays()
    C32 = C.astype(np.float32)
    solve = solvers.ott_solver(C32, a, b, cell.reg, threshold)
    potentials = solve()
    error = solvers.ott_error(potentials, C32.astype(float), a, b, cell.reg)
    times = {"ours": [], "ott": []}
    result = None
    for _ in range(repeats):
        result, seconds, _ = timed(lambda: ours(a, b, C32, cell.reg, tol=max(error, 1e-9)))
        times["ours"].append(seconds)
        times["ott"].append(timed(solve)[1])
    return dataclasses.asdict(cell) | {
        "threshold": threshold,
        "seconds": times,
        "ratio": float(np.median(times["ott"]) / np.median(times["ours"])),
        "ott_error": error,
        "ott_converged": bool(potentials[2]),
        "error": marginal_error(result.plan, a, b),
    }


FIRST_CALL = """
import time; start = time.process_time()
import numpy as np, otopt
a, C = np.full(50, 1 / 50), np.random.default_rng(0).random((50, 50))
assert otopt.sinkhorn(a, a, C, reg=0.01).success
print(time.process_time() - start)
"""


def first_call_record(repeats=5):
    """Import and one solve in a new process, kernels cached: CPU seconds."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", FIRST_CALL]
    done = [
        subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
        for _ in range(repeats + 1)
    ]
    return {"seconds": [float(x.stdout) for x in done[1:]]}


def memory_record(n, reg=0.1):
    """Point clouds: growth of resident memory over that of the inputs, in another process."""
    command = [sys.executable, "-m", "benchmarks.entropic.memory", str(n), str(reg)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return {"n": n, "reg": reg, **json.loads(done.stdout)}


def batch_record(count=256, n=64, repeats=3, reg=0.01):
    """A batch of small problems against POT's torch batch at equal error."""
    import otopt

    a, b, C, reg = batch(count, n, reg)
    solve, theirs = solvers.pot_batch(a, b, C, reg)
    times = {"ours": [], "pot": []}
    otopt.sinkhorn_batch(a[:2], b[:2], C[:2], reg=reg)
    results = None
    for repeat in range(repeats):
        results, seconds, _ = timed(lambda: otopt.sinkhorn_batch(a, b, C, reg=reg, tol=theirs))
        times["ours"].append(seconds)
        if repeat == 0 or min(times["pot"]) <= COLD:
            times["pot"].append(timed(solve)[1])
    return {
        "count": count,
        "n": n,
        "reg": reg,
        "seconds": times,
        "ratio": float(np.median(times["pot"]) / np.median(times["ours"])),
        "error": float(np.max(results.marginal_error)),
        "pot_error": theirs,
        "measured": time.strftime("%Y-%m-%d"),
    }
