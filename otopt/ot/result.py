"""What every transport solver returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from otopt._backend import is_tensor, plan_matrix, transposed_plan
from otopt._core.status import Status
from otopt._core.validation import as_choice
from otopt.errors import InfeasibleError, NotConvergedError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csc_array

__all__ = ["OTResult", "Potentials", "RelaxedPlan", "SparseColumns"]

LAYOUTS = ("coo", "csc", "dense")


class Potentials(NamedTuple):
    """Dual variables: `source` (n,) prices the rows of the cost, `target` (m,) its columns.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> a, b, C = np.array([0.4, 0.6]), np.array([0.5, 0.5]), np.array([[0.0, 1.0], [1.0, 0.0]])
    >>> result = otopt.emd(a, b, C)
    >>> f, g = result.potentials
    >>> bool((f[:, None] + g <= C + 1e-12).all()), round(float(a @ f + b @ g), 6)
    (True, 0.1)
    """

    source: NDArray
    target: NDArray


class SparseColumns(NamedTuple):
    """A matrix that is not built yet: entries of column j are ``start[j]:start[j + 1]``."""

    start: NDArray  # (m + 1,)
    rows: NDArray  # (nnz,)
    mass: NDArray  # (nnz,)
    row_count: int


@dataclass(frozen=True, eq=False)
class RelaxedPlan:
    r"""Optimum of the biconjugate relaxation, where the cardinality constraint is convexified.

    Attributes
    ----------
    entries : SparseColumns, scipy.sparse.csc_array or Tensor
        What `plan` is made of.
    plan : scipy.sparse.csc_array, shape (n, m)
        Meets the column marginals exactly and the row marginals up to `marginal_error`.
        Columns in `excess_columns` may have more than k nonzeros. Built on first access.
    value : float
        Relaxed objective
        :math:`\langle T, C\rangle + \tfrac{\mathrm{reg}}2\sum_j\|t_j\|_{k\text{-sup}}^2`.
    excess_columns : ndarray of int
        Columns with more than k nonzeros (ties at the k-th place).
    marginal_error : float
        L1 distance of its marginals to those asked for.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.sparse_ot([0.4, 0.6], [0.5, 0.5], [[0.0, 1.0], [1.0, 0.0]], k=2)
    >>> result.relaxed.value <= result.value + 1e-12, len(result.relaxed.excess_columns)
    (True, 0)
    """

    entries: Any = field(repr=False)
    value: float
    excess_columns: NDArray
    marginal_error: float

    @cached_property
    def plan(self) -> csc_array:
        """The plan as a `scipy.sparse.csc_array` (a sparse COO tensor for torch), (n, m)."""
        if not isinstance(self.entries, SparseColumns):
            return self.entries
        from scipy.sparse import csc_array

        start, rows, mass, row_count = self.entries
        plan = csc_array((mass, rows, start), shape=(row_count, len(start) - 1))
        plan.sort_indices()
        return plan


@dataclass(frozen=True, repr=False, eq=False)
class OTResult:
    r"""A transport plan with its certificate.

    Arrays are of the library that the problem was given in. For torch tensors, `rows`, `mass`,
    `plan`, `potentials`, `value` and `relaxed.plan` are tensors of the dtype of the problem
    (float32 where that is half precision) on its device, without gradients: those are the business
    of `otopt.nn`. The other numbers are Python floats and describe the solution before it is
    rounded to that dtype.

    Attributes
    ----------
    rows : ndarray of int, shape (m, k)
        Row indices of the nonzeros of each column; -1 marks an unused slot. Where `k` differs
        between columns, there is a slot for each of the most.
    mass : ndarray of float, shape (m, k)
        Mass carried by each of them; 0 in unused slots.
    plan : scipy.sparse.csc_array or torch sparse COO tensor, shape (n, m)
        The same plan as a sparse matrix (built on first access); `to_plan` has other layouts.
    value : float
        Objective of `plan`: :math:`\langle T, C\rangle + \tfrac{\mathrm{reg}}2\|T\|^2`.
    linear_value : float
        :math:`\langle T, C\rangle` alone.
    dual_bound : float
        Proven lower bound on the value of every feasible k-sparse plan.
    gap : float
        ``(value - dual_bound) / |value|``; ``inf`` where `plan` misses its marginals.
    marginal_error : float
        L1 distance of the row and column sums of `plan` to those asked for.
    potentials : Potentials
        Dual variables that prove `dual_bound`.
    relaxed : RelaxedPlan or None
        Optimum of the convex relaxation behind the bound; None where there is none.
    status : Status
        How the solve ended; `Status.OPTIMAL` and `Status.FEASIBLE` are successes.
    message : str
        The same in words, with a remedy where there is one.
    nit, nfev : int
        Newton iterations and evaluations of the dual; of `emd`, pivots and passes over the cost.
    elapsed : float
        Seconds.
    reg : float
        The quadratic regularisation that was used.
    k : int or ndarray of int, shape (m,)
        Nonzeros allowed in a column, or in each one.
    method : str
        The algorithm that was used, where there is a choice.
    axis : int
        0 where `k` bounds the columns. 1 where it bounds the rows: then `rows` and `mass` are (n,
        k), the column indices and masses of the nonzeros of every row.

    Examples
    --------
    >>> import otopt
    >>> a, b = [0.5, 0.5], [0.25, 0.25, 0.5]
    >>> result = otopt.sparse_ot(a, b, [[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]], k=1)
    >>> result.rows[:, 0], result.mass[:, 0]
    (array([0, 0, 1]), array([0.25, 0.25, 0.5 ]))
    >>> result.status.name, result.gap < 1e-6
    ('OPTIMAL', True)
    """

    rows: NDArray
    mass: NDArray
    value: float
    linear_value: float
    dual_bound: float
    gap: float
    marginal_error: float
    potentials: Potentials
    relaxed: RelaxedPlan | None
    status: Status
    message: str
    nit: int
    nfev: int
    elapsed: float
    reg: float
    k: int | NDArray
    method: str = ""
    axis: int = 0

    @property
    def success(self) -> bool:
        """Whether `plan` is k-sparse and meets its marginals."""
        return self.status.is_success

    @cached_property
    def plan(self) -> csc_array:
        """The plan as a `scipy.sparse.csc_array` (a sparse COO tensor for torch), (n, m)."""
        return self.to_plan("coo" if is_tensor(self.mass) else "csc")

    def to_plan(self, layout="csc"):
        """Return the plan as a matrix of shape (n, m).

        Parameters
        ----------
        layout : {"csc", "coo", "dense"}
            Compressed columns, triplets, or every entry.

        Returns
        -------
        scipy.sparse.csc_array, scipy.sparse.coo_array, ndarray or torch.Tensor
            A tensor of that layout where the problem was given as tensors.

        Raises
        ------
        ValueError
            For an unknown layout.

        Examples
        --------
        >>> import otopt
        >>> result = otopt.sparse_ot([1.0, 2.0], [1.0, 2.0], [[0.0, 1.0], [1.0, 0.0]], 1)
        >>> result.to_plan("dense")
        array([[1., 0.],
               [0., 2.]])
        """
        as_choice("OTResult.to_plan", "layout", layout, LAYOUTS)
        shape = (len(self.potentials.source), len(self.potentials.target))
        if self.axis == 1:
            return transposed_plan(self.rows, self.mass, shape[::-1], layout)
        return plan_matrix(self.rows, self.mass, shape, layout)

    def raise_if_failed(self) -> OTResult:
        """Return the result itself, or raise with `message` unless `success`.

        Returns
        -------
        OTResult
            The result itself.

        Raises
        ------
        InfeasibleError
            No k-sparse plan exists or none was found.
        NotConvergedError
            The solve stopped at a limit or was stopped.
        """
        if self.success:
            return self
        if self.status in (Status.INFEASIBLE, Status.NOT_FOUND, Status.RELAXED_ONLY):
            raise InfeasibleError(self.message)
        raise NotConvergedError(self.message)

    def __repr__(self) -> str:
        n, m = len(self.potentials.source), len(self.potentials.target)
        lines = [
            ("status", f"{self.status.name} ({self.message})"),
            ("plan", f"{n} x {m}, {int((self.rows >= 0).sum())} nonzeros, k={_span(self.k)}"),
            ("value", f"{self.value:.9g}  (linear {self.linear_value:.9g}, reg={self.reg:.4g})"),
            ("dual_bound", f"{self.dual_bound:.9g}  (gap {self.gap:.1e})"),
            ("marginal_error", f"{self.marginal_error:.1e}"),
            ("effort", f"nit={self.nit}, nfev={self.nfev}, {self.elapsed:.3g} s"),
        ]
        if self.relaxed is not None:
            excess = len(self.relaxed.excess_columns)
            text = f"value {self.relaxed.value:.9g}, {excess} columns above k"
            lines.insert(-1, ("relaxed", text))
        if self.method:
            lines.append(("method", self.method))
        width = max(len(name) for name, _ in lines)
        return "OTResult\n" + "\n".join(f"  {name:>{width}}: {text}" for name, text in lines)


def _span(k):
    if isinstance(k, int):
        return str(k)
    low, high = int(k.min()), int(k.max())
    return str(low) if low == high else f"{low}..{high}"
