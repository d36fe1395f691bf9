"""The promises of the package, as figures of a run."""

import numpy as np

from . import clouds


def label(cell):
    """A cell in a few words."""
    return f"{cell['family']} {cell['n']} x {cell['m']} {cell['weights']}"


def _slowest(name, cells, bar):
    """A promise of speed, by the worst of its cells."""
    if not cells:
        return []
    worst = min(cells, key=lambda c: c["ratio"])
    return [
        (f"{name}: POT / otopt, least at {label(worst)}", worst["ratio"], worst["ratio"] >= bar)
    ]


def summary(run):
    """List of (promise, figure, kept)."""
    cells = run["cells"]
    large = [c for c in cells if round(c["n"], -3) in (2000, 4000) and c["n"] == c["m"]]
    rows = []
    for family, bar in (("plane", 4), ("grid", 3), ("10-D", 1.5)):
        chosen = [c for c in large if c["family"] == family]
        rows += _slowest(f"{family}, n = 2000 and 4000", chosen, bar)
    for family in ("noise", "integers", "clusters", "router"):
        rows += _slowest(family, [c for c in cells if c["family"] == family], 1)
    rows += _slowest("n = 500", [c for c in cells if c["n"] <= 512], 1)
    rows += _slowest("4096 x 64", [c for c in cells if c["m"] == 64], 1)
    rows += _slowest("everything", cells, 1)
    if cells:
        difference = max(c["difference"] for c in cells)
        rows.append(("largest relative difference to POT's value", difference, difference <= 1e-12))
        gap = max(c["gap"] for c in cells)
        rows.append(("largest certified gap", gap, gap <= 1e-12))
        error = max(c["marginal_error"] for c in cells)
        rows.append(("largest marginal error (L1)", error, error <= 1e-12))
        certified = [c["status"] == "OPTIMAL" for c in cells]
        rows.append(("certified optimal", float(np.mean(certified)), all(certified)))
        shares = [c["warm_share"] for c in large]
        if shares:
            worst = max(large, key=lambda c: c["warm_share"])
            rows.append(("median warm share of cold, n = 2000 and 4000", float(np.median(shares)),
                         None))  # fmt: skip
            rows.append((f"largest warm share of cold there, at {label(worst)}",
                         worst["warm_share"], worst["warm_share"] <= 0.1))  # fmt: skip
    for record in run["assignments"]:
        name = f"assignment, {record['family']} {record['n']}"
        kept = record["ratio"] >= 5 if (record["family"], record["n"]) == ("noise", 2000) else None
        rows.append((f"{name}: scipy / otopt", record["ratio"], kept))
        if record["lap_ratio"] is not None:
            rows.append((f"{name}: lap / otopt", record["lap_ratio"], None))
    if run["assignments"]:
        difference = max(r["difference"] for r in run["assignments"])
        rows.append(("assignments: difference to scipy", difference, difference <= 1e-12))
    for record in run["first_call"]:
        for name, key, bar in (
            ("first call in a new process, kernels cached", "warm", 1.5),
            ("first call in a new process, empty cache", "cold", 20),
        ):
            cpu, wall = record[f"{key}_cpu"], record[f"{key}_wall"]
            rows += [(f"{name}, CPU s", cpu, cpu <= bar), (f"{name}, wall s", wall, None)]
    return rows + clouds.summary(run["clouds"])
