"""The promises of `otopt.pattern_search`, as figures of a run."""

import numpy as np

from .profiles import data_profile
from .solvers import PATTERN_OR_SIMPLEX

__all__ = ["OURS", "solved", "summary"]

OURS = "otopt pattern_search"
BUDGET = 100


def solved(entry, solver, tau):
    """Share of problems solved to tau within the budget."""
    return float(data_profile(entry, solver, tau, np.array(BUDGET)))


def _best_peer(entry, tau, among=None):
    peers = [s for s in entry["solvers"] if s != OURS and (among is None or s in among)]
    return max(((solved(entry, s, tau), s) for s in peers), default=(0.0, "nobody"))


def summary(run):
    """List of (promise, figure, kept)."""
    rows, sets = [], run["sets"]

    def compare(name, tau, bar, among=None, strict=False):
        entry = sets[name]
        share, peer = _best_peer(entry, tau, among)
        lead = solved(entry, OURS, tau) - share
        kept = None if bar is None else lead > bar if strict else lead >= bar - 1e-9
        rows.append((f"{name}, tau {tau:g}: lead over {peer}", lead, kept))

    def reach(name, tau, bar):
        share = solved(sets[name], OURS, tau)
        rows.append((f"{name}, tau {tau:g}: share solved", share, share >= bar))

    if "smooth" in sets:
        for tau, bar in ((1e-1, 0.98), (1e-3, 0.93), (1e-5, 0.88)):
            reach("smooth", tau, bar)
        compare("smooth", 1e-5, 0.0, strict=True)
    for name in ("noisy", "stochastic"):
        if name in sets:
            compare(name, 1e-3, -0.02)
    if "nonsmooth" in sets:
        compare("nonsmooth", 1e-1, 0.0)
        compare("nonsmooth", 1e-3, -0.05, among=PATTERN_OR_SIMPLEX)
        compare("nonsmooth", 1e-3, None)
    for name, tau in (
        ("bounded", 1e-3), ("bounded", 1e-5), ("moved", 1e-3), ("moved", 1e-5), ("second", 1e-3)
    ):  # fmt: skip
        if name in sets:
            compare(name, tau, None)
    if "second" in sets:
        compare("second", 1e-5, 0.0, strict=True)
    return rows
