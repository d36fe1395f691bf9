"""Means with intervals over seeds, and what the package promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ml_apps.fairness._intervals import interval as _interval

__all__ = ["at_target", "equal_gap", "interval", "promises", "records"]

BLIND = ("ExponentiatedGradient", "fairret LR", "histogram LR")
PEERS = (*BLIND, "ThresholdOptimizer", "EquiPy")


def interval(values):
    """Mean and half width of its 95 % interval; see `ml_apps.fairness._intervals`."""
    return _interval(values, test_over_train=4 / 3)


def records(run, task, method):
    """Records of a method by seed."""
    return {r["seed"]: r for r in run["records"] if (r["task"], r["method"]) == (task, method)}


def at_target(run, task, method, gap, target):
    """Points fitted for a target by seed, of those seeds where it was reached."""
    found = {}
    for seed, record in records(run, task, method).items():
        for t in record["targets"]:
            if t["gap"] == gap and t["target"] == target and t["point"] is not None:
                found[seed] = t["point"]
    return found


def equal_gap(run, task, method, gap, target, measure="accuracy"):
    """The measure where the path on the report's rows crosses the target, by seed.

    A description of the trade-off, free of the noise of choosing; not a result one could have had.
    """
    found = {}
    for seed, record in records(run, task, method).items():
        path = [p["report"] for p in record["path"]]
        if gap not in path[0]:
            continue
        for first, second in pairwise(path):
            if first[gap] > target >= second[gap]:
                part = (first[gap] - target) / (first[gap] - second[gap])
                found[seed] = first[measure] + part * (second[measure] - first[measure])
                break
        else:
            if path[0][gap] <= target:
                found[seed] = path[0][measure]
    return found


def difference(run, task, ours, peer, gap, target, measure="accuracy"):
    """Paired differences, ours less theirs, over the seeds where both reach the target."""
    a = at_target(run, task, ours, gap, target)
    b = at_target(run, task, peer, gap, target)
    both = sorted(set(a) & set(b))
    return np.array([a[s]["report"][measure] - b[s]["report"][measure] for s in both])


def _best(run, task, names, gap, target):
    """The peer of highest mean accuracy among those that reach the target in most seeds."""
    means = {}
    for name in names:
        points = at_target(run, task, name, gap, target)
        if len(points) > len(records(run, task, name)) / 2:
            means[name] = np.mean([p["report"]["accuracy"] for p in points.values()])
    return max(means, key=means.get) if means else None


def promises(run):
    """Rows (text, mean, half width, kept or None)."""
    rows = []

    def add(text, ours, names, task, gap, target, least):
        if not at_target(run, task, ours, gap, target):
            return
        peer = _best(run, task, names, gap, target)
        if peer is None:
            if any(records(run, task, name) for name in names):
                rows.append(
                    (f"{text}: {', '.join(names)} gets there in too few splits", 0.0, None, True)
                )
            return
        points = 100 * difference(run, task, ours, peer, gap, target)
        mean, half = interval(points)
        name = f"{text}: {ours} less {peer}, {len(points)} splits"
        rows.append((name, mean, half, bool(mean >= least)))

    sex, both, law = "adult, sex", "adult, sex x race", "law, race"
    add("(a) DP <= 0.05, points of accuracy, blind peers", "otopt LR", BLIND, sex, "dp", 0.05,
        -0.15)  # fmt: skip
    add("(a) DP <= 0.05, points of accuracy, all peers", "otopt LR", PEERS, sex, "dp", 0.05, -0.15)
    add("(a) strong DP <= 0.02, points", "otopt LR", ("fairret LR",), sex, "sdp", 0.02, 0.0)
    ours = "otopt MLP"
    add("(b) DP <= 0.15, points", ours, ("ExponentiatedGradient",), both, "dp", 0.15, 0.0)
    add("(b) strong DP <= 0.15, points", ours, ("fairret MLP, stratified",), both, "sdp", 0.15, 0.0)
    ratio = _time_ratio(run, both, ours, "ExponentiatedGradient", "dp", 0.15)
    if ratio is not None:
        rows.append(("(b) training time over ExponentiatedGradient's", *ratio, ratio[0] <= 0.5))
    ours, peer = records(run, law, "otopt MLP regression"), records(run, law, "EquiPy regression")
    points = at_target(run, law, "otopt MLP regression", "sdp", 0.07)
    seeds = sorted(set(points) & set(peer))
    if seeds:
        mine = [points[s]["report"] for s in seeds]
        theirs = [peer[s]["path"][-1]["report"] for s in seeds]  # its fairest
        rmse = [100 * (a["rmse"] / b["rmse"] - 1) for a, b in zip(mine, theirs, strict=True)]
        gaps = [a["sdp"] - b["sdp"] for a, b in zip(mine, theirs, strict=True)]
        mean, half = interval(rmse)
        rows.append(
            (f"(c) RMSE over EquiPy's, %, {len(seeds)} splits", mean, half, bool(mean <= 0.5))
        )
        mean, half = interval(gaps)
        rows.append(
            (f"(c) Wasserstein gap less EquiPy's, {len(seeds)} splits", mean, half, bool(mean < 0))
        )
    return rows


def _time_ratio(run, task, ours, peer, gap, target):
    a, b = at_target(run, task, ours, gap, target), at_target(run, task, peer, gap, target)
    both = sorted(set(a) & set(b))
    return interval([a[s]["seconds"] / b[s]["seconds"] for s in both]) if both else None
