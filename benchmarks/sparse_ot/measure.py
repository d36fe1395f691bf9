"""Measurements; every function returns plain dictionaries for the JSON."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .problems import Cell
from .solvers import marginal_error, our_evaluation, ours, pot, pot_evaluation, timed


def warm_up():
    """Compile every kernel before anything is timed."""
    for k in (1, 2, 16):
        for weights in ("uniform", "random"):
            cell = Cell(160, 160, "gauss", weights, k, 10.0)
            ours(*cell.arrays(), k, cell.reg)
            ours(*Cell(400, 60, "router", weights, 16, 1.0).arrays(), 16, 1.0)


def cell_record(cell, repeats, with_pot=True):
    """Our solve and POT's, interleaved."""
    a, b, C = cell.arrays()
    times, wall = {"ours": [], "pot": []}, {"ours": [], "pot": []}
    result = plan = None
    for _ in range(repeats):
        result, *seconds = timed(lambda: ours(a, b, C, cell.k, cell.reg))
        times["ours"].append(seconds[0])
        wall["ours"].append(seconds[1])
        if with_pot:
            plan, *seconds = timed(lambda: pot(a, b, C, cell.k, cell.reg))
            times["pot"].append(seconds[0])
            wall["pot"].append(seconds[1])
    record = dataclasses.asdict(cell) | {
        "room": cell.room,
        "possible": bool(cell.possible),
        "seconds": times,
        "wall_seconds": wall,
        "status": result.status.name,
        "gap": float(result.gap) if np.isfinite(result.gap) else None,
        "value": result.value,
        "dual_bound": result.dual_bound,
        "marginal_error": result.marginal_error,
        "excess_columns": len(result.relaxed.excess_columns),
        "nit": result.nit,
        "nfev": result.nfev,
    }
    if with_pot:
        record["pot_marginal_error"] = marginal_error(plan, a, b)
        record["ratio"] = float(np.median(times["pot"]) / np.median(times["ours"]))
    return record


def evaluation_record(k, at="start", repeats=25, n=1000):
    """One evaluation of the semi-dual at 1000 x 1000, paired: at zero or at the solution."""
    a, b, C = Cell(n, n, "gauss", "random", k, 1.0).arrays()
    alpha = np.zeros(n)
    if at == "solution":
        alpha = ours(a, b, C, k, 1.0, rounding="none").potentials.source
    mine, theirs = our_evaluation(a, b, C, k, 1.0), pot_evaluation(a, b, C, k, 1.0)
    (value, gradient), (pot_value, pot_gradient) = mine(alpha), theirs(alpha)
    times = {"ours": [], "pot": []}
    for _ in range(repeats):
        times["ours"].append(timed(lambda: mine(alpha))[1])
        times["pot"].append(timed(lambda: theirs(alpha))[1])
    return {
        "k": k,
        "n": n,
        "at": at,
        "seconds": times,
        "ratio": float(np.median(times["pot"]) / np.median(times["ours"])),
        "value_difference": float(abs(value - pot_value)),
        "gradient_difference": float(np.abs(gradient - pot_gradient).max()),
    }


def large_record(n=2000, k=4):
    """Relaxed solve to 1e-6 at 2000 x 2000 beside POT's exact solver."""
    import ot

    a, b, C = Cell(n, n, "gauss", "random", k, 1.0).arrays()
    relaxed, seconds, _ = timed(lambda: ours(a, b, C, k, 1.0, rounding="none"))
    whole, whole_seconds, _ = timed(lambda: ours(a, b, C, k, 1.0))
    _, emd_seconds, _ = timed(lambda: ot.emd(a, b, C, numItermax=10_000_000))
    return {
        "n": n,
        "k": k,
        "relaxed_seconds": seconds,
        "relaxed_value": relaxed.relaxed.value,
        "relaxed_marginal_error": relaxed.relaxed.marginal_error,
        "whole_seconds": whole_seconds,
        "gap": float(whole.gap),
        "emd_seconds": emd_seconds,
    }


def memory_record(n, k=4):
    """Peak of a solve over the cost matrix, as NumPy sees it and as the system does."""
    a, b, C = Cell(n, n, "gauss", "random", k, 1.0).arrays()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.npz"
        np.savez(file, a=a, b=b, C=C)
        command = [sys.executable, "-m", "benchmarks.sparse_ot.memory", str(file), str(k)]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return {"n": n, "k": k, **json.loads(done.stdout)}


def judge_record(seed):
    """Relaxed value of a small problem against Clarabel's k-support programme."""
    from tests.judges import k_support_optimum

    rng = np.random.default_rng(seed)
    n, m = 12, 9
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    C = rng.random((n, m))
    k, reg = int(rng.integers(1, 6)), float(rng.choice([0.1, 1.0, 10.0]))
    result = ours(a, b, C, k, reg, tol=1e-9, rounding="none")
    expected = k_support_optimum(a, b, C, k, reg)
    return {
        "seed": seed,
        "k": k,
        "reg": reg,
        "relative_difference": abs(result.relaxed.value / expected - 1),
    }
