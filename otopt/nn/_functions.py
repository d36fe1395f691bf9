r"""Autograd functions of one solved problem: its value, its masses, its bound.

On its support S a plan of `sparse_ot` solves a quadratic programme with equality constraints only:

    t_ij = (alpha_i + beta_j - C_ij) / reg   on S,     T 1 = a,   T' 1 = b.

As long as S stays, the solution is an affine function of (a, b, C), and one solve with the
Laplacian of S differentiates it; the iterations of the solver are never unrolled. All tensors here
are float64 on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ._laplacian import SupportGraph

__all__ = ["Solution", "bound", "masses", "value"]


@dataclass
class Solution:
    """A plan on its support, with the potentials of the solver."""

    graph: SupportGraph
    mass: torch.Tensor  # (E,)
    potentials: torch.Tensor  # (n + m,)
    reg: float
    value: float
    fitted: bool = False
    balanced: bool = True

    @classmethod
    def of_plan(cls, result):
        """The k-sparse plan of an `OTResult`; edges in the order of its slots."""
        column, slot = np.nonzero(result.rows >= 0)
        rows, mass = result.rows[column, slot], result.mass[column, slot]
        return cls._build(rows, column, mass, result, result.value)

    @classmethod
    def of_relaxation(cls, result):
        """The relaxed plan of an `OTResult`, valued by its dual bound."""
        plan = result.relaxed.plan.tocoo()
        return cls._build(plan.row, plan.col, plan.data, result, result.dual_bound)

    @classmethod
    def _build(cls, rows, columns, mass, result, value):
        alpha, beta = result.potentials
        graph = SupportGraph(rows, columns, len(alpha), len(beta))
        potentials = torch.from_numpy(np.concatenate([alpha, beta]))
        return cls(graph, torch.from_numpy(mass), potentials, result.reg, value)

    def penalised(self, penalties, a, b):
        """The same with the derivatives by nominal masses a, b in place of the potentials.

        The masses of a penalised side are minimised over: they count as constants.
        """
        of_rows, of_columns = penalties
        edges = self.mass.numpy()
        r = np.bincount(self.graph.rows.numpy(), edges, minlength=self.graph.n)
        s = np.bincount(self.graph.columns.numpy(), edges, minlength=self.graph.m)
        alpha, beta = np.split(self.potentials.numpy(), [self.graph.n])
        a, b = a.detach().double().numpy(), b.detach().double().numpy()
        slopes = of_rows.slope(alpha, r, a), of_columns.slope(beta, s, b)
        self.potentials = torch.from_numpy(np.concatenate(slopes))
        self.balanced = False
        return self

    def optimality(self, a, b, cost):
        """Potentials (n,), (m,) and masses (E,) on the support, differentiable in the arguments.

        Where the support falls into components, or a row or column carries nothing, the level of
        its potentials is the solver's.
        """
        graph = self.graph
        self._fit(cost.detach())
        reduced = cost - graph.spread(self.potentials)
        marginals = torch.cat([a, b])
        if self.reg > 0:
            y = graph.solve(marginals + graph.collect(reduced) / self.reg)
            mass = graph.spread(y) - reduced / self.reg
            potentials = self.potentials + self.reg * y
        else:
            circulating = self.mass - graph.spread(graph.solve(graph.collect(self.mass)))
            mass = graph.spread(graph.solve(marginals)) + circulating
            potentials = self.potentials + graph.solve(graph.collect(reduced))
        return *centred(a, b, potentials), mass

    def _fit(self, cost):
        """Move the potentials towards the cost on the support: then nothing large cancels."""
        if not self.fitted:
            misfit = cost - self.graph.spread(self.potentials)
            self.potentials = self.potentials + self.graph.solve(self.graph.collect(misfit))
            self.fitted = True

    def refined(self, a, b, cost):
        """The same plan with masses exact on the support, where that keeps them positive."""
        with torch.no_grad():
            *_, mass = self.optimality(a, b, cost)
        if bool((mass > 0).all()):
            self.mass = mass
        return self


def centred(a, b, potentials):
    """Split into alpha, beta with ``<a, alpha> = <b, beta>``.

    Balanced masses leave the difference of the levels free. This choice is the derivative of the
    value extended to unbalanced masses by scaling both to their geometric mean.
    """
    alpha, beta = potentials[: len(a)], potentials[len(a) :]
    shift = (a @ alpha - b @ beta) / (a.sum() + b.sum())
    return alpha - shift, beta + shift


class _Value(torch.autograd.Function):
    """The envelope theorem: dV/da = alpha, dV/db = beta, dV/dC = T."""

    @staticmethod
    def forward(ctx, a, b, cost, solution):
        ctx.save_for_backward(a, b, cost)
        ctx.solution = solution
        return a.new_tensor(solution.value)

    @staticmethod
    def backward(ctx, *grads):
        (grad,) = grads
        # Gradients are recorded here where the caller differentiates twice.
        if any(ctx.needs_input_grad[:2]) or torch.is_grad_enabled():
            alpha, beta, mass = ctx.solution.optimality(*ctx.saved_tensors)
            return grad * alpha, grad * beta, grad * mass, None
        return None, None, grad * ctx.solution.mass, None


class _Masses(torch.autograd.Function):
    """The adjoint of the affine map from (a, b, C on S) to the masses on S."""

    @staticmethod
    def forward(ctx, a, b, cost, solution):
        ctx.solution = solution
        return solution.mass.clone()

    @staticmethod
    def backward(ctx, *grads):
        (grad,) = grads
        graph, reg = ctx.solution.graph, ctx.solution.reg
        y = graph.solve(graph.collect(grad))
        # The plan of a linear programme does not move with its costs.
        cost = (graph.spread(y) - grad) / reg if reg > 0 else torch.zeros_like(grad)
        return y[: graph.n], y[graph.n :], cost, None


class _Bound(torch.autograd.Function):
    """The envelope theorem for the relaxation: the solver's potentials and the relaxed plan."""

    @staticmethod
    def forward(ctx, a, b, cost, solution):
        ctx.save_for_backward(a, b, cost)
        ctx.solution = solution
        return a.new_tensor(solution.value)

    @staticmethod
    def backward(ctx, *grads):
        (grad,) = grads
        a, b, _ = ctx.saved_tensors
        if ctx.solution.balanced:
            alpha, beta = centred(a, b, ctx.solution.potentials)
        else:
            alpha, beta = ctx.solution.potentials.split([len(a), len(b)])
        once = (alpha, beta, ctx.solution.mass)
        return *(_Once.apply(grad * x, *ctx.saved_tensors) for x in once), None


class _Once(torch.autograd.Function):
    """The identity on a gradient whose own derivative by the inputs is not known."""

    @staticmethod
    def forward(ctx, gradient, *inputs):
        return gradient.clone()

    @staticmethod
    def backward(ctx, *grads):
        message = (
            "otopt.nn: objective='bound' and penalised marginals are differentiable once; use "
            "objective='value' without `marginal_penalty` for second derivatives."
        )
        raise NotImplementedError(message)


value, masses, bound = _Value.apply, _Masses.apply, _Bound.apply
