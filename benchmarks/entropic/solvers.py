"""What is timed: our solve and those of the peers, each to the same L1 marginal error."""

import importlib.util
import time
import warnings

import numpy as np

import otopt


def timed(function):
    """Result, process CPU seconds and wall seconds."""
    wall, start = time.perf_counter(), time.process_time()
    result = function()
    return result, time.process_time() - start, time.perf_counter() - wall


def marginal_error(plan, a, b):
    """L1, rows and columns, in double precision."""
    plan = np.asarray(plan, float)
    error = np.abs(plan.sum(axis=-1) - a).sum(-1) + np.abs(plan.sum(axis=-2) - b).sum(-1)
    return error if np.ndim(error) else float(error)


def ours(a, b, C, reg, **settings):
    """Potentials, certificate and plan; warnings are in the status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        result = otopt.sinkhorn(a, b, C, reg=reg, **settings)
    if result.status.name == "STOPPED":  # Ctrl-C, which sinkhorn keeps to itself
        raise KeyboardInterrupt
    return result


def pot(a, b, C, reg, method, threshold, limit):
    """POT's plan; it stops where the L2 error of one marginal, seen every ten steps, is below."""
    import ot

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return ot.sinkhorn(
            a, b, C, reg, method=method, stopThr=threshold, numItermax=limit, warn=False
        )


def pot_threshold(a, b, C, reg, target, limit, method="sinkhorn"):
    """A threshold, as large as can be, with which POT's L1 error is at most the target, or None.

    Its log and kernel forms make the same iterates, so the kernel form, where it works, finds the
    threshold for both.
    """
    threshold = target
    for _ in range(6):
        error = marginal_error(pot(a, b, C, reg, method, threshold, limit), a, b)
        if error <= target:
            return threshold
        if not np.isfinite(error):
            return None
        threshold *= min(0.9 * target / error, 0.5)
    return None


def has_ott():
    return importlib.util.find_spec("ott") is not None and importlib.util.find_spec("jax")


def ott_solver(C, a, b, reg, threshold):
    """A compiled function of no arguments that returns OTT's potentials, float32."""
    import jax
    from ott.geometry.geometry import Geometry
    from ott.problems.linear.linear_problem import LinearProblem
    from ott.solvers.linear.sinkhorn import Sinkhorn

    C, a, b = (jax.numpy.asarray(x, jax.numpy.float32) for x in (C, a, b))

    @jax.jit
    def solve(C, a, b):
        solver = Sinkhorn(threshold=threshold, max_iterations=5000)
        out = solver(LinearProblem(Geometry(cost_matrix=C, epsilon=reg), a=a, b=b))
        return out.f, out.g, out.converged

    return lambda: jax.block_until_ready(solve(C, a, b))


def ott_error(potentials, C, a, b, reg):
    """L1 marginal error of OTT's potentials: their plan in double precision."""
    f, g = (np.asarray(x, float) for x in potentials[:2])
    return marginal_error(np.exp((f[:, None] + g - C) / reg), a, b)


def pot_batch(a, b, C, reg, target=1e-9):
    """POT's torch batch as a function of no arguments, and the L1 error it reaches.

    Its tolerance is on another norm and checked every ten steps; the largest of a few that reaches
    the target is taken.
    """
    import torch
    from ot.batch import solve_batch

    torch.set_num_threads(1)
    tensors = [torch.from_numpy(np.ascontiguousarray(x)) for x in (C, a, b)]

    def solve(tol):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return solve_batch(
                tensors[0], reg=reg, a=tensors[1], b=tensors[2], tol=tol, max_iter=100_000,
                method="log_sinkhorn", grad="detach",
            )  # fmt: skip

    tol = target / 2
    for _ in range(3):
        error = float(marginal_error(solve(tol).plan.numpy(), a, b).max())
        if error <= target:
            break
        tol *= min(0.9 * target / error, 0.5)
    return (lambda: solve(tol)), error
