"""Ours and the published way on the same examples, by turns, in CPU time of one thread."""

import time

import numpy as np
import torch
import torch.nn.functional as F

from otopt.optimize import networks

from . import grouped, problems

NETS = {"lenet": networks.LeNet(width=0.5), "linear": networks.Linear(784)}
TEN = networks.LeNet(width=1.0, classes=10)
# Networks of one group and our candidates of one round. As many as in the paper (160,000 / n) would
# take gigabytes; a group that fits the caches is no slower.
GROUP = {("lenet", 2): 1000, ("lenet", 16): 250, ("linear", 2): 10000, ("linear", 16): 1000}
ROUND = {"lenet": 20_000, "linear": 1_000_000}


def clock(function, *args):
    """Its answer and the CPU seconds it took."""
    start = time.process_time()
    answer = function(*args)
    return answer, time.process_time() - start


def naive(kind, n, M, x, y, form="published"):
    """Layers and which of M networks fit: every network drawn, every example evaluated."""
    if kind == "lenet":
        layers = grouped.draw_lenet(M, 1, 0.5, 28, 2)
        logits = grouped.lenet_logits(layers, x.reshape(n, 1, 28, 28))
    else:
        layers = grouped.draw_linear(M, 784, 2)
        run = grouped.linear_logits if form == "published" else grouped.linear_logits_by_network
        logits = run(layers, x)
    losses = grouped.normalised_losses(layers, logits, y, 3 if kind == "lenet" else 1)
    return layers, grouped.fitting(logits, y) & (losses > 0)


def fused(kind, x, y, candidates, seed, start=0):
    """Our samples of so many candidates."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that fewer than 10^9 were found
        return networks.guess_and_check(
            NETS[kind], x, y, n_accept=10**9, max_candidates=candidates, rng=seed, start=start
        )


def warm_up():
    for kind in NETS:
        x, y, _, _ = problems.pair(2)
        fused(kind, x, y, 100, 0)
    search = TEN._search(TEN.draw(0, 0).copy(), *problems.ten_classes(10))
    for layer in range(10):
        search.commit(TEN._starts[layer], 0.5)
    search.poll(0, 2, 1.0, False, 0, 0)


def guess_record(kind, n, repeats):
    """Candidates a second of both, median of paired ratios, acceptance of both."""
    x, y, _, _ = problems.pair(n)
    X, Y = torch.from_numpy(x), torch.from_numpy(y)
    torch.manual_seed(n)
    M = GROUP[kind, n]
    forms = ("published",) if kind == "lenet" else ("published", "by_network")
    rows, accepted, checked, ours_accepted, ours_checked = [], 0, 0, 0, 0
    for r in range(repeats):
        row = {}
        for form in forms:
            (_, fits), seconds = clock(naive, kind, n, M, X, Y, form)
            row[form] = M / seconds
            accepted, checked = accepted + int(fits.sum()), checked + M
        samples, seconds = clock(fused, kind, x, y, ROUND[kind], 1, r * ROUND[kind] // 2)
        row["fused"] = ROUND[kind] / seconds
        ours_accepted, ours_checked = ours_accepted + len(samples), ours_checked + ROUND[kind]
        rows.append(row)
    ratio = {f: float(np.median([r["fused"] / r[f] for r in rows])) for f in forms}
    speed = {f: float(np.median([r[f] for r in rows])) for f in (*forms, "fused")}
    return {"net": kind, "n": n, "candidates_per_second": speed, "ratio": ratio,
            "grouped_networks": M, "repeats": repeats, "accepted": [accepted, ours_accepted],
            "checked": [checked, ours_checked]}  # fmt: skip


def law_record(kind, n, wanted, most):
    """Do both accept equally often, and networks of equal test accuracy?"""
    from scipy.stats import fisher_exact, ks_2samp

    x, y, xt, yt = problems.pair(n)
    X, Y, T = (torch.from_numpy(a) for a in (x, y, xt))
    torch.manual_seed(100 + n)
    M = GROUP[kind, 2] // max(1, n // 4)
    theirs, checked, accepted = [], 0, 0
    while len(theirs) < wanted and checked < most:
        layers, fits = naive(kind, n, M, X, Y, "by_network")
        checked, accepted = checked + M, accepted + int(fits.sum())
        for i in torch.nonzero(fits)[: wanted - len(theirs), 0]:
            one = [(w[i : i + 1], b[i : i + 1]) for w, b in layers]
            z = (grouped.lenet_logits(one, T.reshape(-1, 1, 28, 28)) if kind == "lenet"
                 else grouped.linear_logits_by_network(one, T))  # fmt: skip
            theirs.append(float((z[:, 0].argmax(dim=1).numpy() == yt).mean()))
    samples = networks.guess_and_check(NETS[kind], x, y, n_accept=5 * wanted, rng=2)
    ours = [NETS[kind].accuracy(samples.theta(i), xt, yt) for i in range(wanted)]
    table = [[accepted, checked - accepted],
             [len(samples) - 1, samples.n_checked - len(samples)]]  # fmt: skip
    return {"net": kind, "n": n, "rates": [accepted / checked, samples.rate],
            "accepted": [accepted, len(samples)], "checked": [checked, samples.n_checked],
            "rates_p": float(fisher_exact(table).pvalue), "networks": [len(theirs), len(ours)],
            "mean_accuracy": [float(np.mean(theirs)), float(np.mean(ours))],
            "ks_p": float(ks_2samp(theirs, ours).pvalue)}  # fmt: skip


def exact_loss(theta, x, y):
    """Of the ten-class network, by torch in double precision."""
    layers = [[t.double() for t in layer] for layer in
              grouped.from_theta(TEN, torch.from_numpy(theta)[None])]  # fmt: skip
    z = grouped.lenet_logits(layers, torch.from_numpy(x).double().reshape(-1, 1, 28, 28))
    return grouped.normalised_losses(layers, z, torch.from_numpy(y), 3).item()


def plain_forward(layers, images):
    """One network by torch's own layers."""
    x = images
    for i, (w, b) in enumerate(layers):
        x = F.conv2d(x, w, b) if i < 2 else F.linear(x.flatten(1), w, b)
        if i < 4:
            x = F.relu(x)
        if i < 2:
            x = F.max_pool2d(x, 2)
    return x


