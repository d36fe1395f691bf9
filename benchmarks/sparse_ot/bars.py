"""The promises of the package, as figures of a run."""

import numpy as np

FOUND = ("OPTIMAL", "FEASIBLE")


def gap(cell):
    """Certified gap, infinite where no plan was found (JSON has no infinity)."""
    return np.inf if cell["gap"] is None else cell["gap"]


def summary(run):
    """List of (promise, figure, kept)."""
    cells = [c for c in run["cells"] if c["possible"]]
    roomy = [c for c in cells if c["room"] >= 1.3]
    twice = [c for c in cells if c["room"] >= 2]
    feasible = [c["status"] in FOUND for c in roomy]
    rows = []
    if roomy:
        gaps = [gap(c) for c in roomy]
        rows += [
            ("feasible where k m >= 1.3 (n + m - 1)", np.mean(feasible), all(feasible)),
            ("largest gap there", max(gaps), max(gaps) <= 1.5e-2),
            ("median gap there", np.median(gaps), np.median(gaps) <= 5e-4),
            ("our largest marginal error there", max(c["marginal_error"] for c in roomy),
             max(c["marginal_error"] for c in roomy) <= 1e-9),
        ]  # fmt: skip
        theirs = [c["pot_marginal_error"] for c in roomy if "pot_marginal_error" in c]
        if theirs:
            rows.append(("POT's median marginal error there", np.median(theirs), None))
            rows.append(("POT's largest marginal error there", max(theirs), None))
    if twice:
        largest = max(gap(c) for c in twice)
        rows.append(("largest gap where k m >= 2 (n + m - 1)", largest, largest <= 2e-3))
    for record in run["evaluations"]:
        kept = record["ratio"] >= 15 if record["k"] == 2 else None
        size = f"{record['n']} x {record['n']}"
        name = f"evaluation, {size}, k = {record['k']}, at {record['at']}: POT / ours"
        rows.append((name, record["ratio"], kept))
    fast = [
        c for c in cells
        if (c["n"], c["m"]) in ((500, 500), (1000, 1000)) and c["k"] in (4, 16)
        and c["reg"] == 1.0 and "ratio" in c
    ]  # fmt: skip
    if fast:
        slowest = min(c["ratio"] for c in fast)
        rows.append(("500 and 1000 square, k in {4, 16}, reg 1: POT / ours", slowest, slowest >= 5))
    others = [c for c in cells if "ratio" in c and c not in fast]
    found = [c for c in others if c["status"] in FOUND]
    if found:
        slowest = min(found, key=lambda c: c["ratio"])
        rows.append(
            (f"rest of the feasible grid: POT / ours, slowest {label(slowest)}", slowest["ratio"],
             slowest["ratio"] >= 1 / 1.5)
        )  # fmt: skip
    lost = [c for c in others if c not in found]
    if lost:
        slowest = min(lost, key=lambda c: c["ratio"])
        rows.append(
            (f"nothing found ({len(lost)} cells, room up to {max(c['room'] for c in lost):.2f}): "
             f"POT / ours, slowest {label(slowest)}", slowest["ratio"], None)
        )  # fmt: skip
    for record in run["memory"]:
        name = f"peak temporaries at {record['n']}, over the cost matrix"
        rows.append((name, record["traced_over_cost"], record["traced_over_cost"] <= 1.2))
        if record["resident_growth_over_cost"] is not None:
            rows.append(
                ("the same, as the system sees it", record["resident_growth_over_cost"], None)
            )
    ruled_out = [c for c in run["cells"] if not c["possible"]]
    if ruled_out:
        proven = [c["status"] == "INFEASIBLE" for c in ruled_out]
        rows.append(
            ("proven infeasible where counting rules a plan out", np.mean(proven), all(proven))
        )
    if run["judge"]:
        worst = max(r["relative_difference"] for r in run["judge"])
        rows.append(("relaxed value against Clarabel", worst, worst <= 1e-7))
    return rows


def label(cell):
    """A cell in a few words."""
    return (
        f"{cell['n']} x {cell['m']} {cell['cost']} {cell['weights']} k={cell['k']} "
        f"reg={cell['reg']:g}"
    )
