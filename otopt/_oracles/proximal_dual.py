r"""The dual of sparsity-constrained transport, and its proximal smoothing.

Liu, Puigcerver, Blondel 2023: with the cardinality constraint, the semi-dual is

    D(alpha) = a.alpha - sum_j max <t, alpha - c_j> - reg/2 ||t||^2
                               over t >= 0 with sum b_j and at most k nonzeros

It is a lower bound for every alpha, and nonsmooth where the k-th place is tied. Adding
mu/2 ||T - S||^2 to the convexified primal (the squared k-support norm in place of the squared
norm) gives a C^{1,1} semi-dual whose maximiser is a proximal step from S.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from otopt._kernels.layout import BOUND_ERROR, CandidateLists, ColumnSolutions
from otopt._solvers.linear import solve_dense, solve_sparse, solve_two_level

__all__ = ["FIRST_MARGIN", "Certificate", "ProximalDual"]

FIRST_MARGIN = 0.2  # of the largest distance of a threshold from the largest entry
SMALL = 128  # rows up to which lists hold every row from the start
GROUPED_ROWS = 2000  # from here on groups of rows pay as a preconditioner
DENSE_ROWS = 150  # up to here a dense Cholesky factorisation beats any sparse one
DENSE_UNKNOWNS = 800  # the same where rows are eliminated: many rows, few columns


class Certificate(NamedTuple):
    """The exact semi-dual at alpha, and the k-sparse columns that attain it."""

    bound: float
    alpha: NDArray  # (n,)
    beta: NDArray  # (m,)
    conjugate: NDArray  # (m,) max <t, alpha - c_j> - reg/2 ||t||^2 of every column
    rows: NDArray  # (m, k)
    mass: NDArray  # (m, k): column sums hold, row sums need not


class ProximalDual:
    """Oracle of the smoothed semi-dual; a `ConcaveOracle` for `semismooth_newton`.

    Parameters
    ----------
    kernels : module
        See `otopt._kernels`.
    a, b : ndarray, shape (n,), (m,)
        Positive masses of equal sum.
    Ct : ndarray, shape (m, n), or None
        Transposed cost; None where `lists` is the whole (sparse) cost: entries that are not listed
        are forbidden.
    k : ndarray of int64, shape (m,), or int
        Nonzeros allowed in each column, or in every one.
    reg, mu : float
        Curvature of the problem and of the proximal term.
    lists : CandidateLists, optional
        To start from, with a proximal centre.
    columns : ColumnSolutions, optional
        Of those lists.
    workers : int
        Threads.
    groups : ndarray of int, shape (n,), optional
        Labels of rows that stand close together, for preconditioning.
    """

    def __init__(
        self, kernels, a, b, Ct, k, reg, *, mu, lists=None, columns=None, workers=1, groups=None
    ):
        self.kernels, self.workers, self.groups = kernels, workers, groups
        self.a, self.b = a, b
        self.n, self.m = len(a), len(b)
        self.is_sparse = Ct is None
        self.Ct = np.empty((0, 0)) if self.is_sparse else Ct
        # Without curvature the cardinality constraint costs nothing in the convex hull.
        self.k = np.full(self.m, np.minimum(k, self.n) if reg > 0 else self.n)
        self.reg, self.mu = reg, mu
        if lists is None:
            capacity = (
                self.n if self.n <= SMALL else max(24, min(int(self.k.max(initial=1)), 64) + 8)
            )
            lists = CandidateLists.empty(self.m, min(self.n, capacity))
            lists.margin[:] = FIRST_MARGIN * (reg + mu) * b
        self.lists = lists
        self.columns = columns or ColumnSolutions.empty(self.m, lists.rows.shape[1])
        self.support: Any = ()  # what `pack_support` returns, after the first evaluation
        self.reference = np.zeros(self.n)
        self.nfev = 0

    def balanced(self, alpha):
        """Potentials with the shift, equal in all rows, that suits both sides: here any does."""
        return alpha

    # -- value and gradient ---------------------------------------------------------------------

    def evaluate(self, alpha):
        """Smoothed semi-dual and its gradient a - T 1; T stays in `columns`."""
        self.nfev += 1
        value = self.solve_columns(alpha)
        self.support = ()  # given back before the next one is packed
        self.support = self.kernels.pack_support(self.lists, self.columns)
        return self._sum_of_columns(alpha, value)

    def solve_columns(self, alpha, widest: Callable[[int], int] = int):
        """Solve every column problem; their values.

        ``widest(need)`` has the last word on the entries that a list must hold.
        """
        rise = float((alpha - self.reference).max())
        self.reference = alpha.copy()
        while True:
            value, need = self.kernels.prox_columns(
                alpha, rise, self.Ct, self.b, self.k, self.reg, self.mu,
                self.lists, self.columns, self.workers,
            )  # fmt: skip
            need = widest(need)
            if need == 0:
                return value
            # `need` is an upper bound, and a loose one: grow towards it.
            width = self.lists.rows.shape[1]
            capacity = min(self.n, max(width + 8, min(need, width * 3 // 2)))
            # Given back before the lists grow: the two together are the peak of memory.
            self.columns = ColumnSolutions.empty(0, 0)
            self.lists = self.lists.enlarged(capacity)
            self.columns = ColumnSolutions.empty(self.m, capacity)
            rise = 0.0

    def _sum_of_columns(self, alpha, value):
        _, rows, _, mass, _ = self.support
        gradient = self.a - np.bincount(rows, mass, minlength=self.n)
        return float(self.a @ alpha - value.sum()), gradient

    def recentre(self):
        """Make the current plan the proximal centre S."""
        self.lists.centre[:] = self.columns.mass

    def limit_margins(self, reach):
        """Let the next rebuild of every list reach at most `reach` (m,) below the threshold."""
        np.minimum(self.lists.margin, reach, out=self.lists.margin)

    def release_lists(self):
        """Give back the memory of the lists; `evaluate` must not be called any more."""
        none = np.empty((0, 0))
        self.lists = CandidateLists.empty(0, 0)
        self.columns = self.columns._replace(mass=none, kind=none)

    def relaxed_value(self):
        """Primal value of the current plan: <T, C> + reg/2 sum ||t_j||_ksup^2."""
        start, _, cost, mass, kind = self.support
        on_ties = np.where(kind == 1, 0.0, mass)
        tied = np.add.reduceat(on_ties, start[:-1])
        # The k-support norm splits at the tie block (Argyriou, Foygel, Srebro 2012, Prop. 2.1).
        square = float(mass @ mass) - float(on_ties @ on_ties)
        square += float((tied**2 / np.maximum(self.k - self.columns.heads, 1)).sum())
        return float(cost @ mass) + 0.5 * self.reg * square

    def column_counts(self):
        """Nonzeros of every column of the current plan."""
        return self.columns.heads + self.columns.ties

    # -- curvature --------------------------------------------------------------------------------

    def direction(self, alpha, gradient, rtol=1e-2):
        """Regularised Newton direction.

        The Hessian is a weighted Laplacian: it does not see shifts of a whole connected component
        of the support. Those get a step of their own, along the imbalance of the component, that
        reaches at least the first entry that links it to another one.
        """
        start, rows, *_ = self.support
        label = self.kernels.connected_rows(start, rows, self.n)
        size = np.bincount(label, minlength=self.n)
        imbalance = np.bincount(label, gradient, minlength=self.n)
        centred = gradient - (imbalance / np.maximum(size, 1))[label]

        d = self._newton_solve(centred, min(rtol, 0.1 * np.abs(gradient).sum() / self.a.sum()))
        mean = np.bincount(label, d, minlength=self.n) / np.maximum(size, 1)
        d += (self._component_shift(alpha, gradient, label, size, imbalance) - mean)[label]
        # A shift of all potentials changes nothing; that of the largest component costs rescans.
        d -= d[label == size.argmax()].mean()
        if not gradient @ d > 0.0:
            return gradient * (self.reg + self.mu)
        return d

    def _newton_solve(self, g, rtol):
        start, rows, _, _, kind = self.support
        A = 1.0 / (self.reg + self.mu)
        M = 1.0 / self.mu if self.mu > 0 else 0.0
        shift = max(1e-9 * A, 1e-13 * M)
        coefficients = self.kernels.curvature_coefficients(
            self.columns.heads, self.columns.ties, self.k, self.reg, self.mu
        )
        width = np.diff(start)
        fill = int((width * width).sum())
        unknowns = np.count_nonzero(self.columns.heads) + np.count_nonzero(self.columns.ties)
        for _ in range(4):
            args = start, rows, kind, coefficients, A, M, shift
            if unknowns <= min(DENSE_UNKNOWNS, self.n // 2):
                d = self._solve_by_columns(A, M, shift, g)
            elif self.n <= DENSE_ROWS:
                d = solve_dense(self.kernels.assemble_dense(*args, self.n), g)
            elif self.groups is not None and self.n >= GROUPED_ROWS:
                d = self._solve_by_groups(args, g, rtol)
            elif fill > 24 * self.n:
                d, iterations = self.kernels.conjugate_gradient(*args, g, rtol, 300)
                if iterations >= 300:
                    d = solve_sparse(self.kernels.assemble_sparse(*args, self.n), g)
            else:
                d = solve_sparse(self.kernels.assemble_sparse(*args, self.n), g)
            if d is not None:
                return d
            shift *= 1e3
        return g / A

    def _solve_by_columns(self, A, M, shift, g):
        start, rows, _, _, kind = self.support
        support = start, rows, kind, self.columns.heads, self.columns.ties
        S, r, diagonal = self.kernels.column_system(*support, self.k, self.reg, A, M, shift, g)
        u = solve_dense(S, r)
        return None if u is None else self.kernels.row_step(*support, A, M, diagonal, g, u)

    def _solve_by_groups(self, laplacian, g, rtol):
        def product(x):
            y = np.empty(len(x))
            self.kernels.hessian_product(*laplacian, x, y)
            return y

        diagonal = self.kernels.hessian_diagonal(*laplacian, self.n)
        coarse = self.kernels.assemble_grouped(*laplacian, self.groups)
        return solve_two_level(product, diagonal, coarse, self.groups, g, rtol, 500)

    @property
    def reach(self):
        """How far a component moves at once where nothing says more."""
        return (self.reg + self.mu) * self.b.mean()

    def _component_shift(self, alpha, gradient, label, size, imbalance):
        roots = np.flatnonzero(size)
        shift = np.zeros(self.n)
        if len(roots) == 1:
            return shift
        newton = imbalance[roots] / size[roots] * (self.reg + self.mu)
        shift[roots] = np.clip(newton, -self.reach, self.reach)
        if np.abs(imbalance).max() > 1e-3 * np.abs(gradient).max():
            start, rows, *_ = self.support
            column_label = label[rows[start[:-1]]]
            threshold = self.columns.threshold
            if self.is_sparse:
                level = self.kernels.list_entry_level(self.lists, threshold, label, column_label)
                slack = np.full(self.n, np.inf)
                np.minimum.at(slack, label, level - alpha)
            else:
                slack = self.kernels.entry_slack(self.Ct, alpha, threshold, label, column_label)
            slack = slack[roots]
            rising = (imbalance[roots] > 0) & np.isfinite(slack)
            shift[roots[rising]] = np.maximum(slack[rising], 0) + np.minimum(
                newton[rising], self.reach
            )
        return shift

    # -- candidates -------------------------------------------------------------------------------

    def cheapest_feeders(self, alpha, count):
        """Columns and rows of, per column, the `count` cheapest rows with b_j / k_j at least."""
        rows = [self._feeders_of(j, alpha, count) for j in range(self.m)]
        column = np.repeat(np.arange(self.m), [len(chosen) for chosen in rows])
        return column, np.concatenate([np.zeros(0, int), *rows])

    def _feeders_of(self, j, alpha, count):
        rows = np.flatnonzero(self.a * self.k[j] >= self.b[j])
        if len(rows) <= count:
            return rows
        price = self.kernels.entries(self.Ct, j, rows) - alpha[rows]
        return rows[np.argpartition(price, count)[:count]]

    # -- certificate ------------------------------------------------------------------------------

    def certificate(self, alpha, k):
        """The exact semi-dual at alpha."""
        value, beta, rows, mass = self.kernels.top_k_conjugate(
            alpha, self.Ct, self.b, k, self.reg, self.workers
        )
        bound = math.fsum(self.a * alpha) - math.fsum(value)
        # Rounded down by the error of the terms: a bound in floating point as well.
        magnitude = np.abs(alpha).max() * self.a.sum() + np.abs(value).sum()
        bound -= BOUND_ERROR * float(magnitude)
        return Certificate(bound, alpha, beta, value, rows, mass)
