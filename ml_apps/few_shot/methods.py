"""One data seed, one method: networks that fit, by normalised loss, and how well they do on tests.

A visit is a pair (normalised loss, test accuracy). Guess-and-check samples networks of every bin;
the other methods descend, and are visited where they first fit all examples, and where they first
enter a bin. For two classes only networks that fit are visited. With ten, pattern search fits at a
far lower loss than gradient descent does: there bins hold networks on their way as well.
"""

from __future__ import annotations

import time
import warnings

import numpy as np

from otopt.errors import ConvergenceWarning
from otopt.optimize import networks

from . import sgd

__all__ = ["BINS", "METHODS", "run"]

BINS = (0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70)
PER_BIN = 12  # networks of guess-and-check that are tested
STARTS = 4  # of the methods that descend
CANDIDATES = {"lenet": 200_000, "mlp": 500_000, "linear": 2_000_000}
METHODS = ("guess", "pattern", "greedy", "sgd_paper", "sgd")


def bin_of(loss):
    """Which bin (low, high] a loss is in: -1 below all, len(BINS) - 1 above."""
    return int(np.searchsorted(BINS, loss, side="left")) - 1


class Descent:
    """Visits of one descending network."""

    def __init__(self, net, problem, fitted_only):
        self.net, self.problem, self.fitted_only = net, problem, fitted_only
        self.first, self.bins = None, {}

    def visit(self, theta, loss, fits):
        """Note a network; whether there is nothing left to wait for."""
        at = bin_of(loss)
        is_first = fits and self.first is None
        is_new = 0 <= at < len(BINS) - 1 and at not in self.bins and (fits or not self.fitted_only)
        if is_first or is_new:
            p = self.problem
            seen = [float(loss), self.net.accuracy(theta, p.X_test, p.y_test)]
            if is_first:
                self.first = seen
            if is_new:
                self.bins[at] = seen
        return self.first is not None and loss <= BINS[1]


def guess(net, problem, seed, kind, quick):
    """Networks sampled at random: the first ones that fit, and the first ones of every bin."""
    limit = CANDIDATES[kind] // (10 if quick else 1)
    samples = networks.guess_and_check(
        net, problem.X, problem.y, n_accept=10**7, max_candidates=limit, rng=seed
    )
    if not len(samples):  # a hard pair: one network, however long it takes
        samples = networks.guess_and_check(
            net, problem.X, problem.y, n_accept=5, max_candidates=20 * limit, rng=seed
        )

    def tested(rows):
        X, y = problem.X_test, problem.y_test
        return [[float(samples.losses[i]), net.accuracy(samples.theta(i), X, y)] for i in rows]

    places = np.searchsorted(BINS, samples.losses, side="left") - 1
    bins = {b: tested(np.flatnonzero(places == b)[:PER_BIN]) for b in range(len(BINS) - 1)}
    return {
        "first": tested(range(min(PER_BIN, len(samples)))),
        "bins": {str(b): rows for b, rows in bins.items() if rows},
        "rate": samples.rate, "checked": samples.n_checked, "accepted": len(samples),
        "shares": [float((places == b).mean()) if len(samples) else 0.0
                   for b in range(len(BINS) - 1)],
    }  # fmt: skip


def search(net, problem, seed, method, quick, two_classes):
    """Pattern or greedy search from the prior."""
    function = networks.pattern_search if method == "pattern" else networks.greedy_search
    walks, trials = [], 0
    for s in range(1 if quick or not two_classes else STARTS):
        walk = Descent(net, problem, fitted_only=two_classes)

        def note(intermediate_result, walk=walk):
            r = intermediate_result
            if walk.visit(r.theta, r.loss, r.accuracy == 1):
                raise StopIteration

        kwargs: dict = {"stop_loss": BINS[1]} if two_classes else {}  # else: where it fits
        if method == "greedy":
            kwargs["max_trials"] = 1_000 if quick else 1_500
        theta = net.draw(1000 * seed + s, 0)
        fits = net.accuracy(theta, problem.X, problem.y) == 1
        walk.visit(theta, net.loss(theta, problem.X, problem.y), fits)
        result = function(
            net, problem.X, problem.y, theta, rng=1000 * seed + s, callback=note, **kwargs
        )
        walk.visit(result.theta, result.loss, result.accuracy == 1)
        trials += result.n_trials
        walks.append(walk)
    return gathered(walks) | {"trials": trials}


def descend(net, problem, seed, method, quick, two_classes):
    """Stochastic gradient descent with one of the recipes."""
    recipe = sgd.RECIPES[method]
    count = 1 if not two_classes else 2 if quick else STARTS
    walks = [Descent(net, problem, fitted_only=two_classes) for _ in range(count)]
    done = [False] * count

    def visit(thetas, epoch):
        for i, (walk, theta) in enumerate(zip(walks, thetas, strict=True)):
            fits = not done[i] and net.accuracy(theta, problem.X, problem.y) == 1
            if not done[i] and (fits or not two_classes):
                done[i] = walk.visit(theta, net.loss(theta, problem.X, problem.y), fits)
        return all(done)

    sgd.train(net, recipe, problem, sgd.start(net, recipe, count, 500 + seed), seed, visit)
    return gathered(walks)


def gathered(walks):
    """The visits of some networks; "fits" counts those that ever fitted."""
    bins = {}
    for walk in walks:
        for b, seen in walk.bins.items():
            bins.setdefault(str(b), []).append(seen)
    first = [walk.first for walk in walks if walk.first is not None]
    return {"first": first, "bins": bins, "fits": len(first), "starts": len(walks)}


def run(method, net, kind, problem, seed, *, quick=False):
    """The record of one method on one problem, with its CPU seconds."""
    two_classes = kind != "lenet10"
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # counted in the record
        if method == "guess":
            record = guess(net, problem, seed, kind, quick)
        elif method in ("pattern", "greedy"):
            record = search(net, problem, seed, method, quick, two_classes)
        else:
            record = descend(net, problem, seed, method, quick, two_classes)
    return record | {"cpu_seconds": time.process_time() - start}
