"""What is timed: ours, POT's, the published algorithm written plainly, barycentre methods."""

import contextlib
import os
import time
import warnings
from pathlib import Path

import numpy as np

import otopt


def histograms(n, d, seed=0):
    """Random histograms (n, d), C-contiguous."""
    rng = np.random.default_rng([seed, n, d])
    return np.ascontiguousarray(rng.dirichlet(np.ones(n), d).T)


def cpu_seconds(function, least=2e-3):
    """Process CPU seconds of one call, from as many calls as take `least` seconds."""
    start = time.process_time()
    function()
    once = max(time.process_time() - start, 1e-7)
    number = max(1, int(least / once))
    start = time.process_time()
    for _ in range(number):
        function()
    return (time.process_time() - start) / number


def paired(functions, repeats, least=2e-3):
    """CPU seconds (repeats) of each function, interleaved."""
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            seconds[name].append(cpu_seconds(function, least))
    return seconds


@contextlib.contextmanager
def silent():
    """Discard what is printed and warned."""
    with (
        Path(os.devnull).open("w") as sink,
        contextlib.redirect_stdout(sink),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def ours(A):
    """Value and dual."""
    result = otopt.mmot_1d(A)
    return result.value, result.dual


def pot(A):
    """POT's value and dual."""
    import ot

    value, log = ot.lp.dmmot_monge_1dgrid_loss(A, log=True)
    return float(value), np.column_stack(log["dual"])


def published(A):
    """The sweep of the paper, one tuple after the other, with its dual; NumPy arrays."""
    n, d = A.shape
    left, at, dual = A.copy(), np.zeros(d, int), np.zeros((n, d))
    columns, value = np.arange(d), 0.0
    while at.max() < n:
        heads = left[at, columns]
        k = heads.argmin()
        here = at.max() - at.min()
        value += here * heads[k]
        left[at, columns] -= heads[k]
        at[k] += 1
        if at[k] < n:
            dual[at[k], k] = dual[at[k] - 1, k] + (at.max() - at.min()) - here
    for k in columns:  # bins behind the last tuple, as published
        if at[k] < n:
            dual[at[k] + 1 :, k] = dual[at[k], k]
    return value, dual


def fixed_barycentre(A):
    """d one-dimensional transport costs to the mean histogram; values only."""
    import ot

    x, mean = np.arange(float(len(A))), A.mean(axis=1)
    return sum(ot.emd2_1d(x, x, A[:, k], mean, metric="minkowski", p=1.0)
               for k in range(A.shape[1]))  # fmt: skip


def sinkhorn_barycentre(A):
    """Entropic barycentre, regularisation 1e-2 of the largest squared distance."""
    import ot

    x = np.linspace(0, 1, len(A))
    with silent():
        return ot.bregman.barycenter(A, (x[:, None] - x) ** 2, 1e-2)


def excess(dual):
    """Largest violation of the dual constraints of cost max - min on a unit grid.

    Over tuples within an interval of bins the sum of prices is largest at the maxima in it.
    """
    n = len(dual)
    worst = -np.inf
    for low in range(n):
        best = np.maximum.accumulate(dual[low:], axis=0).sum(axis=1)
        worst = max(worst, float((best - np.arange(n - low)).max()))
    return worst
