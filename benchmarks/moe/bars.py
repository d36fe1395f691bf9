"""The promises of the package, as figures of a run."""

import numpy as np


def label(cell):
    return f"{cell['n']} x {cell['m']}, k {cell['k']}"


def find(run, n, m, k):
    return next((c for c in run["cells"] if (c["n"], c["m"], c["k"]) == (n, m, k)), None)


def summary(run):
    """List of (promise, figure, kept)."""
    rows = []
    cell = find(run, 4096, 64, 1)
    if cell:
        where, r = label(cell), cell["routers"]
        repaired = r["OT cold, repair"]
        ratio = np.median(r["POT emd"]["milliseconds"]) / np.median(repaired["milliseconds"])
        exact = repaired["max_over_mean"] <= 1 and repaired["dropped"] == 0
        rows += [
            (f"{where}: cold with repair, load exactly C and no drops", float(exact), exact),
            _at_least(f"{where}: its value over the optimum ({cell['judge']})",
                      repaired["value_over_optimum"], 0.985),
            _at_most(f"{where}: its share of the experts' forward pass", repaired["share"], 0.04),
            _at_least(f"{where}: POT emd / ours, time", ratio, 4),
            _at_most(f"{where}: cold without repair, share", r["OT cold"]["share"], 0.015),
            _at_most(f"{where}: frozen price, share", r["OT frozen price"]["share"], 0.003),
        ]  # fmt: skip
    for record in run["balance"]:
        worst = max(max(loads) for loads in record["max_over_mean"].values())
        text = f"{label(record)}: cold without repair, max/mean, worst of kinds and seeds"
        rows.append(_at_most(text, worst, 1.1))
    for record in run["drift"]:
        if (record["n"], record["m"], record["k"]) == (4096, 64, 1) and record["drift"] == 0.02:
            mean = float(np.mean(record["in_batch"]))
            rows.append(_at_most("4096 x 64, k 1: warm, 2 passes, mean max/mean", mean, 1.12))
    cell = find(run, 16384, 256, 1)
    if cell:
        share = cell["routers"]["OT cold, repair"]["share"]
        rows.append(_at_most(f"{label(cell)}: cold with repair, share", share, 0.09))
    gaps = [
        (c["routers"]["OT converged"]["gap"], label(c))
        for c in run["cells"]
        if c["n"] * c["k"] >= 32 * c["m"]
    ]
    if gaps:
        gap, where = max(gaps)
        rows.append(_at_most(f"dual gap a token, converged, largest at {where}", gap, 1e-4))
    return rows


def _at_most(text, figure, limit):
    return f"{text} (at most {limit:g})", figure, figure <= limit


def _at_least(text, figure, limit):
    return f"{text} (at least {limit:g})", figure, figure >= limit
