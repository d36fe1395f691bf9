"""Every kernel file against the reference: supports, curvature, components, entry levels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array, csc_array

from otopt._kernels import reference
from tests.kernels.cases import FILES, Prox, column_problems, load, sparse_lists


@pytest.fixture(params=FILES, scope="module")
def kernels(request):
    return load(request.param)


@pytest.fixture(params=[*FILES, "reference"], scope="module")
def any_kernels(request):
    return load(request.param)


def solved(problem):
    prox = Prox(reference, problem, capacity=len(problem.alpha))
    prox.evaluate(problem.alpha)
    return prox


def laplacian(problem, prox):
    """Arguments of the assembly functions, all from the reference."""
    start, rows, _, _, kind = reference.pack_support(prox.lists, prox.columns)
    coefficients = reference.curvature_coefficients(
        prox.columns.heads, prox.columns.ties, problem.k, problem.reg, problem.mu
    )
    A, M = 1 / (problem.reg + problem.mu), 1 / problem.mu
    return start, rows, kind, coefficients, A, M, 0.01 * A


def scattered(compressed, n):
    indptr, indices, values = compressed
    return csc_array((values, indices, indptr), shape=(n, n)).toarray()


@given(problem=column_problems())
def test_pack_support_keeps_the_order_of_the_lists(kernels, problem):
    prox = solved(problem)
    ours = kernels.pack_support(prox.lists, prox.columns)
    for found, expected in zip(ours, reference.pack_support(prox.lists, prox.columns), strict=True):
        np.testing.assert_array_equal(found, expected)
    start, rows, cost, mass, kind = ours
    assert (mass[kind == 1] > 0).all()
    np.testing.assert_array_equal(np.diff(start), prox.columns.heads + prox.columns.ties)
    np.testing.assert_allclose(np.add.reduceat(mass, start[:-1]), problem.b, rtol=1e-9)
    column = np.repeat(np.arange(len(problem.b)), np.diff(start))
    np.testing.assert_array_equal(cost, problem.Ct[column, rows])


@given(problem=column_problems(), mu=st.sampled_from([1e-9, 1e-4, 1.0, 1e4]))
def test_curvature_coefficients(kernels, problem, mu):
    rng, k = problem.rng, problem.k
    k = rng.choice(k, 20)
    heads = rng.integers(1, k + 1)
    ties = np.where(heads < k, rng.integers(0, 30, 20), 0)
    heads[::4] = np.where(ties[::4] > 0, 0, heads[::4])
    args = heads, ties, k, problem.reg, mu
    np.testing.assert_allclose(
        kernels.curvature_coefficients(*args), reference.curvature_coefficients(*args), rtol=1e-9
    )


@given(problem=column_problems())
def test_assembly(kernels, problem):
    n = len(problem.alpha)
    args = *laplacian(problem, solved(problem)), n
    H = reference.assemble_dense(*args)
    np.testing.assert_allclose(kernels.assemble_dense(*args), H, rtol=1e-9, atol=1e-12 / problem.mu)
    for file in (kernels, reference):
        np.testing.assert_allclose(
            scattered(file.assemble_sparse(*args), n), H, rtol=1e-9, atol=1e-12 / problem.mu
        )
    # A shift of all potentials moves no mass: a weighted Laplacian.
    np.testing.assert_allclose(H.sum(axis=1), args[6], atol=1e-9 / problem.mu)


@given(problem=column_problems())
def test_rows_eliminated(any_kernels, problem):
    """The system in the unknowns of the columns has the solution of the one in the rows."""
    n = len(problem.alpha)
    prox = solved(problem)
    start, rows, kind, coefficients, A, M, shift = laplacian(problem, prox)
    support = start, rows, kind, prox.columns.heads, prox.columns.ties
    g = np.random.default_rng(n).normal(size=n)
    S, r, diagonal = any_kernels.column_system(*support, problem.k, problem.reg, A, M, shift, g)
    np.testing.assert_allclose(S, S.T, rtol=0, atol=1e-12 * np.abs(S).max())
    d = any_kernels.row_step(*support, A, M, diagonal, g, np.linalg.solve(S, r))
    H = reference.assemble_dense(start, rows, kind, coefficients, A, M, shift, n)
    # Both solves carry rounding that the condition of H magnifies; what they leave over does not.
    assert np.abs(H @ d - g).max() <= 1e-11 * (np.abs(H) @ np.abs(d) + np.abs(g)).max()
    expected = np.linalg.solve(H, g)
    tol = max(1e-9, n * np.finfo(float).eps * np.linalg.cond(H))
    np.testing.assert_allclose(d, expected, rtol=0, atol=tol * np.abs(expected).max())


@given(problem=column_problems(), rtol=st.sampled_from([1e-1, 1e-4, 1e-8]))
def test_conjugate_gradient_keeps_its_tolerance(kernels, problem, rtol):
    system = laplacian(problem, solved(problem))
    H = reference.assemble_dense(*system, len(problem.alpha))
    g = problem.rng.normal(size=len(problem.alpha))

    def norm(r):
        return np.sqrt((r * r / H.diagonal()).sum())

    for file in (kernels, reference):
        d, iterations = file.conjugate_gradient(*system, g, rtol, 3000)
        assert iterations < 3000
        assert norm(g - H @ d) <= 1.01 * rtol * norm(g) + 1e-9 * norm(H.diagonal() * d)
    assert kernels.conjugate_gradient(*system, g, 0.0, 2)[1] <= 2


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.floats(0.02, 0.4))
def test_connected_rows(kernels, seed, n, m, density):
    touched = np.random.default_rng(seed).random((m, n)) < density
    start = np.concatenate([[0], touched.sum(axis=1).cumsum()])
    rows = np.nonzero(touched)[1].astype(np.int32)
    reachable = np.eye(n, dtype=int) + touched.T.astype(int) @ touched
    for _ in range(6):  # 2 ** 6 columns on a path are more than there are
        reachable = np.minimum(reachable @ reachable, 1)
    for file in (kernels, reference):
        label = file.connected_rows(start, rows, n)
        np.testing.assert_array_equal(label, (reachable > 0).argmax(axis=1))


@given(problem=column_problems(), labels=st.integers(1, 3))
def test_entry_levels(kernels, problem, labels):
    m, n = problem.Ct.shape
    label, column_label = problem.rng.integers(0, labels, n), problem.rng.integers(0, labels, m)
    threshold = problem.rng.normal(size=m)
    args = threshold, label, column_label
    level = kernels.row_entry_level(problem.Ct, *args)
    np.testing.assert_array_equal(level, reference.row_entry_level(problem.Ct, *args))
    lists = sparse_lists(problem)
    np.testing.assert_array_equal(
        kernels.list_entry_level(lists, *args), reference.list_entry_level(lists, *args)
    )
    complete = sparse_lists(problem, density=1.0)
    np.testing.assert_allclose(kernels.list_entry_level(complete, *args), level, rtol=1e-12)


@given(problem=column_problems())
def test_product_diagonal_and_groups_are_of_the_same_matrix(kernels, problem):
    n, rng = len(problem.alpha), problem.rng
    args = laplacian(problem, solved(problem))
    H = reference.assemble_dense(*args, n)
    tight = {"rtol": 1e-9, "atol": 1e-10 / problem.mu}
    group = rng.integers(0, 4, n)
    P = np.eye(4)[group]
    for file in (kernels, reference):
        x, y = rng.normal(size=n), np.empty(n)
        file.hessian_product(*args, x, y)
        np.testing.assert_allclose(y, H @ x, **tight)
        np.testing.assert_allclose(file.hessian_diagonal(*args, n), np.diag(H), **tight)
        i, j, values = file.assemble_grouped(*args, group)
        grouped = coo_array((values, (i, j)), shape=(4, 4)).toarray()
        np.testing.assert_allclose(grouped, P.T @ H @ P, rtol=1e-9, atol=n * 1e-10 / problem.mu)
