"""How a transport solve can end, and what the user is told about it."""

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """Outcome of a transport solve; values below 2 carry a plan that meets its marginals.

    Examples
    --------
    >>> import otopt
    >>> otopt.Status.OPTIMAL < 2, otopt.Status.INFEASIBLE < 2
    (True, False)
    """

    OPTIMAL = 0  # feasible, k-sparse, gap <= tol
    FEASIBLE = 1  # feasible, k-sparse, gap > tol
    RELAXED_ONLY = 2  # rounding was switched off and the relaxed plan is not k-sparse
    INFEASIBLE = 3  # proven: no k-sparse plan meets the marginals
    NOT_FOUND = 4  # rounding found no feasible k-sparse plan; one may exist
    ITERATION_LIMIT = 5  # the relaxation did not reach tol
    STOPPED = 6  # by the callback or by Ctrl-C
    PRECISION_LIMIT = 7  # tol is below what floating-point numbers can hold on this problem

    @property
    def is_success(self) -> bool:
        """Whether the returned plan is k-sparse and meets its marginals."""
        return self <= Status.FEASIBLE
