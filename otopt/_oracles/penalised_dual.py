r"""The proximal dual where a marginal is penalised or bounded instead of given.

    min <T, C> + reg/2 ||T||^2 + F(T 1) + G(T' 1),   at most k nonzeros in a column

A side that pays F(r) adds ``min_r F(r) + alpha r`` to the semi-dual in place of ``a.alpha``. Of
the columns, the mass s of each solves a scalar equation: the potential beta(s) at which its
problem takes up s is the one that G answers with s.
"""

import math

import numpy as np

from otopt._core.penalties import Exact
from otopt._solvers.linear import solve_dense, solve_sparse

from .proximal_dual import Certificate, ProximalDual

__all__ = ["PenalisedDual"]

SCALAR_STEPS = 60
RESOLUTION = 1e-14  # of the mass, to which the masses of columns are found
LEAST = 1e-13  # of the mass: a column has at least that, as its problem needs some
BALANCED = 1e-3  # share of the mass by which the first potentials may miss a balance
WINDOW = 1e-2  # share of the first shift that the proximal term may cost a typical mass
DOUBLINGS, HALVINGS = 100, 50  # of the first shift, until its bracket is found, and of that
DENSE = 400  # rows up to which the Newton system is dense


class PenalisedDual(ProximalDual):
    """`ProximalDual` with the penalties of rows and columns."""

    def __init__(self, kernels, a, b, Ct, k, reg, *, penalties, **settings):
        super().__init__(kernels, a, b.copy(), Ct, k, reg, **settings)
        self.of_rows, self.of_columns = penalties
        self.nominal = b
        self.total = max(float(a.sum()), float(b.sum()))
        self.row_mass = self.row_centre = a
        self.row_slope, self.column_slope = np.zeros(self.n), np.zeros(self.m)
        self.column_centre = b

    def balanced(self, alpha):
        """Where both sides ask for about the same mass in all: far from there masses explode."""
        beta = self.kernels.c_transform(alpha, self.Ct)

        def excess(shift):
            rows, _ = self.of_rows.answer(alpha + shift, self.a, self.mu, self.row_centre)
            columns, _ = self.of_columns.answer(
                beta - shift, self.nominal, self.mu, self.column_centre
            )
            return float(rows.sum() - columns.sum())

        first = excess(0.0)
        if abs(first) <= BALANCED * self.total:
            return alpha
        sign = math.copysign(1.0, first)
        near, far = 0.0, sign * self.reach
        for _ in range(DOUBLINGS):
            if sign * excess(far) <= 0:
                break
            near, far = far, 2.0 * far
        else:
            return alpha
        for _ in range(HALVINGS):
            middle = 0.5 * (near + far)
            near, far = (middle, far) if sign * excess(middle) > 0 else (near, middle)
        # The shift measures the potentials better than the cost, by which mu was chosen.
        self.mu = max(self.mu, WINDOW * abs(near) / float(self.nominal.mean()))
        return alpha + near

    # -- value and gradient ---------------------------------------------------------------------

    def evaluate(self, alpha):
        """The gradient, masses that the rows ask for less those they get; nan for the value."""
        self.nfev += 1
        self.row_mass, self.row_slope = self.of_rows.answer(alpha, self.a, self.mu, self.row_centre)
        if isinstance(self.of_columns, Exact):
            self.solve_columns(alpha)
        else:
            self._solve_masses(alpha)
        self.support = self.kernels.pack_support(self.lists, self.columns)
        start, rows, _, mass, _ = self.support
        mass[np.repeat(self.empty_columns(), np.diff(start))] = 0.0
        return math.nan, self.row_mass - np.bincount(rows, mass, minlength=self.n)

    def _solve_masses(self, alpha):
        """Columns with the masses that their penalty answers: Newton steps within brackets."""
        least = LEAST * self.total
        low, high = np.full(self.m, least), np.full(self.m, np.inf)
        for _ in range(SCALAR_STEPS):
            self.solve_columns(alpha)
            wanted, slope = self.of_columns.answer(
                self._potentials(alpha), self.nominal, self.mu, self.column_centre
            )
            wanted = np.maximum(wanted, least)
            short = wanted - self.b
            self.column_slope = slope
            if np.abs(short).max() <= RESOLUTION * self.total:
                break
            low = np.where(short > 0, np.maximum(low, self.b), low)
            high = np.where(short < 0, np.minimum(high, self.b), high)
            _, _, stiffness = self._responses()
            step = self.b + short / (1.0 + slope * stiffness)
            middle = np.where(np.isinf(high), 4.0 * self.b, 0.5 * (low + high))
            inside = (step > low) & (step < high)
            self.b = np.where(short == 0, self.b, np.where(inside, step, middle))

    def empty_columns(self):
        """Which columns have the least mass only, in place of none."""
        if isinstance(self.of_columns, Exact):
            return np.zeros(self.m, bool)
        return self.b <= 2 * LEAST * self.total

    def _potentials(self, alpha):
        """The potential beta of every column."""
        lists, columns = self.lists, self.columns
        j, first = np.arange(self.m), (columns.kind == 1).argmax(axis=1)
        x = alpha[lists.rows[j, first]] - lists.cost[j, first] + self.mu * lists.centre[j, first]
        by_head = columns.mass[j, first] * (self.reg + self.mu) - x
        # All entries tied: their price is b / k, and b is their mass.
        by_price = self.reg * self.b / self.k - columns.threshold
        return np.where(columns.heads > 0, by_head, by_price)

    def _responses(self):
        """Per column the share of added mass that a head and a tie take, and d beta / d mass."""
        p, e = self.columns.heads, self.columns.ties
        A = 1.0 / (self.reg + self.mu)
        # Ties share a price that keeps the sum of their weights at f = k - p.
        f = np.maximum(self.k - p, 1)
        tie = np.where(e > 0, f / (f * self.mu + np.maximum(e, 1) * self.reg), 0.0)
        stiffness = 1.0 / (A * p + tie * e)
        return A * stiffness, tie * stiffness, stiffness

    def recentre(self):
        """Make the current plan and its masses the proximal centre."""
        super().recentre()
        self.row_centre, self.column_centre = self.row_mass, self.b

    def relaxed_value(self):
        """Primal value: of the plan, and of both penalties at the masses asked for."""
        value = super().relaxed_value() + self.of_rows.value(self.row_mass, self.a)
        return value + self.of_columns.value(self.b, self.nominal)

    # -- curvature --------------------------------------------------------------------------------

    def direction(self, alpha, gradient, rtol=1e-2):
        """As of `ProximalDual`; a component with a penalty in it does see shifts of itself."""
        start, rows, *_ = self.support
        label = self.kernels.connected_rows(start, rows, self.n)
        size = np.bincount(label, minlength=self.n)
        soft = np.bincount(label, self.row_slope, minlength=self.n)
        soft += np.bincount(label[rows[start[:-1]]], self.column_slope, minlength=self.n)
        imbalance = np.bincount(label, gradient, minlength=self.n) * (soft == 0)
        d = self._penalised_solve(gradient - (imbalance / np.maximum(size, 1))[label])
        mean = np.bincount(label, d, minlength=self.n) / np.maximum(size, 1) * (soft == 0)
        shift = self._component_shift(alpha, gradient, label, size, imbalance)
        if size[label[0]] == self.n:  # one component, whose balance is not given here
            newton = imbalance[label[0]] / self.n * (self.reg + self.mu)
            shift[label[0]] = min(max(newton, -self.reach), self.reach)
        d += (shift - mean)[label]
        return d if gradient @ d > 0.0 else gradient * (self.reg + self.mu)

    @property
    def reach(self):
        """By the masses that are given: those of now may vanish."""
        return (self.reg + self.mu) * self.nominal.mean()

    def _penalised_solve(self, g):
        start, rows, _, _, kind = self.support
        A, M = 1.0 / (self.reg + self.mu), 1.0 / self.mu
        shift = max(1e-9 * A, 1e-13 * M)
        coefficients = self.kernels.curvature_coefficients(
            self.columns.heads, self.columns.ties, self.k, self.reg, self.mu
        )
        head, tie, stiffness = self._responses()
        # Mass is not kept but follows the potential: a term of rank one comes back.
        given = self.column_slope / (1.0 + self.column_slope * stiffness)
        coefficients -= given[:, None] * np.stack([head * head, head * tie, tie * tie], axis=1)
        for _ in range(4):
            args = start, rows, kind, coefficients, A, M, shift, self.n
            if self.n <= DENSE:
                H = self.kernels.assemble_dense(*args)
                H[np.diag_indices(self.n)] += self.row_slope
                d = solve_dense(H, g)
            else:
                d = solve_sparse(self._sparse(*self.kernels.assemble_sparse(*args)), g)
            if d is not None:
                return d
            shift *= 1e3
        return g / A

    def _sparse(self, indptr, indices, values):
        from scipy.sparse import csc_array, diags_array

        H = csc_array((values, indices, indptr), shape=(self.n, self.n))
        H = csc_array(H + diags_array(self.row_slope))
        return H.indptr, H.indices, H.data

    # -- certificate ------------------------------------------------------------------------------

    def certificate(self, alpha, k):
        """A lower bound from alpha, and from the potentials of the columns at their masses."""
        value, beta, rows, mass = self.kernels.top_k_conjugate(
            alpha, self.Ct, self.b, k, self.reg, self.workers
        )
        terms = (
            self.of_rows.dual(alpha, self.a),
            self.of_columns.dual(beta, self.nominal),
            -value - beta * self.b,
        )
        bound = sum(math.fsum(term) for term in terms)
        magnitude = sum(float(np.abs(term).sum()) for term in terms)
        magnitude += float((np.abs(beta) * self.b).sum())
        bound -= 8 * np.finfo(float).eps * magnitude
        return Certificate(bound, alpha, beta, value, rows, mass)
