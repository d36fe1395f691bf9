"""Entropic transport by annealing: from a large reg to the one asked for, then Newton steps."""

from __future__ import annotations

import numpy as np

from otopt._solvers.matrix_scaling import newton_direction, scale_matrix

__all__ = ["anneal"]

DIRECT = 1e-4  # error below which a Newton step needs no search
SINGLE = 1e-5  # error that the single-precision kernel is good for
SHARP = 1e-3  # of the cost range: plans of a smaller reg fall apart into weakly coupled parts
STARVED = 1e-6  # a column with less than this share of its mass needs a step in the log domain
STEP = 5.0  # largest Newton step over reg there
STALLS = 3  # such steps without progress: rounding errors are all that is left


def anneal(dual, options, *, tol, maxiter, start=None, report):
    """Ascend the dual until the L1 error of the column marginals is at most tol.

    Parameters
    ----------
    dual : EntropicDual
        Left with an evaluation, cost included, at the best potentials found.
    options : SinkhornOptions
    tol : float
        Relative to the mass.
    maxiter : int
        Passes over the cost or the stored kernel.
    start : ndarray, shape (p,), optional
        Potentials (cost units) to start from at the final reg.
    report : callable
        Called with the error after every evaluation of the cost.

    Returns
    -------
    str
        "converged", "limit", "precision" or "stopped".
    """
    reg, unit = dual.problem.reg, dual.problem.unit
    ascent = _Ascent(dual, tol, maxiter, report)
    f = np.zeros(len(dual.weight)) if start is None else start
    # What is out of balance between parts that decouple as reg falls is settled before they do.
    share = 1.0 if reg > SHARP * unit else 0.01
    dual.reg = reg
    if start is None and reg < options.anneal_below * unit:
        dual.reg = options.anneal_from * unit
    try:
        while dual.reg > reg and ascent.budget() > 0:
            f = ascent.settle(f, share * options.level_tol)
            dual.reg = _next_level(dual.reg, reg, unit, options)
        dual.reg = reg
        outcome = ascent.finish(f)
    except (KeyboardInterrupt, StopIteration):
        outcome = "stopped"
        f = dual.reg * dual.phi
        dual.reg = reg
    if ascent.best is None:
        ascent.best = f / reg
    if dual.phi is not ascent.best or dual.linear is None:
        dual.evaluate(ascent.best, store=False, measure=True)
    return outcome


def _next_level(level, reg, unit, options):
    factor = options.anneal_factor if level > SHARP * unit else min(options.anneal_factor, 3.0)
    return reg if level <= 1.5 * factor * reg else level / factor


class _Ascent:
    """Steps at one regularisation; remembers the best potentials of the last one."""

    def __init__(self, dual, tol, maxiter, report):
        self.dual, self.tol, self.maxiter, self.report = dual, tol, maxiter, report
        self.best = None

    def budget(self):
        return self.maxiter - self.dual.passes

    def evaluate(self, phi, *, measure=False):
        gradient = self.dual.evaluate(phi, measure=measure)
        error = float(np.abs(gradient).sum())
        self.report(error)
        return gradient, error

    def settle(self, f, tol):
        """Come close at an intermediate reg; potentials in units of cost."""
        phi, error = f / self.dual.reg, np.inf
        while error > tol and self.budget() > 0:
            _, error = self.evaluate(phi)
            phi = self.dual.phi
            if error > tol:
                phi, error = self.improve(phi, 0.5 * tol)
        return self.dual.reg * phi

    def improve(self, phi, tol):
        """Steps on the stored kernel; where it is out of range, one on the cost."""
        dual = self.dual
        if (dual.sums < STARVED * dual.wanted(phi)).any():
            return phi + self.sinkhorn_step(phi), np.inf
        step, error = scale_matrix(dual, tol, budget=self.budget)
        return dual.centred(phi + step), error

    def sinkhorn_step(self, phi):
        """In the log domain, from the sums in double precision; penalties hold it back."""
        wanted = self.dual.wanted(phi)
        step = np.log(wanted / np.maximum(self.dual.sums, 1e-300))
        return step * wanted / (wanted + self.dual.slope(wanted))

    def finish(self, f):
        """Converge at the final reg: how it ended."""
        dual, phi = self.dual, f / self.dual.reg
        best, stalls, error = np.inf, 0, np.inf
        while True:
            gradient, error = self.evaluate(phi, measure=error <= DIRECT)
            phi = dual.phi
            stalled = error > 0.5 * best
            if error < best or self.best is None:
                self.best, best = phi, error
            if error <= self.tol:
                return "converged"
            if self.budget() <= 0:
                return "limit"
            moved = min(1.0, float(dual.sums.sum()))  # less than the mass where it is destroyed
            if error > DIRECT * moved:
                phi, _ = self.improve(phi, SINGLE * moved)
                continue
            if (np.abs(gradient) > 0.5 * dual.wanted(phi)).any():
                phi = dual.centred(phi + self.sinkhorn_step(phi))  # small masses, still far off
                continue
            stalls = stalls + 1 if stalled else 0
            dual.precise = dual.precise or stalled
            if stalls == STALLS:
                return "precision"
            rtol = max(0.2 * self.tol / error, 2e-4)
            step = newton_direction(dual, dual.here(), rtol, self.budget(), radius=STEP)
            phi = dual.centred(phi + step)
