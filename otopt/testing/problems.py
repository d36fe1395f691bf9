"""Transport problems whose optimal plan is known in closed form, with the proof."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from otopt._core.validation import as_array, as_masses, as_positive_int, as_real, as_stack

__all__ = [
    "KnownProblem",
    "block_problem",
    "constant_cost_problem",
    "dirac_problem",
    "monotone_problem",
    "permutation_problem",
]


@dataclass(frozen=True)
class KnownProblem:
    """A problem for `sparse_ot` and its exact answer.

    Attributes
    ----------
    name : str
    a, b, C, k, reg
        Arguments of `sparse_ot`.
    plan : ndarray, shape (n, m)
        The optimal plan.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> from otopt.testing import permutation_problem
    >>> problem = permutation_problem([1, 0], np.ones((2, 2)), reg=1.0)
    >>> found = otopt.sparse_ot(problem.a, problem.b, problem.C, problem.k, reg=problem.reg)
    >>> bool(np.allclose(found.plan.toarray(), problem.plan))
    True
    """

    name: str
    a: NDArray
    b: NDArray
    C: NDArray
    k: int
    reg: float
    plan: NDArray

    @property
    def value(self):
        """Objective of `plan`.

        Returns
        -------
        float
            Linear and quadratic term.
        """
        return float((self.plan * self.C).sum() + 0.5 * self.reg * (self.plan**2).sum())


def dirac_problem(weights, cost, reg=1.0):
    """Transport from one point: the only plan is the row of target masses.

    Parameters
    ----------
    weights : array_like, shape (m,)
        Masses of the targets.
    cost : array_like, shape (m,)
        Cost to each of them.
    reg : float
        Quadratic regularisation, >= 0.

    Returns
    -------
    KnownProblem
        The problem with its plan.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Examples
    --------
    >>> from otopt.testing import dirac_problem
    >>> dirac_problem([0.25, 0.75], cost=[1.0, 2.0], reg=0.0).plan
    array([[0.25, 0.75]])
    """
    b, _ = as_masses("dirac_problem", "weights", weights, None)
    C = as_stack("dirac_problem", "cost", cost, 1, b.shape)[None, :].astype(float)
    reg = as_real("dirac_problem", "reg", reg, low=0.0)
    return KnownProblem("dirac", np.array([b.sum()]), b, C, 1, reg, b[None, :].copy())


def permutation_problem(permutation, penalty, reg=1.0):
    """Uniform assignment with cost 0 on a permutation and positive cost elsewhere.

    For k = 1 every column holds one entry of mass 1/n, so the quadratic term is the same for all
    plans and the permutation of cost 0 is the only optimum.

    Parameters
    ----------
    permutation : array_like of int, shape (n,)
        Column that each row is matched to.
    penalty : array_like, shape (n, n)
        Positive costs; those on the permutation are replaced by 0.
    reg : float
        Quadratic regularisation, >= 0.

    Returns
    -------
    KnownProblem
        The problem with its plan.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Examples
    --------
    >>> import numpy as np
    >>> from otopt.testing import permutation_problem
    >>> permutation_problem([1, 0], np.ones((2, 2)), reg=0.0).C
    array([[1., 0.],
           [0., 1.]])
    """
    permutation = as_array("permutation_problem", "permutation", permutation)
    n = permutation.size
    if permutation.ndim != 1 or n == 0 or (np.sort(permutation) != np.arange(n)).any():
        message = (
            "permutation_problem: `permutation` must hold every number of 0..n-1 once; "
            f"got {permutation.tolist()}."
        )
        raise ValueError(message)
    permutation = permutation.astype(np.intp)
    C = as_stack("permutation_problem", "penalty", penalty, 2, (n, n)).astype(float)
    reg = as_real("permutation_problem", "reg", reg, low=0.0)
    C[np.arange(n), permutation] = 0.0
    plan = np.zeros((n, n))
    plan[np.arange(n), permutation] = 1.0 / n
    return KnownProblem("permutation", plan.sum(1), plan.sum(0), C, 1, reg, plan)


def monotone_problem(x, y, reg=1.0):
    """Match sorted points of a line in order: uniform weights, squared distance, k = 1.

    The quadratic term is constant as for `permutation_problem`; the monotone matching is optimal
    for every convex function of the distance, and the only one where all points differ.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Distinct points.
    reg : float
        Quadratic regularisation, >= 0.

    Returns
    -------
    KnownProblem
        The problem with its plan.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Examples
    --------
    >>> from otopt.testing import monotone_problem
    >>> monotone_problem([3.0, 1.0], [0.0, 2.0], reg=0.0).plan
    array([[0. , 0.5],
           [0.5, 0. ]])
    """
    x = as_stack("monotone_problem", "x", x, 1, (None,)).astype(float)
    y = as_stack("monotone_problem", "y", y, 1, x.shape).astype(float)
    reg = as_real("monotone_problem", "reg", reg, low=0.0)
    n = len(x)
    plan = np.zeros((n, n))
    plan[np.argsort(x), np.argsort(y)] = 1.0 / n
    return KnownProblem(
        "monotone", np.full(n, 1 / n), np.full(n, 1 / n), (x[:, None] - y) ** 2, 1, reg, plan
    )


def block_problem(k, columns, penalty, reg=1.0):
    """Feed every column from k equal rows of its own at cost 0, everything else dear.

    Each column takes 1/(k * columns) from each of its k rows. Without the cardinality constraint
    this is still optimal where ``penalty >= reg / (k * columns)``: the potentials alpha = 0, beta =
    reg / (k * columns) are dual feasible and prove it.

    Parameters
    ----------
    k, columns : int
        Rows in a block, and number of blocks.
    penalty : float
        Cost outside the blocks, at least ``reg / (k * columns)``.
    reg : float
        Quadratic regularisation, >= 0.

    Returns
    -------
    KnownProblem
        The problem with its plan.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Examples
    --------
    >>> from otopt.testing import block_problem
    >>> block_problem(k=2, columns=2, penalty=1.0, reg=0.1).plan
    array([[0.25, 0.  ],
           [0.25, 0.  ],
           [0.  , 0.25],
           [0.  , 0.25]])
    """
    k = as_positive_int("block_problem", "k", k)
    columns = as_positive_int("block_problem", "columns", columns)
    reg = as_real("block_problem", "reg", reg, low=0.0)
    penalty = as_real("block_problem", "penalty", penalty, low=0.0)
    n = k * columns
    block = np.kron(np.eye(columns), np.ones((k, 1)))
    return KnownProblem(
        "blocks",
        np.full(n, 1 / n),
        np.full(columns, 1 / columns),
        penalty * (1 - block),
        k,
        reg,
        block / n,
    )


def constant_cost_problem(n, m, cost=1.0, reg=1.0):
    """Uniform weights and constant cost without cardinality constraint: the uniform plan.

    The linear term is constant and the smallest sum of squares under a fixed total is attained
    where all entries are equal, which meets the marginals.

    Parameters
    ----------
    n, m : int
        Rows and columns.
    cost : float
        The cost of every entry.
    reg : float
        Quadratic regularisation, > 0.

    Returns
    -------
    KnownProblem
        The problem with its plan.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Examples
    --------
    >>> from otopt.testing import constant_cost_problem
    >>> constant_cost_problem(2, 4, cost=3.0, reg=1.0).plan[0]
    array([0.125, 0.125, 0.125, 0.125])
    """
    n = as_positive_int("constant_cost_problem", "n", n)
    m = as_positive_int("constant_cost_problem", "m", m)
    cost = as_real("constant_cost_problem", "cost", cost, low=-np.inf)
    reg = as_real("constant_cost_problem", "reg", reg, low=0.0, strict=True)
    return KnownProblem(
        "constant cost",
        np.full(n, 1 / n),
        np.full(m, 1 / m),
        np.full((n, m), cost),
        n,
        reg,
        np.full((n, m), 1 / (n * m)),
    )
