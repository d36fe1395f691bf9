"""The promises of the package, as figures of a run."""

import numpy as np


def label(cell):
    """A cell in a few words."""
    return f"n = {cell['n']}, d = {cell['d']}"


def summary(run):
    """List of (promise, figure, kept); kept is None where nothing is promised."""
    rows = []
    cells = run["cells"]
    if cells:
        ratios = [c["ratio"] for c in cells]
        mean, slowest = float(np.exp(np.mean(np.log(ratios)))), min(cells, key=lambda c: c["ratio"])
        rows += [
            ("value and gradient, POT / ours, geometric mean", mean, mean >= 800),
            (f"the same, least ({label(slowest)})", slowest["ratio"], slowest["ratio"] >= 40),
            ("largest relative gap", max(c["gap"] for c in cells),
             max(c["gap"] for c in cells) <= 1e-10),
            ("largest relative difference to POT's value",
             max(c["pot_difference"] for c in cells),
             max(c["pot_difference"] for c in cells) <= 1e-9),
        ]  # fmt: skip
        for name in ("published", "fixed_barycentre", "sinkhorn_barycentre"):
            theirs = [np.median(c["seconds"][name]) / np.median(c["seconds"]["ours"])
                      for c in cells if name in c["seconds"]]  # fmt: skip
            text = f"{name.replace('_', ' ')} / ours, geometric mean"
            rows.append((text, float(np.exp(np.mean(np.log(theirs)))), None))
    for r in run["read"]:
        rows.append((f"ours / reading the input, {label(r)}", r["ratio"], r["ratio"] <= 4))
    for r in run["samples"]:
        text = f"samples / one argsort, N = {r['N']}, d = {r['d']}"
        rows.append((text, r["ratio"], r["ratio"] <= 2.5 if r["N"] >= 10_000 else None))
    for r in run["training"]:
        for name in ("exact", "bins", "memory"):
            added = 1e3 * r["overhead"][name]
            text = f"ms added to a step, {r['groups']} groups, batch {r['batch']}, {name}"
            rows.append((text, added, added <= 0.2 if name == "exact" else None))
    for r in run["barycentre"]:
        rows += [
            ("POT's example: our share of its time", r["share"], r["share"] <= 0.01),
            ("its standard deviation, 6.5 in truth: ours", r["std"], abs(r["std"] - 6.5) <= 0.02),
            ("POT's", r["pot_std"], None),
        ]
    for r in run["tails"]:
        rows.append((f"infeasible duals of {r['cases']} with empty tails: ours",
                     r["infeasible"]["ours"], r["infeasible"]["ours"] == 0))  # fmt: skip
        rows += [(name, r["infeasible"][name], None) for name in ("pot", "published")]
    return rows
