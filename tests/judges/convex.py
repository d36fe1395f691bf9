"""Convex programmes by cvxpy and Clarabel."""

import cvxpy as cp

import otopt

TOLERANCES = {"tol_gap_abs": 1e-9, "tol_gap_rel": 1e-9, "tol_feas": 1e-9}


def _scaled(a, b):
    # Entries near one: interior-point tolerances are absolute.
    return len(b) / b.sum()


def k_support_optimum(a, b, C, k, reg):
    """Optimum of the biconjugate relaxation, through its perspective form.

    reg/2 ||t||_ksup^2 = min over 0 <= z <= 1, sum z <= k of reg/2 sum t_i^2 / z_i.
    """
    n, m = C.shape
    s = _scaled(a, b)
    T, Z, U = (cp.Variable((n, m), nonneg=True) for _ in range(3))
    flat = [cp.reshape(V, (n * m,), order="C") for V in (T, Z, U)]
    cone = cp.SOC(flat[2] + flat[1], cp.vstack([2 * flat[0], flat[2] - flat[1]]), axis=0)
    constraints = [
        cp.sum(T, axis=1) == a * s,
        cp.sum(T, axis=0) == b * s,
        cp.sum(Z, axis=0) <= k,
        Z <= 1,
        cone,
    ]
    objective = cp.sum(cp.multiply(C, T)) / s + reg / (2 * s * s) * cp.sum(U)
    programme = cp.Problem(cp.Minimize(objective), constraints)
    programme.solve(solver="CLARABEL", **TOLERANCES)
    return float(programme.value)


def quadratic_optimum(a, b, C, reg):
    """Optimum of quadratic transport without cardinality constraint."""
    s = _scaled(a, b)
    T = cp.Variable(C.shape, nonneg=True)
    objective = cp.sum(cp.multiply(C, T)) / s + reg / (2 * s * s) * cp.sum_squares(T)
    constraints = [cp.sum(T, axis=1) == a * s, cp.sum(T, axis=0) == b * s]
    programme = cp.Problem(cp.Minimize(objective), constraints)
    programme.solve(solver="CLARABEL", **TOLERANCES)
    return float(programme.value)


def penalised_optimum(a, b, C, k, reg, penalties):
    """Optimum of the relaxation with penalised or bounded marginals; inf where infeasible."""
    T = cp.Variable(C.shape, nonneg=True)
    Z = cp.Variable(C.shape, nonneg=True)
    constraints = [cp.sum(Z, axis=0) <= k, Z <= 1]
    objective = cp.sum(cp.multiply(C, T))
    if reg > 0:
        entries = [(i, j) for i in range(C.shape[0]) for j in range(C.shape[1])]
        objective += reg / 2 * sum(cp.quad_over_lin(T[e], Z[e]) for e in entries)
    for penalty, mass, nominal in (
        (penalties[0], cp.sum(T, axis=1), a),
        (penalties[1], cp.sum(T, axis=0), b),
    ):
        if penalty is None:
            constraints.append(mass == nominal)
        elif isinstance(penalty, otopt.KLPenalty):
            objective += penalty.rho * cp.sum(cp.kl_div(mass, nominal))
        elif isinstance(penalty, otopt.L2Penalty):
            objective += penalty.rho / 2 * cp.sum_squares(mass - nominal)
        else:
            constraints += [mass >= penalty.low * nominal, mass <= penalty.high * nominal]
    programme = cp.Problem(cp.Minimize(objective), constraints)
    programme.solve(solver="CLARABEL", **TOLERANCES)
    return float(programme.value)
