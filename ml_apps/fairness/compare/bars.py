"""Means with intervals over seeds, and what the package promises."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from ml_apps.fairness._intervals import interval as _interval

__all__ = ["at_target", "equal_gap", "interval", "promises", "records", "summary"]

BLIND = ("ExponentiatedGradient", "fairret LR", "histogram LR")
SPLITS = 5  # that a promise needs
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
    """Rows (text, mean, half width or None, kept).

    A comparison is made over splits where both meet the target. It counts as kept only where both
    were tried in `SPLITS` of them, and most count; where one of them fails in most splits, the row
    shows the share of splits in which ours meets the target.
    """
    rows = []

    def add(text, ours, names, task, gap, target, least):
        mine = records(run, task, ours)
        names = [name for name in names if records(run, task, name)]
        if not mine or not names:
            return
        share = len(at_target(run, task, ours, gap, target)) / len(mine)
        peer = _best(run, task, names, gap, target)
        points = [] if peer is None else 100 * difference(run, task, ours, peer, gap, target)
        if share <= 1 / 2 or not len(points):
            tried = min(len(mine), *(len(records(run, task, name)) for name in names))
            others = f"none of {', '.join(names)} does" if peer is None else f"{peer} does"
            text = f"{text}: share of {tried} splits where {ours} meets it; in most {others}"
            kept = peer is None and share > 1 / 2 and tried >= SPLITS
            rows.append((text, share, None, kept))
            return
        compared, enough = _compared(len(points), mine, records(run, task, peer))
        mean, half = interval(points)
        kept = bool(mean >= least) and enough
        rows.append((f"{text}: {ours} less {peer}, {compared}", mean, half, kept))

    sex, both, law = "adult, sex", "adult, sex x race", "law, race"
    add("(a) DP <= 0.05, points of accuracy, blind peers", "otopt LR", BLIND, sex, "dp", 0.05,
        -0.15)  # fmt: skip
    add("(a) DP <= 0.05, points of accuracy, all peers", "otopt LR", PEERS, sex, "dp", 0.05, -0.15)
    add("(a) strong DP <= 0.02, points", "otopt LR", ("fairret LR",), sex, "sdp", 0.02, 0.0)
    ours = "otopt MLP"
    add("(b) DP <= 0.15, points", ours, ("ExponentiatedGradient",), both, "dp", 0.15, 0.0)
    add("(b) strong DP <= 0.15, points", ours, ("fairret MLP, stratified",), both, "sdp", 0.15, 0.0)
    rows += _time_row(run, both, ours, "ExponentiatedGradient", "dp", 0.15)
    return rows + _regression_rows(run, law, "otopt MLP regression", "EquiPy regression")


def summary(run):
    """The promises as `ml_apps._run` takes them: (text, figure, kept)."""
    return [
        (text, f"{mean:.3g}" + (f" ± {half:.2g}" if half else ""), kept)
        for text, mean, half, kept in promises(run)
    ]


def _compared(count, ours, theirs):
    """How many splits are compared, in words, and whether they are enough for a promise."""
    tried = len(ours.keys() & theirs.keys())
    enough = tried >= SPLITS and count > tried / 2
    return f"{count} of {tried} splits" + ("" if enough else ", too few"), enough


def _time_row(run, task, ours, peer, gap, target):
    a, b = at_target(run, task, ours, gap, target), at_target(run, task, peer, gap, target)
    both = sorted(set(a) & set(b))
    if not both:
        return []
    compared, enough = _compared(len(both), records(run, task, ours), records(run, task, peer))
    mean, half = interval([a[s]["seconds"] / b[s]["seconds"] for s in both])
    return [(f"(b) training time over {peer}'s, {compared}", mean, half, mean <= 0.5 and enough)]


def _regression_rows(run, task, ours, peer):
    mine, theirs = records(run, task, ours), records(run, task, peer)
    points = at_target(run, task, ours, "sdp", 0.07)
    seeds = sorted(set(points) & set(theirs))
    if not mine or not theirs:
        return []
    compared, enough = _compared(len(seeds), mine, theirs)
    if not seeds:
        return [(f"(c) share of {len(mine)} splits where {ours} meets its gap", 0.0, None, False)]
    a = [points[s]["report"] for s in seeds]
    b = [theirs[s]["path"][-1]["report"] for s in seeds]  # its fairest
    rmse = interval([100 * (x["rmse"] / y["rmse"] - 1) for x, y in zip(a, b, strict=True)])
    gaps = interval([x["sdp"] - y["sdp"] for x, y in zip(a, b, strict=True)])
    return [
        (f"(c) RMSE over EquiPy's, %, {compared}", *rmse, rmse[0] <= 0.5 and enough),
        (f"(c) Wasserstein gap less EquiPy's, {compared}", *gaps, gaps[0] < 0 and enough),
    ]
