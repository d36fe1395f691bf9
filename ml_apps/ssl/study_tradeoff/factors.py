"""The trade-off where the answer is known: `ml_apps.ssl.hidden_factors`.

One cell is an independent repetition of everything: rotation, pre-training, hyperplanes, labels.
Within it, all representations meet the same draws.
"""

import time

import torch

from ml_apps.ssl import hidden_factors
from ml_apps.ssl.hidden_factors import HiddenFactors, factor_weights, representation

__all__ = ["KS", "LABELS", "THETAS", "measure"]

KS = (1, 2, 4, 8)
LABELS = (10, 20, 40, 80, 200)
THETAS = (0.1, 0.3, 1.0, 3.0)
TARGET = 0


def measure(seed, pairs, repetitions):
    """Weights that pre-training finds, and accuracies by tasks, labels and theta: a record."""
    started = time.process_time()
    model = HiddenFactors(seed=seed)
    g = torch.Generator().manual_seed(seed)
    mixtures = {k: model.cross_covariance(range(k), pairs, generator=g) for k in KS}
    target = model.cross_covariance([TARGET], pairs, generator=g)
    found = {f"k={k}": representation(C, model.rank(range(k))) for k, C in mixtures.items()}
    weights = {f"k={k}": _deviation(found[f"k={k}"], model, k) for k in KS}
    most = max(KS)
    for theta in THETAS:
        both = mixtures[most] + theta * target
        found[f"theta={theta:g}"] = representation(both, model.rank(range(most)))
    found["none"] = torch.eye(model.dim, dtype=torch.float64)

    def probe(task, representations, repetitions, model=model):
        drawn = hidden_factors.sample_complexity(
            model, representations, task, LABELS, repetitions=repetitions, generator=g
        )
        return {name: a.mean(dim=0) for name, a in drawn.items()}

    on_target = probe(TARGET, found, repetitions)
    others = [probe(t, found, max(1, repetitions // 4)) for t in range(model.tasks) if t != TARGET]
    tasks = [on_target, *others]
    average = {name: torch.stack([a[name] for a in tasks]).mean(dim=0) for name in found}
    # The same features, on inputs in which no other task's factors disturb.
    alone = HiddenFactors(seed=seed, nuisance=0.0)
    ends = {name: found[name] for name in (f"k={min(KS)}", f"k={most}")}
    undisturbed = probe(TARGET, ends, repetitions, alone)
    return {
        "part": "factors",
        "seed": seed,
        "weights": weights,
        "target": {name: a.tolist() for name, a in on_target.items()},
        "average": {name: a.tolist() for name, a in average.items()},
        "undisturbed": {name: a.tolist() for name, a in undisturbed.items()},
        "cpu_s": round(time.process_time() - started, 2),
    }


def _deviation(W, model, k):
    """Mean weights of groups of factors, and the largest deviation of any kept one from theory."""
    weights = factor_weights(W, model)
    first, last = model.shared, model.shared + k * model.private
    expected = torch.ones_like(weights[:last])
    expected[first:] = k**-0.5
    return {
        "shared": float(weights[:first].mean()),
        "private": float(weights[first:last].mean()),
        "dropped": float(weights[last:].max()),
        "deviation": float((weights[:last] / expected - 1).abs().max()),
    }
