"""Tables and promises of a run of the comparison."""

from __future__ import annotations

import math

__all__ = ["OURS", "paired", "promises", "routers", "row"]

OURS = "OT in batch, exact"
SEEDS = 5  # that a promise needs
T95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


def records(run, router):
    """Records of a router by seed."""
    return {r["seed"]: r for r in run["records"] if r["router"] == router}


def routers(run):
    """Routers with records, in the order in which they were measured."""
    return list(dict.fromkeys(r["router"] for r in run["records"]))


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def deviation(values):
    """Standard deviation of a sample; 0 of one."""
    values = list(values)
    middle = mean(values)
    return math.sqrt(sum((x - middle) ** 2 for x in values) / max(1, len(values) - 1))


def paired(run, one, other, key="loss", other_key=None):
    """Mean difference over the seeds that both have, half its 95 % interval, number of seeds."""
    first, second = records(run, one), records(run, other)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return None
    gaps = [first[s][key] - second[s][other_key or key] for s in seeds]
    count = len(gaps)
    half = T95.get(count - 1, 2.0) * deviation(gaps) / math.sqrt(count) if count > 1 else math.nan
    return mean(gaps), half, count


def row(run, router):
    """What the table shows of a router, as text."""
    found = records(run, router).values()
    losses = [r["loss"] for r in found]
    gap = paired(run, router, OURS)
    cells = [router, str(len(losses)), f"{mean(losses):.4f} ± {deviation(losses):.3f}"]
    if router == OURS or gap is None:
        cells.append("")
    else:
        cells.append(f"{gap[0]:+.4f}" + (f" ± {gap[1]:.3f}" if gap[2] > 1 else ""))
    for key, digits in (("max_over_mean", 2), ("max_over_mean_early", 2)):
        shown = [r[key] for r in found if key in r]
        cells.append(f"{mean(shown):.{digits}f}" if shown else "")
    for key in ("dropped", "dropped_early"):
        shown = [r[key] for r in found if key in r]
        cells.append(f"{100 * mean(shown):.1f}" if shown else "")
    cells.append(f"{mean(r['seconds'] for r in found):.1f}")
    return cells


def promises(run):
    """List of (promise, figure, kept)."""
    ours = records(run, OURS).values()
    rows = []
    if ours:
        rows += [
            ("largest max/mean load of OT in batch, any step",
             worst := max(r["worst_load"] for r in ours), worst <= 1.0 + 1e-6),
            ("largest share it ever dropped",
             most := max(r["dropped_ever"] for r in ours), most <= 0),
            ("frozen-price less in-batch evaluation, largest of the seeds",
             gap := max(abs(r["loss"] - r["loss_in_batch"]) for r in ours), gap <= 0.003),
            ("seeds", float(len(ours)), len(ours) >= SEEDS),
        ]  # fmt: skip
    for other, limit in (
        ("top-1, unbalanced", 0.01),
        ("top-1, aux, cf 1.0", -0.015),
        ("quantile bias", 0.01),  # lagged, dropless
    ):
        gap = paired(run, OURS, other)
        if gap:
            name = f"loss less that of {other}, {gap[2]} paired seeds"
            rows.append((name, gap[0], gap[0] <= limit and gap[2] >= SEEDS))
    return rows
