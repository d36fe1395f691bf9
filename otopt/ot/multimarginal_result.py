"""What `mmot_1d` and `mmot_samples` return."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from otopt._backend import as_numpy

from ._multimarginal_input import MultiMarginalPlan, coupling, pairing, read_marginals

__all__ = ["MMOTResult", "MMOTSamplesResult", "MultiMarginalPlan"]


@dataclass(repr=False, eq=False)
class MMOTResult:
    r"""Value, dual and coupling of a multi-marginal problem on a line.

    Attributes
    ----------
    value : float, or array or tensor of shape (...,)
        Least cost; a tensor remembers its gradient.
    dual : array or tensor of the shape of the masses, or list of them
        Potentials with :math:`\sum_k z_k(i_k) \le c(i_1,\dots,i_d)` for all bins: the gradient of
        `value` in the masses, up to constants that sum to zero.
    dual_value : float or array
        :math:`\sum_k \langle a_k, z_k \rangle`, a lower bound on the cost of every coupling.
    gap : float
        Largest ``|value - dual_value|``: zero up to rounding.
    plan : MultiMarginalPlan
        An optimal coupling (built on first access, from the masses that were given).

    Examples
    --------
    >>> import otopt
    >>> result = otopt.mmot_1d([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    >>> round(result.value, 6), result.gap < 1e-12
    (1.0, True)
    """

    value: Any
    dual: Any
    _arguments: tuple  # read again on demand: most callers want value and dual only

    @property
    def dual_value(self):
        """The cost that the dual certifies, ``sum_k <a_k, z_k>``."""
        return pairing(self._marginals, self.dual)

    @property
    def gap(self) -> float:
        """Largest difference between `value` and `dual_value` in the batch."""
        return float(np.max(np.abs(as_numpy(self.value) - self.dual_value)))

    @cached_property
    def _marginals(self):
        return read_marginals(*self._arguments)

    @cached_property
    def plan(self) -> MultiMarginalPlan:
        """An optimal coupling, as a list of tuples."""
        duals = self.dual if isinstance(self.dual, list) else [self.dual]
        prices = max(float(np.abs(as_numpy(z)).max()) for z in duals)
        if self.gap > 1e-4 * prices * float(np.max(self._marginals.mass)):
            message = "MMOTResult: the masses have changed since the solve; pass a copy of them."
            raise RuntimeError(message)
        return coupling(self._marginals)

    def __repr__(self) -> str:
        return f"MMOTResult\n  value: {self.value}\n    gap: {self.gap:.1e}"


class MMOTSamplesResult(NamedTuple):
    """Value and gradient of a multi-marginal problem between samples.

    Attributes
    ----------
    value : float or tensor
        Least cost; a tensor remembers its gradient.
    gradient : array or tensor of shape (N,), or list of them
        Derivative of `value` in every sample.
    groups : array
        The labels of the marginals, in the order of `weights`.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.mmot_samples([0.0, 1.0], ["a", "b"])
    >>> result.value, result.gradient, list(result.groups)
    (1.0, array([-1.,  1.]), ['a', 'b'])
    """

    value: Any
    gradient: Any
    groups: Any
