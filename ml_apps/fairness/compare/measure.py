"""One method on one split: a path of strengths, and strengths chosen for targets.

Nothing is chosen on the rows of the report. For each target the strength is read off the path,
where the gap on the rows for choosing crosses the target, by linear interpolation over the
logarithm of the strength; the model is fitted again there, up to four times, until one meets the
target and is below it by less than a tenth. Of all that were fitted the weakest that meets the
target is taken, and judged on the rows of the report.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from ml_apps.fairness import _gaps

from .methods import METHODS

__all__ = ["GAPS", "judge", "measure", "null_record", "read_off"]

GAPS = {"dp": "DP", "sdp": "strong DP", "ks": "KS", "opportunity": "equal opportunity",
        "odds": "equalized odds"}  # fmt: skip


def measure(task, split, method, seed):
    """Record of the path and of the targets."""
    chosen = METHODS[method]
    path = [_fit(task, split, chosen, strength, seed) for strength in chosen.strengths]
    found = []
    for gap, values in task.targets:
        for value in values:
            point = _choose(path, gap, value, lambda s: _fit(task, split, chosen, s, seed))
            found.append({"gap": gap, "target": value, "point": point})
    return {"task": task.name, "method": method, "seed": seed, "path": path, "targets": found}


def _choose(path, gap, target, fit, *, slack=0.05, miss=0.1, refits=4):
    """The weakest point whose gap on the rows for choosing is at most the target, up to slack."""
    points = list(path)
    for _ in range(refits):
        strength = read_off(points, gap, target)
        if strength is None or strength in [p["strength"] for p in points]:
            break
        points = sorted([*points, fit(strength)], key=lambda p: p["strength"])
        new = next(p for p in points if p["strength"] == strength)
        if (1 - miss) * target <= new["choose"][gap] <= (1 + slack) * target:
            break
    met = [p for p in points if p["choose"].get(gap, np.inf) <= (1 + slack) * target]
    return met[0] if met else None


def read_off(path, gap, target):
    """Strength at which the gap meets the target on the rows for choosing; None if it never does.

    The weakest crossing counts. A first point that is below the target is taken as it is.
    """
    gaps = [point["choose"].get(gap) for point in path]
    if gaps[0] is None:
        return None
    if gaps[0] <= target:
        return path[0]["strength"]
    for i in range(1, len(path)):
        if gaps[i] <= target:
            low, high = np.log(path[i - 1]["strength"]), np.log(path[i]["strength"])
            part = (gaps[i - 1] - target) / (gaps[i - 1] - gaps[i])
            part = min(max(part, 0.15), 0.85)  # gaps fall in steps: well inside converges faster
            return float(np.exp(low + part * (high - low)))
    return None


def _fit(task, split, method, strength, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of peers; what matters is in the figures
        started = time.process_time()
        predict = method.fit(
            split.X["fit"], split.y["fit"], split.groups["fit"], strength, task.parity, seed
        )
        seconds = time.process_time() - started
        record = {"strength": strength, "seconds": seconds}
        for part in ("choose", "report"):
            groups = split.groups[part]
            prediction, scores = predict(split.X[part], groups)
            record[part] = judge(split.y[part], prediction, scores, groups, split.task)
    return record


def judge(y, prediction, scores, groups, task):
    """Accuracy (or root mean square error) and gaps; a random prediction by its expectation."""
    if task == "regression":
        return {
            "rmse": float(np.sqrt(np.mean((y - prediction) ** 2))),
            "mean_gap": _gaps.mean_gap(prediction, groups),
            "sdp": _gaps.wasserstein(prediction, groups),
            "ks": _gaps.ks(prediction, groups),
        }
    truth = y == 1
    rates = [_gaps.rate_gap(prediction[rows], groups[rows]) for rows in (truth, ~truth)]
    record = {
        "accuracy": float(np.mean(np.where(truth, prediction, 1 - prediction))),
        "dp": _gaps.rate_gap(prediction, groups),
        "opportunity": rates[0],
        "odds": max(rates),
    }
    if scores is not None:
        record["sdp"] = _gaps.wasserstein(scores, groups)
        record["ks"] = _gaps.ks(scores, groups)
    return record


def null_record(task, split, method, seed, n_draws=50):
    """Gaps of the plain model where groups are permuted: what chance alone shows."""
    chosen = METHODS[method]
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predict = chosen.fit(
            split.X["fit"], split.y["fit"], split.groups["fit"], 0.0, task.parity, seed
        )
    groups, y = split.groups["report"], split.y["report"]
    prediction, scores = predict(split.X["report"], groups)
    draws = [judge(y, prediction, scores, rng.permutation(groups), split.task)
             for _ in range(n_draws)]  # fmt: skip
    names = [name for name in draws[0] if name not in ("accuracy", "rmse")]
    return {
        "task": task.name,
        "mean": {name: float(np.mean([d[name] for d in draws])) for name in names},
        "upper": {name: float(np.quantile([d[name] for d in draws], 0.95)) for name in names},
    }
