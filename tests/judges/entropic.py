"""Judges of entropic transport that share no code with the solvers."""

import numpy as np


def extended_plan(result, a, b, C):
    """The plan of the potentials, in extended precision."""
    a, b, C, f, g = (np.asarray(x, np.longdouble) for x in (a, b, C, *result.potentials))
    scale = np.sqrt(a.sum() * b.sum())
    return a[:, None] * b / scale * np.exp((f[:, None] + g - C) / np.longdouble(result.reg))


def marginal_error(T, a, b):
    """L1, rows and columns."""
    return float(np.abs(T.sum(axis=1) - a).sum() + np.abs(T.sum(axis=0) - b).sum())


def generalised_kl(P, Q):
    """sum P log(P / Q) - P + Q, where Q = 0 only with P = 0."""
    P, Q = np.asarray(P), np.asarray(Q)
    ratio = np.divide(P, Q, out=np.ones_like(P), where=(Q > 0) & (P > 0))
    return float((P * np.log(ratio) - P + Q).sum())


def objective(T, a, b, C, reg, penalty_a=np.inf, penalty_b=np.inf):
    """Transport cost, entropic term and penalties of a plan."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    value = float((T * C).sum())
    value += reg * generalised_kl(T, np.outer(a, b) / np.sqrt(a.sum() * b.sum()))
    if np.isfinite(penalty_a):
        value += penalty_a * generalised_kl(T.sum(axis=1), a)
    if np.isfinite(penalty_b):
        value += penalty_b * generalised_kl(T.sum(axis=0), b)
    return value


def entropic_optimum(a, b, C, reg, penalty_a=np.inf, penalty_b=np.inf):
    """Optimal value by cvxpy (Clarabel, exponential cones)."""
    import cvxpy as cp

    T = cp.Variable(C.shape, nonneg=True)
    reference = np.outer(a, b) / np.sqrt(a.sum() * b.sum())
    goal = cp.sum(cp.multiply(C, T)) + reg * cp.sum(cp.kl_div(T, reference))
    constraints = []
    for sums, masses, penalty in (
        (cp.sum(T, axis=1), a, penalty_a),
        (cp.sum(T, axis=0), b, penalty_b),
    ):
        if np.isinf(penalty):
            constraints.append(sums == masses)
        else:
            goal += penalty * cp.sum(cp.kl_div(sums, masses))
    problem = cp.Problem(cp.Minimize(goal), constraints)
    problem.solve(solver="CLARABEL")
    return float(problem.value)


def transport_optimum(a, b, C):
    """Optimal value of the unregularised problem by HiGHS."""
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron

    n, m = C.shape
    rows = kron(eye_array(n), np.ones((1, m)))
    columns = kron(np.ones((1, n)), eye_array(m))
    from scipy.sparse import vstack

    # The last equation follows from the others; stated, rounding could make it contradict them.
    done = linprog(
        np.ravel(C), A_eq=vstack([rows, columns]).tocsr()[:-1],
        b_eq=np.concatenate([a, b])[:-1], method="highs",
    )  # fmt: skip
    return float(done.fun)
