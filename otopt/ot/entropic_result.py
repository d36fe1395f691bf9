"""What `sinkhorn` returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from otopt._core.status import Status
from otopt.errors import NotConvergedError

from ._entropic_tensors import LazyResult, at_home
from .result import Potentials

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from otopt._core.entropic import EntropicOT

__all__ = ["Bounds", "EntropicResult"]


class Bounds(NamedTuple):
    """An interval that holds a number for certain.

    Examples
    --------
    >>> import otopt
    >>> C = [[0.0, 1.0], [1.0, 0.0]]
    >>> bounds = otopt.sinkhorn([0.4, 0.6], [0.5, 0.5], C, reg=0.01).unregularised
    >>> bounds.lower <= 0.1 <= bounds.upper
    True
    """

    lower: float
    upper: float


@dataclass(frozen=True, eq=False, repr=False)
class EntropicResult(LazyResult):
    r"""An entropic transport plan with its certificate.

    Arrays are of the library that the problem was given in. For torch tensors, `value`,
    `potentials`, `plan` and `log_plan` are tensors of the dtype of the problem (float32 where that
    is half precision) on its device, without gradients: those are the business of `otopt.nn`.

    Attributes
    ----------
    potentials : Potentials
        Dual variables f (n,) and g (m,), in units of cost: they are the plan,
        :math:`T_{ij} = \tfrac{a_i b_j}{s} e^{(f_i + g_j - c_{ij}) / \mathrm{reg}}` with s the
        geometric mean of the sums of a and b.
    value : float
        Objective of `plan`.
    linear_value : float
        :math:`\langle T, C\rangle` alone.
    dual_bound : float
        Proven lower bound on the optimum.
    primal_bound : float
        Upper bound on the objective of `rounded`, hence on the optimum.
    gap : float
        ``(primal_bound - dual_bound) / |primal_bound|``.
    unregularised : Bounds
        Proven bounds on the optimum for reg = 0; infinite where a marginal is relaxed.
    marginal_error : float
        L1 distance of the row and column sums of `plan` to those asked for. A relaxed marginal is
        compared with the one that its potentials ask for, :math:`a e^{-f/\rho}`.
    status : Status
        How the solve ended; `Status.OPTIMAL` is the success.
    message : str
        The same in words, with a remedy where there is one.
    nit : int
        Passes over the cost or over a matrix of its size: a Sinkhorn iteration makes one (two
        where rows and columns are separate passes).
    nfev : int
        How many of them read the cost in double precision.
    elapsed : float
        Seconds.
    reg : float
        The regularisation.
    plan, log_plan : ndarray, shape (n, m)
        The plan and its logarithm, float64, built on first access from the cost that was given:
        RuntimeError where that has changed since the solve.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.sinkhorn([0.5, 0.5], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], reg=1.0)
    >>> result.plan.round(4)
    array([[0.3655, 0.1345],
           [0.1345, 0.3655]])
    >>> result.success, result.marginal_error < 1e-9
    (True, True)
    """

    potentials: Potentials
    value: float
    linear_value: float
    dual_bound: float
    primal_bound: float
    gap: float
    unregularised: Bounds
    marginal_error: float
    status: Status
    message: str
    nit: int
    nfev: int
    elapsed: float
    reg: float
    _problem: EntropicOT = field(compare=False)

    @property
    def success(self) -> bool:
        """Whether `plan` meets its marginals up to the tolerance."""
        return self.status.is_success

    @cached_property
    @at_home
    def log_plan(self) -> NDArray:
        """Logarithm of the plan.

        Returns
        -------
        ndarray, shape (n, m)
            With -inf in rows and columns without mass.
        """
        import numpy as np

        log_plan = self._exponents()
        self._check(np.exp(log_plan))
        return log_plan

    @cached_property
    @at_home
    def plan(self) -> NDArray:
        """The plan (n, m)."""
        import numpy as np

        plan = self._exponents()
        np.exp(plan, out=plan)
        self._check(plan)
        return plan

    def _exponents(self):
        import numpy as np

        problem = self._problem
        f, g = self.potentials
        with np.errstate(divide="ignore"):
            log_a = np.log(problem.a) - np.log(problem.scale)
            log_b = np.log(problem.b)
        exponents = (f / self.reg)[:, None] - problem.dense_cost().astype(float) / self.reg
        exponents += g / self.reg + log_b
        exponents += log_a[:, None]
        return exponents

    def _check(self, plan):
        import numpy as np

        from ._entropic_plan import check_marginals

        problem = self._problem
        penalties = problem.mass_penalty, problem.weight_penalty
        masses, potentials = (problem.a, problem.b), self.potentials
        wanted = (
            a * np.exp(-f / penalty)
            for a, f, penalty in zip(
                masses, potentials, penalties[::-1] if problem.swapped else penalties, strict=True
            )
        )
        check_marginals(
            type(self).__name__, plan, wanted, potentials, self.reg, self.marginal_error
        )

    @at_home
    def rounded(self) -> NDArray:
        """Round the plan to one that meets the marginals up to floating-point rounding.

        Rows, then columns, that exceed their mass are scaled down, and what is missing is added as
        a matrix of rank one (Altschuler, Weed and Rigollet 2017, Algorithm 2,
        :doi:`10.48550/arXiv.1705.09634`).

        Returns
        -------
        ndarray, shape (n, m)
            The rounded plan; `plan` itself where a marginal is relaxed.
        """
        from ._entropic_plan import rounded

        problem = self._problem
        return rounded(self.plan, problem.a, problem.b) if problem.balanced else self.plan

    def raise_if_failed(self) -> EntropicResult:
        """Return the result itself, or raise with `message` unless `success`.

        Returns
        -------
        EntropicResult
            The result itself.

        Raises
        ------
        NotConvergedError
            The solve stopped before it reached its tolerance.
        """
        if self.success:
            return self
        raise NotConvergedError(self.message)

    def __repr__(self) -> str:
        n, m = len(self.potentials.source), len(self.potentials.target)
        low, high = self.unregularised
        lines = [
            ("status", f"{self.status.name} ({self.message})"),
            ("plan", f"{n} x {m}, reg={self.reg:.4g}"),
            ("value", f"{self.value:.9g}  (linear {self.linear_value:.9g})"),
            ("bounds", f"[{self.dual_bound:.12g}, {self.primal_bound:.12g}]  (gap {self.gap:.1e})"),
            ("unregularised", f"[{low:.6g}, {high:.6g}]"),
            ("marginal_error", f"{self.marginal_error:.1e}"),
            ("effort", f"nit={self.nit}, nfev={self.nfev}, {self.elapsed:.3g} s"),
        ]
        width = max(len(name) for name, _ in lines)
        return "EntropicResult\n" + "\n".join(f"  {name:>{width}}: {text}" for name, text in lines)