def trial_record(n, repeats, trials):
    """The cost of one coordinate trial against grouped networks and full forward passes."""
    x, y = problems.ten_classes(n)
    theta = TEN.draw(3, 0).copy()
    search = TEN._search(theta, x, y)
    X, Y = torch.from_numpy(x).reshape(-1, 1, 28, 28), torch.from_numpy(y)
    M = max(2, 10_000 // n)
    rng = np.random.default_rng(0)
    single = [(w[0, ..., 0, 0] if i > 1 else w[0], b[0]) for i, (w, b) in
              enumerate(grouped.from_theta(TEN, torch.from_numpy(theta)[None]))]  # fmt: skip

    def group():
        thetas = torch.from_numpy(theta).repeat(M, 1)
        thetas[torch.arange(M), torch.from_numpy(rng.integers(0, TEN.size, M))] += 1
        layers = grouped.from_theta(TEN, thetas)
        return grouped.normalised_losses(layers, grouped.lenet_logits(layers, X), Y, 3).argmin()

    rows = []
    for r in range(repeats):
        _, one = clock(group)
        _, torch_full = clock(plain_forward, single, X)
        _, our_full = clock(search.refresh)
        _, poll = clock(search.poll, 0, trials, 1.0, False, 5, r)
        rows.append([one / M, torch_full, our_full, poll / trials])
    rows = np.array(rows)
    per_trial = rows[:, 3]
    return {"n": n, "grouped_networks": M, "trials": trials, "repeats": repeats,
            "microseconds": dict(zip(("grouped", "torch_forward", "our_forward", "trial"),
                                     (np.median(rows, axis=0) * 1e6).tolist(), strict=True)),
            "grouped_over_trial": float(np.median(rows[:, 0] / per_trial)),
            "forward_over_trial":
                float(np.median(rows[:, 1:3].min(axis=1) / per_trial))}  # fmt: skip


def exactness_record(n, count):
    """Losses of trials against double precision; what is remembered after 200 commits."""
    x, y = problems.ten_classes(n)
    theta = TEN.draw(4, 0).copy()
    search = TEN._search(theta, x, y)
    rng = np.random.default_rng(1)
    starts, worst = TEN._starts, 0.0
    for layer in range(10):
        for _ in range(count):
            index = int(rng.integers(starts[layer], starts[layer + 1]))
            delta = float(rng.choice([-1.0, 1.0]))
            changed = theta.copy()
            changed[index] += delta
            exact = exact_loss(changed, x, y)
            worst = max(worst, abs(search.trial(index, delta) / exact - 1))
    commits = 0
    while commits < 199:  # the 200th refreshes, and so does every move of the first convolution
        index = int(rng.integers(starts[2], starts[10]))
        search.commit(index, float(rng.choice([-0.25, 0.25])))
        commits += 1
    kept = [a.copy() for a in search.caches]
    search.refresh()
    drift = max(float(np.abs(a - b).max() / np.abs(b).max())
                for a, b in zip(kept, search.caches, strict=True))  # fmt: skip
    return {"n": n, "trials": 10 * count, "largest_relative_error": float(worst),
            "commits": commits, "cache_drift": drift}  # fmt: skip
