"""What is timed: our solve, POT's, and single evaluations of the two duals."""

import contextlib
import os
import time
import warnings
from pathlib import Path

import numpy as np

import otopt
from otopt._kernels import numba_cpu


def timed(function):
    """Result, process CPU seconds and wall seconds."""
    wall, start = time.perf_counter(), time.process_time()
    result = function()
    return result, time.process_time() - start, time.perf_counter() - wall


def ours(a, b, C, k, reg, **settings):
    """Relaxation, rounding and certificate; warnings are in the status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        result = otopt.sparse_ot(a, b, C, k, reg=reg, **settings)
    if result.status.name == "STOPPED":  # Ctrl-C, which sparse_ot keeps to itself
        raise KeyboardInterrupt
    return result


def pot(a, b, C, k, reg, iterations=500):
    """POT at its defaults; it prints a line at every evaluation."""
    import ot

    with silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ot.smooth.smooth_ot_semi_dual(
            a, b, C, reg, reg_type="sparsity_constrained", max_nz=k, numItermax=iterations
        )


@contextlib.contextmanager
def silent():
    """Discard what is printed."""
    with Path(os.devnull).open("w") as sink, contextlib.redirect_stdout(sink):
        yield


def marginal_error(plan, a, b):
    """L1, rows and columns."""
    return float(np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum())


def our_evaluation(a, b, C, k, reg):
    """A closure: value and gradient of the semi-dual at a point."""
    Ct = np.ascontiguousarray(C.T)
    n, allowed = len(a), np.full(len(b), k)

    def evaluate(alpha):
        value, _, rows, mass = numba_cpu.top_k_conjugate(alpha, Ct, b, allowed, reg)
        used = mass > 0
        gradient = a - np.bincount(rows[used], mass[used], minlength=n)
        return a @ alpha - value.sum(), gradient

    return evaluate


def pot_evaluation(a, b, C, k, reg):
    """The same by POT."""
    from ot.smooth import SparsityConstrained, semi_dual_obj_grad

    regularisation = SparsityConstrained(k, gamma=reg)

    def evaluate(alpha):
        with silent():
            return semi_dual_obj_grad(alpha, a, b, C, regularisation)

    return evaluate
