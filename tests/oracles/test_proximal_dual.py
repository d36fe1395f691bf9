"""The semi-duals against finite differences, definitions and feasible plans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otopt._backend import kernels as kernels_in_use
from otopt._kernels.layout import CandidateLists
from otopt._oracles import proximal_dual
from otopt._oracles.proximal_dual import ProximalDual
from otopt._solvers.semismooth_newton import semismooth_newton

pytestmark = pytest.mark.reference

N, M = 14, 9


def problem(seed, n=N, m=M):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.full(n, 3.0)), rng.dirichlet(np.full(m, 3.0))
    return a, b, np.ascontiguousarray(rng.random((m, n))), rng


def oracle_for(seed, k=3, reg=2.0, mu=0.5, centred=True, m=M, **kwargs):
    """An oracle, by default with a proximal centre, and potentials where columns are mixed."""
    a, b, Ct, rng = problem(seed, m=m)
    oracle = ProximalDual(kernels_in_use(), a, b, Ct, k, reg, mu=mu, **kwargs)
    if centred:
        oracle.evaluate(0.2 * rng.normal(size=N))
        oracle.recentre()
        oracle.mu *= 0.8
    return oracle, 0.1 * rng.normal(size=N), rng


def dense_plan(oracle):
    start, rows, _, mass, _ = oracle.support
    T = np.zeros((oracle.n, oracle.m))
    T[rows, np.repeat(np.arange(oracle.m), np.diff(start))] = mass
    return T


def k_support_square(t, k):
    """``min sum t_i^2 / z_i`` over 0 <= z <= 1 of sum at most k, by bisection on the price of z."""
    t = t[t > 0]
    if len(t) <= k:
        return t @ t
    lo, hi = 0.0, t.sum()
    for _ in range(200):
        level = 0.5 * (lo + hi)
        lo, hi = (level, hi) if np.minimum(t / level, 1.0).sum() > k else (lo, level)
    return (t**2 / np.minimum(t / hi, 1.0)).sum()


# -- value, gradient, curvature -----------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, N])
@pytest.mark.parametrize(("reg", "mu"), [(0.0, 0.5), (2.0, 0.5), (2.0, 0.05), (0.1, 3.0)])
@pytest.mark.parametrize("centred", [False, True])
def test_gradient_is_the_derivative_of_the_value(k, reg, mu, centred):
    oracle, alpha, rng = oracle_for(0, k, reg, mu, centred)
    for _ in range(5):
        d = rng.normal(size=N)
        h = 1e-6
        _, gradient = oracle.evaluate(alpha)
        rise = oracle.evaluate(alpha + h * d)[0] - oracle.evaluate(alpha - h * d)[0]
        assert gradient @ d == pytest.approx(rise / (2 * h), abs=1e-7)


@pytest.mark.parametrize("k", [1, 3, N])
@pytest.mark.parametrize(("reg", "mu"), [(2.0, 0.5), (2.0, 0.05), (0.1, 3.0)])
def test_value_is_the_lagrangian_of_the_plan(k, reg, mu):
    """The plan attains the value, and no other plan exceeds it."""
    oracle, alpha, rng = oracle_for(1, k, reg, mu, centred=False)
    value, gradient = oracle.evaluate(alpha)
    C = oracle.Ct.T

    def lagrangian(T):
        square = sum(k_support_square(t, k) for t in T.T)
        slack = alpha @ (oracle.a - T.sum(axis=1))
        return (T * C).sum() + 0.5 * reg * square + 0.5 * mu * (T**2).sum() + slack

    T = dense_plan(oracle)
    np.testing.assert_allclose(T.sum(axis=0), oracle.b, rtol=1e-12)
    np.testing.assert_allclose(gradient, oracle.a - T.sum(axis=1), atol=1e-15)
    assert lagrangian(T) == pytest.approx(value, rel=1e-12)
    for step in 10.0 ** -np.arange(1, 6):
        other = T + step * rng.random(T.shape) * (T + 0.01)
        other *= oracle.b / other.sum(axis=0)
        assert lagrangian(other) > value


@pytest.mark.parametrize("k", [1, 3, N])
@pytest.mark.parametrize(("reg", "mu"), [(2.0, 0.5), (2.0, 0.05), (0.1, 3.0)])
def test_hessian_is_the_derivative_of_the_gradient(k, reg, mu):
    checked = 0
    for seed in range(6):
        oracle, alpha, rng = oracle_for(seed, k, reg, mu)
        d = rng.normal(size=N)
        h = 1e-7
        kinds, gradients = [], []
        for point in (alpha + h * d, alpha - h * d, alpha):
            gradients.append(oracle.evaluate(point)[1])
            start, rows, _, _, kind = oracle.support
            order = np.lexsort((rows, np.repeat(np.arange(M), np.diff(start))))
            kinds.append((start.tolist(), rows[order].tolist(), kind[order].tolist()))
        if kinds[0] != kinds[1]:  # a kink between the two points
            continue
        coefficients = oracle.kernels.curvature_coefficients(
            oracle.columns.heads, oracle.columns.ties, oracle.k, reg, oracle.mu
        )
        A, R = 1 / (reg + oracle.mu), 1 / oracle.mu
        H = oracle.kernels.assemble_dense(start, rows, kind, coefficients, A, R, 0.0, N)
        np.testing.assert_allclose(H, H.T, atol=1e-12)
        assert np.linalg.eigvalsh(H).min() >= -1e-12 * R
        np.testing.assert_allclose((gradients[1] - gradients[0]) / (2 * h), H @ d, atol=1e-6 * R)
        checked += 1
    assert checked >= 4


def test_without_curvature_cardinality_costs_nothing():
    one, alpha, _ = oracle_for(3, k=1, reg=0.0)
    free, _, _ = oracle_for(3, k=N, reg=0.0)
    (value, gradient), (same, _) = one.evaluate(alpha), free.evaluate(alpha)
    assert value == same
    # nor has the curvature an entry that the limit holds back: its coefficient would be inf
    assert not one.columns.ties.any()
    np.testing.assert_array_equal(
        one.direction(alpha, gradient, 1e-2), free.direction(alpha, gradient, 1e-2)
    )


# -- Newton directions --------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "solver"), [(M, "assemble_sparse"), (90, "conjugate_gradient")])
def test_directions_of_all_linear_solvers_agree(monkeypatch, m, solver):
    called = []
    for name in ("assemble_sparse", "conjugate_gradient"):
        function = getattr(kernels_in_use(), name)
        monkeypatch.setattr(
            kernels_in_use(), name, lambda *a, f=function, n=name: called.append(n) or f(*a)
        )
    directions = []
    for dense_rows, rtol in ((N, 1e-2), (0, 1e-12)):
        monkeypatch.setattr(proximal_dual, "DENSE_ROWS", dense_rows)
        oracle, alpha, _ = oracle_for(4, reg=0.2 * m, mu=0.05 * m, m=m)
        _, gradient = oracle.evaluate(alpha)
        directions.append(oracle.direction(alpha, gradient, rtol))
    assert called == [solver]
    np.testing.assert_allclose(directions[0], directions[1], rtol=1e-6, atol=1e-9)
    assert gradient @ directions[0] > 0


def test_newton_converges_from_a_support_in_pieces():
    # Every column likes a row of its own: the Hessian sees none of the imbalance.
    n = 8
    a, b = np.full(n, 1 / n), np.linspace(1, 2, n) / np.linspace(1, 2, n).sum()
    Ct = 1.0 - np.eye(n)
    oracle = ProximalDual(kernels_in_use(), a, b, Ct, n, 0.01, mu=0.01)
    oracle.evaluate(np.zeros(n))
    assert len(oracle.support[1]) == n
    result = semismooth_newton(oracle, np.zeros(n), tol=1e-12, maxiter=60)
    assert np.abs(result.gradient).sum() <= 1e-12


@pytest.mark.parametrize("k", [1, 2, 5])
def test_newton_finds_the_maximum(k):
    oracle, alpha, rng = oracle_for(6, k=k, mu=0.05)
    result = semismooth_newton(oracle, alpha, tol=1e-11, maxiter=100)
    assert np.abs(result.gradient).sum() <= 1e-11
    for _ in range(10):
        nearby = result.x + 0.01 * rng.normal(size=N)
        assert oracle.evaluate(nearby)[0] <= result.value + 1e-14


# -- the plan -----------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 2, 3, N])
def test_relaxed_value_is_the_k_support_norm_by_definition(k):
    tied = 0
    for seed in range(5):
        oracle, alpha, _ = oracle_for(seed, k)
        oracle.evaluate(alpha)
        T = dense_plan(oracle)
        square = sum(k_support_square(t, k) for t in T.T)
        expected = (T * oracle.Ct.T).sum() + 0.5 * oracle.reg * square
        assert oracle.relaxed_value() == pytest.approx(expected, rel=1e-12)
        np.testing.assert_array_equal(oracle.column_counts(), (T > 0).sum(axis=0))
        tied += (oracle.column_counts() > k).sum()
    assert (tied > 0) == (k < N)


def test_recentring_makes_the_plan_the_centre():
    oracle, alpha, _ = oracle_for(2, centred=False)
    oracle.evaluate(alpha)
    T = dense_plan(oracle)
    oracle.recentre()
    S = np.zeros_like(T)
    for j, used in enumerate(oracle.lists.count):
        S[oracle.lists.rows[j, :used], j] = oracle.lists.centre[j, :used]
    np.testing.assert_array_equal(S, T)


@pytest.mark.parametrize("reg", [0.0, 2.0])
def test_repeated_proximal_steps_end_at_the_unsmoothed_optimum(reg):
    oracle, alpha, _ = oracle_for(5, reg=reg)
    for _ in range(60):
        alpha = semismooth_newton(oracle, alpha, tol=1e-12, maxiter=50).x
        oracle.recentre()
    bound = oracle.certificate(alpha, np.full(M, 3 if reg else N)).bound
    assert oracle.relaxed_value() == pytest.approx(bound, rel=1e-9)


# -- candidate lists ----------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, N])
def test_short_lists_grow_and_change_nothing(k):
    full, alpha, rng = oracle_for(7, k, centred=False)
    tight, _, _ = oracle_for(7, k, centred=False, lists=CandidateLists.empty(M, 1))
    for _ in range(4):
        value, gradient = full.evaluate(alpha)
        tight_value, tight_gradient = tight.evaluate(alpha)
        assert tight_value == pytest.approx(value, rel=1e-12)
        np.testing.assert_allclose(tight_gradient, gradient, atol=1e-13)
        full.recentre()
        tight.recentre()
        alpha = alpha + 0.05 * rng.normal(size=N)
    assert 1 < tight.lists.rows.shape[1] <= N


def test_a_sparse_cost_is_the_dense_one_with_forbidden_entries():
    oracle, alpha, rng = oracle_for(8, centred=False)
    allowed = rng.random((M, N)) < 0.5
    allowed[np.arange(M), rng.integers(0, N, M)] = True
    lists = CandidateLists.empty(M, allowed.sum(axis=1).max())
    lists.count[:], lists.bound[:] = allowed.sum(axis=1), -np.inf
    for j in range(M):
        rows = np.flatnonzero(allowed[j])
        lists.rows[j, : len(rows)], lists.cost[j, : len(rows)] = rows, oracle.Ct[j, rows]
    args = oracle.a, oracle.b
    sparse = ProximalDual(kernels_in_use(), *args, None, 3, oracle.reg, mu=oracle.mu, lists=lists)
    forbidding = np.where(allowed, oracle.Ct, 1e3)
    dense = ProximalDual(kernels_in_use(), *args, forbidding, 3, oracle.reg, mu=oracle.mu)
    for _ in range(3):
        value, gradient = sparse.evaluate(alpha)
        expected, expected_gradient = dense.evaluate(alpha)
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-13)
        d = sparse.direction(alpha, gradient)
        np.testing.assert_allclose(d, dense.direction(alpha, gradient), rtol=1e-6, atol=1e-9)
        alpha = alpha + d


# -- certificates -------------------------------------------------------------------------------


def sparse_plan(seed, k):
    """A plan with at most k nonzeros a column, and its marginals."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    T = np.zeros((n, m))
    for j in range(m):
        rows = rng.permutation(n)[:k]
        T[rows, j] = rng.random(len(rows))
    T = T[T.sum(axis=1) > 0]
    return T.sum(axis=1), T.sum(axis=0), T, min(k, len(T)), rng


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.0, 0.1, 1.0, 30.0]))
def test_no_feasible_plan_is_below_a_certificate(seed, k, reg):
    a, b, T, k, rng = sparse_plan(seed, k)
    C = rng.normal(size=T.shape)
    value = (T * C).sum() + 0.5 * reg * (T**2).sum()
    oracle = ProximalDual(kernels_in_use(), a, b, np.ascontiguousarray(C.T), k, reg, mu=1.0)
    for scale in (0.0, 0.3, 3.0):
        certificate = oracle.certificate(scale * rng.normal(size=len(a)), np.full(len(b), k))
        assert certificate.bound <= value


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.sampled_from([0.1, 1.0, 30.0]))
def test_the_right_prices_prove_a_plan_optimal(seed, k, reg):
    """Cost under which a given k-sparse plan is the best answer of every column."""
    a, b, T, k, rng = sparse_plan(seed, k)
    alpha, beta = rng.normal(size=len(a)), rng.normal(size=len(b))
    C = alpha[:, None] + beta - reg * T + np.where(T > 0, 0.0, rng.random(T.shape))
    oracle = ProximalDual(kernels_in_use(), a, b, np.ascontiguousarray(C.T), k, reg, mu=1.0)
    certificate = oracle.certificate(alpha, np.full(oracle.m, k))
    value = (T * C).sum() + 0.5 * reg * (T**2).sum()
    assert certificate.bound == pytest.approx(value, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(certificate.beta, beta, atol=1e-12)


@pytest.mark.parametrize("k", [1, 3, N])
@pytest.mark.parametrize("reg", [0.0, 2.0])
def test_certificate_is_the_dual_of_its_potentials(k, reg):
    oracle, alpha, _ = oracle_for(9, k, reg)
    oracle.evaluate(alpha)
    oracle.release_lists()  # certificates need the cost alone
    certificate = oracle.certificate(alpha, np.full(oracle.m, k))
    slack = np.maximum(alpha + certificate.beta[:, None] - oracle.Ct, 0.0)
    dual = oracle.a @ alpha + oracle.b @ certificate.beta
    if reg > 0:
        dual -= (np.sort(slack, axis=1)[:, N - k :] ** 2).sum() / (2 * reg)
    else:
        assert slack.max() <= 1e-15
    assert certificate.bound == pytest.approx(dual, rel=1e-13)
    assert certificate.bound <= dual
    np.testing.assert_allclose(certificate.mass.sum(axis=1), oracle.b, rtol=1e-12)
    assert (certificate.mass > 0).sum(axis=1).max() <= k
    t, c = certificate.mass, np.take_along_axis(oracle.Ct, certificate.rows, axis=1)
    gain = (t * (alpha[certificate.rows] - c)).sum(axis=1) - 0.5 * reg * (t**2).sum(axis=1)
    np.testing.assert_allclose(certificate.conjugate, gain, atol=1e-15)
    assert certificate.bound == pytest.approx(oracle.a @ alpha - gain.sum(), rel=1e-13)
