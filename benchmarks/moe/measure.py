"""Measurements; every function returns plain dictionaries for the JSON."""

import functools
import time

import numpy as np
import torch
from torch.nn import functional

import otopt

from . import methods
from .streams import STD, kinds, stream

FFN_SHARED = 32  # experts that the feed-forward time is measured on where tokens are many
POT_LIMIT = 300_000  # entries up to which POT judges


def warm_up():
    """Compile every kernel before anything is timed."""
    torch.set_num_threads(1)
    for k in (1, 2):
        L = stream(64, 8)[0]
        price = otopt.solve_prices(L, k).price
        methods.cold_repair(L, k, -(-64 * k // 8))
        methods.warm(price)(L, k, 8 * k)
    ffn_milliseconds(64, 8, 1)


def timed(run, repeats):
    """Result and CPU milliseconds of every repetition."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        result = run()
        times.append(1e3 * (time.process_time() - start))
    return result, times


@functools.cache
def _weights(experts, d, d_ff):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        0.02 * torch.randn(experts, a, b, generator=generator) for a, b in ((d, d_ff), (d_ff, d))
    )


@torch.no_grad()
def ffn_milliseconds(n, m, k, d=512, d_ff=2048, repeats=3):
    """CPU time of the forward pass of all experts at balanced load, one thread, float32.

    Where tokens times experts are many a sample of experts is timed, and the figure scaled.
    """
    experts = m if k == 1 else min(m, FFN_SHARED)
    up, down = _weights(experts, d, d_ff)
    x = torch.randn(experts, n * k // m, d, generator=torch.Generator().manual_seed(1))

    def run():
        return torch.bmm(functional.gelu(torch.bmm(x, up)), down)

    run()
    return [t * m / experts for t in timed(run, repeats)[1]]


def optimum(L, k):
    """Value of the linear programme per token, and who says so.

    Small assignments are judged by POT. Otherwise HiGHS solves the programme on the pairs near the
    margin at our prices, with the others fixed: a feasible plan, so that gaps come out too large
    if anything.
    """
    n, m = L.shape
    if k == m:
        return float(L.astype(float).sum()) / n, "all experts"
    if k == 1 and n * m <= POT_LIMIT:
        indices, _, _ = methods.pot_emd(L, 1, None)
        return float(np.take_along_axis(L, indices.numpy(), 1).astype(float).sum()) / n, "ot.emd"
    price = np.asarray(otopt.solve_prices(L, k).price, dtype=float)
    lead = L - price
    ordered = np.sort(lead, axis=1)
    lead -= 0.5 * (ordered[:, m - k] + ordered[:, m - k - 1])[:, None]
    width = 0.02 * STD
    while True:
        value = _near_the_margin(L.astype(float), k, lead, width)
        if value is not None:
            return value / n, "HiGHS"
        width *= 2


def _near_the_margin(L, k, lead, width):
    """Best plan that takes pairs which lead by more than `width` and none that trail by more."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, vstack

    n, m = L.shape
    sure = lead > width
    row, column = np.nonzero(np.abs(lead) <= width)
    ones, at = np.ones(len(row)), np.arange(len(row))
    found = linprog(
        -L[row, column],
        A_eq=vstack([csr_array((ones, (row, at)), shape=(n, len(row))),
                     csr_array((ones, (column, at)), shape=(m, len(row)))]),
        b_eq=np.concatenate([k - sure.sum(axis=1), n * k / m - sure.sum(axis=0)]),
        bounds=(0, 1), method="highs",
    )  # fmt: skip
    return L[sure].sum() - found.fun if found.success else None


def bound_per_token(L, k, price):
    """Dual value of the linear programme at a price, in double precision."""
    n, m = L.shape
    price = np.asarray(price, dtype=np.float64)
    r = L.astype(np.float64) - price
    top = np.partition(r, m - k, axis=1)[:, m - k :] if k < m else r
    return float(top.sum() + n * k / m * price.sum()) / n


def quality(L, k, indices, keep, price, best):
    """Loads, drops and value of a routing."""
    n, m = L.shape
    indices = indices.numpy() if isinstance(indices, torch.Tensor) else indices
    if indices.shape == L.shape and indices.dtype == bool:  # a map of chosen pairs
        chosen = indices
        load, value = chosen.sum(axis=0), L.astype(float)[chosen].sum() / n
        coverage = chosen.any(axis=1).mean()
    else:
        keep = np.ones(indices.shape, bool) if keep is None else np.asarray(keep)
        load = np.bincount(indices[keep], minlength=m)
        value = np.take_along_axis(L, indices, 1).astype(float)[keep].sum() / n
        coverage = keep.any(axis=1).mean()
    record = {
        "max_over_mean": float(load.max() / (n * k / m)),
        "dropped": float(1 - min(1.0, load.sum() / (n * k))),
        "coverage": float(coverage),
        "value_over_optimum": value / best,
    }
    if price is not None:
        record["gap"] = bound_per_token(L, k, price) - best
    return record


def routers(L, k, quick):
    """Methods by name; prices for warm and frozen ones come from the batch before."""
    n, m = L.shape
    before, _ = stream(n, m, 2, drift=0.02)
    price = otopt.solve_prices(before, k, smoothing=0.05, tol=0.05).price
    table = {
        "top-k": methods.top_k,
        "OT frozen price": methods.frozen(price),
        "OT warm, 2 passes": methods.warm(price),
        "OT warm, 2 passes, repair": methods.warm_repair(price),
        "OT cold": methods.cold,
        "OT cold, repair": methods.cold_repair,
        "OT converged": methods.converged,
        "S-BASE, 10 iterations": methods.s_base(10),
        "quantile, 1 sweep": methods.quantile(1),
        "quantile, 10 sweeps": methods.quantile(10),
    }
    if k == 1:
        table["sparse OT (paper)"] = methods.paper
        if not (quick and n * m > POT_LIMIT):
            table["BASE auction"] = methods.base
        if n * m <= POT_LIMIT:
            table["POT emd"] = methods.pot_emd
    return table


def cell_record(n, m, k, quick=False):
    """All routers on one batch of logits, timed in turn, beside the experts."""
    _, L = stream(n, m, 2, drift=0.02)
    C = -(-n * k // m)
    best, judge = optimum(L, k)
    found = {}
    repeats = 7 if n * m <= POT_LIMIT else 3
    table = routers(L, k, quick)
    ffn = ffn_milliseconds(n, m, k)
    for name, route in table.items():
        (indices, keep, price), times = timed(lambda route=route: route(L, k, C), 1)
        budget = 1 if times[0] > 2000 else repeats
        times = timed(lambda route=route: route(L, k, C), budget)[1]
        found[name] = {"milliseconds": times} | quality(L, k, indices, keep, price, best)
    ffn += ffn_milliseconds(n, m, k)
    middle = float(np.median(ffn))
    for record in found.values():
        record["share"] = float(np.median(record["milliseconds"])) / middle
    return {
        "n": n, "m": m, "k": k, "optimum": best, "judge": judge, "ffn_milliseconds": ffn,
        "routers": found,
    }  # fmt: skip


def drift_record(n, m, k, drift, passes=2, batches=12):
    """Prices carried along a drifting stream: loads in batch and lagged by one batch."""
    L = stream(n, m, batches, drift=drift)
    price = otopt.solve_prices(L[0], k, smoothing=0.05, tol=0.05).price
    in_batch, lagged = [], []
    for batch in L[1:]:
        lagged.append(_spread(batch, price, k))
        price = otopt.solve_prices(batch, k, passes=passes, warm_start=price, certify=False).price
        in_batch.append(_spread(batch, price, k))
    return {
        "n": n, "m": m, "k": k, "drift": drift, "passes": passes, "in_batch": in_batch,
        "lagged": lagged,
    }  # fmt: skip


def balance_record(n, m, k, seeds=10):
    """Loads under cold prices, not repaired, over kinds of logits and seeds."""
    found = {}
    for seed in range(seeds):
        for name, L in kinds(n, m, seed).items():
            found.setdefault(name, []).append(_spread(L, methods.cold(L, k, None)[2], k))
    return {"n": n, "m": m, "k": k, "max_over_mean": found}


def _spread(L, price, k):
    load = otopt.assign(L, price, k).load
    return float(load.max() / load.mean())
