"""Value, gradient and curvature of the dual of entropic transport, rows eliminated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["EntropicDual", "Scaling"]

SMALL = 2**16  # entries: single precision saves no time


@dataclass(frozen=True)
class Scaling:
    """The plan ``diag(v) E diag(u)`` at a step from the point of the last evaluation."""

    u: NDArray  # (p,)
    s: NDArray  # (q,): E u
    v: NDArray  # (q,)
    sums: NDArray  # (p,) of the columns of the plan
    gradient: NDArray  # (p,)
    merit: float  # the dual over reg, up to a constant


class EntropicDual:
    r"""For potentials ``phi = f / reg`` of the columns; those of the rows are eliminated.

    With a column penalty rho the dual is, over reg and up to constants,

        D(phi) = -(rho / reg) <weight, exp(-reg phi / rho)> - (1 + penalty / reg) <row sums, 1>

    (``<weight, phi> - <mass, log s>`` where both marginals are met). Its gradient is the column
    marginal asked for less that of the plan, minus its Hessian the Schur complement
    ``S = diag(sums + slope) - power T' diag(1 / row sums) T``.

    `evaluate` reads the cost, to double precision, and leaves the Gibbs kernel E in single
    precision (or, for points, recomputes it); `scale` and `curvature` read E only, and are good
    for steps from that point. They compute in single precision until `precise` is set: where parts
    of the plan are nearly decoupled, S has eigenvalues that are lost in the rounding of its sums,
    though not in that of its entries, because it is a graph Laplacian.
    """

    def __init__(self, kernels, problem, workers=1):
        self.kernels, self.problem, self.workers = kernels, problem, workers
        self.mass, self.weight = problem.mass, problem.weight
        self.reg = problem.reg
        self.passes = self.evaluations = 0
        shape = len(self.mass), len(self.weight)
        self.precise = shape[0] * shape[1] <= SMALL
        self.E = np.empty(shape, np.float32) if problem.points is None else None
        # Of the last evaluation: columns (p,) phi and sums, rows (q,) psi and top, <T, C> if asked.
        self.phi = self.sums = np.empty(0)
        self.psi = self.top = np.empty(0)
        self.linear: float | None = None

    @property
    def power(self):
        """Share of a change of the log-sums that the potentials of the rows follow."""
        return 1.0 / (1.0 + self.reg / self.problem.mass_penalty)

    def wanted(self, phi):
        """The column marginal that the potentials ask for: weight, or less where they are high."""
        if np.isinf(self.problem.weight_penalty):
            return self.weight
        return self.weight * np.exp(-self.reg / self.problem.weight_penalty * phi)

    def slope(self, wanted):
        """Minus the derivative of `wanted`."""
        return self.reg / self.problem.weight_penalty * wanted

    def centred(self, phi):
        """Potentials without the constant that the plan does not depend on."""
        return phi - phi.mean() if self.problem.balanced else phi

    def evaluate(self, phi, *, store=True, measure=False):
        """Potentials and marginals at phi, to double precision; the gradient.

        Where the columns are relaxed the point is shifted: `phi` says where it is.
        """
        self.passes += 1
        self.evaluations += 1
        self.phi = phi
        self.psi, self.top, self.sums, linear = self.kernels.gibbs_pass(
            phi, self.problem.C, self.problem.points, self.reg, self.mass, self.weight, self.power,
            self.E if store else None, measure, self.workers,
        )  # fmt: skip
        self.linear = linear if measure else None
        if np.isfinite(self.problem.weight_penalty):
            self._shift_to_best_constant()
        return self.wanted(self.phi) - self.sums

    def _shift_to_best_constant(self):
        """Maximise over a constant added to phi, the direction in which penalties bend least.

        What is asked for falls by exp(-t reg / rho), the plan grows by exp(t (1 - power)), and at
        the maximum both have the same mass. The stored kernel stays as it is.
        """
        growth = 1.0 - self.power
        decay = self.reg / self.problem.weight_penalty
        t = np.log(self.wanted(self.phi).sum() / self.sums.sum()) / (growth + decay)
        self.phi = self.phi + t
        self.psi = self.psi - self.power * t
        self.top = self.top + t
        self.sums = self.sums * np.exp(growth * t)
        if self.linear is not None:
            self.linear *= float(np.exp(growth * t))

    def row_sums(self):
        """Row sums of the plan at the last evaluation: mass where that marginal is met."""
        if self.power == 1.0:
            return self.mass
        return self.mass * np.exp((1.0 - 1.0 / self.power) * self.psi)

    def _pass(self, u, coef, exponent):
        self.passes += 1
        u = u.astype(np.float64 if self.precise else np.float32)
        if self.E is not None:
            return self.kernels.scale_pass(u, self.E, coef, exponent, self.workers)
        return self.kernels.scale_pass_points(
            u, self.phi, self.top, self.problem.points, self.reg, coef, exponent, self.workers
        )

    def here(self):
        """The scaling of the last evaluation, with the gradient in double precision."""
        if self.precise:  # the sums have to be those of E
            there = self.scale(np.zeros_like(self.phi))
            return replace(there, gradient=self.wanted(self.phi) - self.sums)
        v = self.mass * np.exp(self.psi + self.top)
        s = self.row_sums() / v
        gradient = self.wanted(self.phi) - self.sums
        return Scaling(self.weight, s, v, self.sums, gradient, self._merit(self.phi, s, v))

    def scale(self, step):
        """The scaling at ``phi + step``."""
        power = self.power
        u = self.weight * np.exp(step)
        coef = self.mass if power == 1.0 else self.mass * np.exp((1.0 - power) * self.top)
        s, sums = self._pass(u, coef, -power)
        sums *= u
        phi = self.phi + step
        v = coef * s**-power
        return Scaling(u, s, v, sums, self.wanted(phi) - sums, self._merit(phi, s, v))

    def _merit(self, phi, s, v):
        wanted = self.wanted(phi)
        rho, penalty = self.problem.weight_penalty, self.problem.mass_penalty
        columns = wanted @ phi if np.isinf(rho) else -(rho / self.reg) * wanted.sum()
        if np.isinf(penalty):
            return float(columns - self.mass @ np.log(s))
        return float(columns - (1.0 + penalty / self.reg) * (v @ s))

    def curvature(self, scaling):
        """The diagonal of S without its second term, and the function ``d -> S d``."""
        diagonal = scaling.sums + self.slope(
            self.wanted(self.phi + np.log(scaling.u / self.weight))
        )
        coef = self.power * scaling.v / scaling.s

        def product(d):
            return diagonal * d - scaling.u * self._pass(scaling.u * d, coef, 1.0)[1]

        return diagonal, product
