"""The promises of the package, as figures of a run."""


def label(cell):
    """A cell in a few words."""
    return f"{cell['n']} x {cell['m']}, reg {cell['reg']:g}"


def _slowest(rows, ratio):
    row = min(rows, key=ratio)
    return ratio(row), label(row)


def summary(run):
    """List of (promise, figure, kept)."""
    rows = []
    cells = run["cells"]
    if cells:
        figure, where = _slowest(cells, lambda c: c["ratios"]["pot_log"])
        rows.append((f"POT sinkhorn_log / ours, smallest at {where}", figure, figure >= 2))
        kernel = [c for c in cells if "pot_kernel" in c["ratios"]]
        if kernel:
            figure, where = _slowest(kernel, lambda c: c["ratios"]["pot_kernel"])
            rows.append((f"POT kernel form / ours, smallest at {where}", figure, figure >= 1))
        worst = max(c["errors"]["ours"] for c in cells)
        rows.append(("our largest L1 marginal error", worst, worst <= 1.1e-9))
        converged = all(c["status"] == "OPTIMAL" for c in cells)
        rows.append(("all converged", float(converged), converged))
        rows.append(("largest certified gap", max(c["gap"] for c in cells), None))
    if run["ott"]:
        figure, where = _slowest(run["ott"], lambda c: c["ratio"])
        rows.append((f"OTT float32 / ours, smallest at {where}", figure, figure >= 1))
    if run["tiny"]:
        lost = max(abs(c["mass"] - 1) for c in run["tiny"])
        kept = all(c["finite"] for c in run["tiny"]) and lost <= 1e-8
        rows.append(("mass lost down to reg 1e-5", lost, kept))
        masses = [c["pot_kernel_mass"] for c in run["tiny"] if c["pot_kernel_mass"] is not None]
        if masses:
            rows.append(("the least mass of POT's kernel form there", min(masses), None))
    if run["single"]:
        worst = max(c["ratio"] for c in run["single"])
        rows.append(("iterations, float32 / float64", worst, worst <= 1.5))
        worst = max(c["error"] for c in run["single"])
        rows.append(("marginal error from float32 costs", worst, worst <= 1.1e-9))
    for record in run["batch"]:
        name = f"batch {record['count']} x {record['n']}, reg {record['reg']:g}: POT torch / ours"
        rows.append((name, record["ratio"], record["ratio"] >= 1))
    for record in run["memory"]:
        share = record["growth_mib"] / record["matrix_mib"]
        rows.append((f"memory at n = {record['n']}, MiB", record["growth_mib"], share <= 0.01))
    for record in run["first_call"]:
        middle = sorted(record["seconds"])[len(record["seconds"]) // 2]
        rows.append(("first call in a new process, CPU s", middle, middle <= 1.5))
    return rows
