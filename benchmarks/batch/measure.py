"""Measurements; every function returns plain dictionaries for the JSON."""

import os
import warnings

import numpy as np

import otopt
from benchmarks.sparse_ot.problems import Cell
from benchmarks.sparse_ot.solvers import marginal_error, ours, pot, timed

SIZE, K, REG = 64, 4, 1.0


def problems(cost, weights, count, reg=REG):
    """Masses (count, 64), (count, 64) and costs (count, 64, 64)."""
    cell = Cell(SIZE, SIZE, cost, weights, K, reg)
    return tuple(np.stack(x) for x in zip(*(cell.arrays(s) for s in range(count)), strict=True))


def solve(a, b, C, reg=REG, workers=1):
    """The batch; warnings are in the status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return otopt.sparse_ot_batch(a, b, C, K, reg=reg, workers=workers)


def objective(plan, C):
    """<T, C> + reg/2 ||T||^2."""
    return float((plan * C).sum() + 0.5 * REG * (plan**2).sum())


def batch_record(cost, weights, count, repeats):
    """The batch on one thread and at its default, loops over sparse_ot and over POT, interleaved.

    One thread: CPU time. At its default a batch takes every core, a loop cannot: elapsed time.
    """
    a, b, C = problems(cost, weights, count)
    solve(a[:8], b[:8], C[:8]), [ours(*x, K, REG) for x in zip(a[:8], b[:8], C[:8], strict=True)]
    names = "batch", "batch_threads", "loop", "pot"
    seconds, elapsed = {name: [] for name in names}, {name: [] for name in names}

    def measure(name, function):
        result, cpu, wall = timed(function)
        seconds[name].append(cpu)
        elapsed[name].append(wall)
        return result

    for _ in range(repeats):
        results = measure("batch", lambda: solve(a, b, C))
        measure("batch_threads", lambda: solve(a, b, C, workers=-1))
        measure("loop", lambda: [ours(*x, K, REG) for x in zip(a, b, C, strict=True)])
        plans = measure("pot", lambda: [pot(*x, K, REG) for x in zip(a, b, C, strict=True)])
    median = {name: float(np.median(x)) for name, x in seconds.items()}
    wall = {name: float(np.median(x)) for name, x in elapsed.items()}
    errors = [marginal_error(*x) for x in zip(plans, a, b, strict=True)]
    # POT's plans miss their marginals: how far their values are from a proven bound says little
    # of a plan, but is all there is to compare a gap with.
    off = [
        abs(objective(plan, cost) - r.dual_bound) / abs(r.value)
        for plan, cost, r in zip(plans, C, results, strict=True)
    ]
    return {
        "cost": cost, "weights": weights, "count": count, "size": SIZE, "k": K, "reg": REG,
        "threads": len(os.sched_getaffinity(0)),
        "cpu_seconds": seconds,
        "elapsed_seconds": elapsed,
        "pot_over_batch_one_thread": median["pot"] / median["batch"],
        "loop_over_batch_one_thread": median["loop"] / median["batch"],
        "pot_over_batch": wall["pot"] / wall["batch_threads"],
        "loop_over_batch": wall["loop"] / wall["batch_threads"],
        "status": {s: sum(r.status.name == s for r in results) for s in otopt.Status.__members__},
        "marginal_error": max(r.marginal_error for r in results),
        "median_gap": float(np.median([r.gap for r in results])),
        "pot_marginal_error": float(np.median(errors)),
        "pot_median_distance_to_bound": float(np.median(off)),
    }  # fmt: skip


def hard_member_record(count, repeats):
    """Time of the easy members of a batch, alone and beside one hard member.

    The hard one is of weak transport costs: strong regularisation ties nearly all columns.
    """
    a, b, C = problems("router", "uniform", count)
    x, y, hard = problems("gauss", "random", 1)
    hard = 0.1 * hard
    together = np.concatenate([x, a]), np.concatenate([y, b]), np.concatenate([hard, C])
    solve(*(z[:4] for z in together))
    alone, beside, itself, easy = [], [], [], []
    for _ in range(repeats):
        results, cpu, _ = timed(lambda: solve(a, b, C))
        alone.append(cpu)
        both, cpu, _ = timed(lambda: solve(*together))
        beside.append(cpu)
        itself.append(timed(lambda: solve(x, y, hard))[1])
        easy.append(sum(r.elapsed for r in both[1:]) / sum(r.elapsed for r in results))
    cost = np.median(beside) - np.median(itself)
    return {
        "count": count,
        "seconds": {"easy": alone, "with_hard": beside, "hard": itself},
        "easy_slowdown_cpu": float(cost / np.median(alone)),
        "easy_slowdown_elapsed": float(np.median(easy)),
        "hard_over_easy": float(np.median(itself) / (np.median(alone) / count)),
        "hard_nit": both[0].nit,
        "same_answers": all(r.value == s.value for r, s in zip(results, both[1:], strict=True)),
    }
