"""Measurements; every function returns plain dictionaries for the JSON."""

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


def solve(a, b, C, reg=REG):
    """The batch; warnings are in the status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return otopt.sparse_ot_batch(a, b, C, K, reg=reg)


def objective(plan, C):
    """<T, C> + reg/2 ||T||^2."""
    return float((plan * C).sum() + 0.5 * REG * (plan**2).sum())


def batch_record(cost, weights, count, repeats):
    """The batch, a loop over sparse_ot and a loop over POT, interleaved."""
    a, b, C = problems(cost, weights, count)
    solve(a[:8], b[:8], C[:8]), [ours(*x, K, REG) for x in zip(a[:8], b[:8], C[:8], strict=True)]
    seconds = {"batch": [], "loop": [], "pot": []}
    for _ in range(repeats):
        results, cpu, _ = timed(lambda: solve(a, b, C))
        seconds["batch"].append(cpu)
        _, cpu, _ = timed(lambda: [ours(*x, K, REG) for x in zip(a, b, C, strict=True)])
        seconds["loop"].append(cpu)
        plans, cpu, _ = timed(lambda: [pot(*x, K, REG) for x in zip(a, b, C, strict=True)])
        seconds["pot"].append(cpu)
    median = {name: float(np.median(x)) for name, x in seconds.items()}
    errors = [marginal_error(*x) for x in zip(plans, a, b, strict=True)]
    # POT's plans miss their marginals: how far their values are from a proven bound says little
    # of a plan, but is all there is to compare a gap with.
    off = [
        abs(objective(plan, cost) - r.dual_bound) / abs(r.value)
        for plan, cost, r in zip(plans, C, results, strict=True)
    ]
    return {
        "cost": cost, "weights": weights, "count": count, "size": SIZE, "k": K, "reg": REG,
        "seconds": seconds,
        "pot_over_batch": median["pot"] / median["batch"],
        "loop_over_batch": median["loop"] / median["batch"],
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
