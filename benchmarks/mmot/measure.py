"""Measurements; every function returns plain dictionaries for the JSON."""

import time

import numpy as np

import otopt

from . import methods

SIZES, MARGINALS = (10, 100, 1000, 10_000), (2, 5, 10, 20, 50)
LARGEST_MATRIX = 1000  # entropic barycentres need an n x n kernel


def warm_up():
    """Compile every kernel before anything is timed."""
    A = methods.histograms(10, 3)
    for cost in ("range", "pairwise_l1", "variance"):
        otopt.mmot_1d(A, cost=cost)
        otopt.mmot_samples(np.arange(9.0), np.arange(9) % 3, cost=cost)
    otopt.mmot_minimize(A)
    methods.sinkhorn_barycentre(A)


def cell_record(n, d, repeats):
    """Value and gradient by every method, interleaved."""
    A = methods.histograms(n, d)
    functions = {
        "ours": lambda: methods.ours(A),
        "pot": lambda: methods.pot(A),
        "published": lambda: methods.published(A),
        "fixed_barycentre": lambda: methods.fixed_barycentre(A),
    }
    if n <= LARGEST_MATRIX:
        functions["sinkhorn_barycentre"] = lambda: methods.sinkhorn_barycentre(A)
    seconds = methods.paired(functions, repeats)
    (value, dual), (pot_value, _), (plain, _) = (
        f(A) for f in (methods.ours, methods.pot, methods.published)
    )
    return {
        "n": n,
        "d": d,
        "seconds": seconds,
        "ratio": float(np.median(seconds["pot"]) / np.median(seconds["ours"])),
        "value": value,
        "gap": abs(value - float((A * dual).sum())) / value,
        "pot_difference": abs(pot_value - value) / value,
        "published_difference": abs(plain - value) / value,
    }


def read_record(n=10_000, d=50, repeats=25):
    """The largest cell beside one pass over its input, `A.sum()`."""
    A = methods.histograms(n, d)
    seconds = methods.paired({"ours": lambda: methods.ours(A), "read": A.sum}, repeats)
    ratio = float(np.median(seconds["ours"]) / np.median(seconds["read"]))
    return {"n": n, "d": d, "seconds": seconds, "ratio": ratio}


def samples_record(N, d=8, repeats=9):
    """Samples beside one argsort of all of them."""
    rng = np.random.default_rng(N)
    x, g = rng.random(N), rng.integers(0, d, N)
    functions = {"ours": lambda: otopt.mmot_samples(x, g), "argsort": lambda: np.argsort(x)}
    seconds = methods.paired(functions, repeats)
    ratio = float(np.median(seconds["ours"]) / np.median(seconds["argsort"]))
    return {"N": N, "d": d, "seconds": seconds, "ratio": ratio}


def training_record(groups=8, batch=128, steps=200, repeats=11):
    """CPU seconds that the loss adds to a step of a small network, paired."""
    import torch

    from otopt.nn import MMOTLoss

    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(96, 64), torch.nn.ReLU(), torch.nn.Linear(64, 64), torch.nn.ReLU(),
        torch.nn.Linear(64, 1),
    )  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    x, y = torch.randn(batch, 96), torch.rand(batch).round()
    g = torch.randint(0, groups, (batch,))
    task = torch.nn.functional.binary_cross_entropy_with_logits

    def step(penalty):
        optimizer.zero_grad()
        scores = net(x)[:, 0]
        loss = task(scores, y)
        if penalty is not None:
            loss = loss + penalty(torch.sigmoid(scores), g)
        loss.backward()
        optimizer.step()

    def run(penalty):
        start = time.process_time()
        for _ in range(steps):
            step(penalty)
        return (time.process_time() - start) / steps

    kinds = {"plain": None, "exact": MMOTLoss(), "bins": MMOTLoss(bins=10),
             "memory": MMOTLoss(groups=groups, memory=2048)}  # fmt: skip
    seconds = {name: [] for name in kinds}
    for penalty in kinds.values():
        run(penalty)
    for _ in range(repeats):
        for name, penalty in kinds.items():
            seconds[name].append(run(penalty))
    plain = np.array(seconds["plain"])
    overhead = {n: float(np.median(np.array(t) - plain)) for n, t in seconds.items()}
    return {"groups": groups, "batch": batch, "seconds": seconds, "overhead": overhead}


def barycentre_record(steps=4000, repeats=5):
    """POT's example of a common distribution: normal histograms (20, 5) and (60, 8) on 0..99."""
    import ot

    x = np.arange(100.0)
    A = np.exp(-((x[:, None] - [20, 60]) ** 2) / (2 * np.array([5, 8]) ** 2))
    A /= A.sum(axis=0)
    start = time.process_time()
    with methods.silent():
        theirs = ot.lp.dmmot_monge_1dgrid_optimize(
            A.copy(), niters=steps, lr_init=1e-5, lr_decay=0.997
        )
    pot_seconds = time.process_time() - start
    seconds = [
        methods.cpu_seconds(lambda: otopt.mmot_minimize(A, cost="variance")) for _ in range(repeats)
    ]
    found = otopt.mmot_minimize(A, cost="variance").barycenter
    mean = float(theirs[0] @ x)
    return {
        "pot_seconds": pot_seconds,
        "seconds": seconds,
        "share": float(np.median(seconds) / pot_seconds),
        "mean": found.mean,
        "std": found.std,
        "pot_mean": mean,
        "pot_std": float(np.sqrt(theirs[0] @ (x - mean) ** 2)),
    }


def tails_record(cases=300):
    """How often duals are infeasible where histograms end in empty bins."""
    rng = np.random.default_rng(0)
    counts = {"ours": 0, "pot": 0, "published": 0}
    worst = dict.fromkeys(counts, 0.0)
    for _ in range(cases):
        n, d = int(rng.integers(4, 12)), int(rng.integers(2, 5))
        A = rng.random((n, d)) * (np.arange(n)[:, None] < rng.integers(1, n, d))
        A /= A.sum(axis=0)
        for name in counts:
            over = methods.excess(getattr(methods, name)(A)[1])
            counts[name] += over > 1e-9
            worst[name] = max(worst[name], over)
    return {"cases": cases, "infeasible": {k: int(v) for k, v in counts.items()}, "worst": worst}
