"""Solve the shifted, sparse, positive semidefinite systems of a Newton step."""

import numpy as np

__all__ = ["solve_dense", "solve_sparse", "solve_two_level"]


def solve_dense(H, g):
    """Solve H d = g by Cholesky; None where H is not numerically positive definite."""
    from scipy.linalg import lapack

    _, d, info = lapack.dposv(H, g, lower=1, overwrite_a=1)  # pyright: ignore
    return d if info == 0 and np.isfinite(d).all() else None


def _factorise(H):
    from scipy.sparse.linalg import splu

    try:
        return splu(
            H,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:  # exactly singular
        return None


def solve_two_level(product, diagonal, coarse, groups, g, rtol, maxiter):
    """Solve H d = g by conjugate gradients with a two-level preconditioner; None on failure.

    Parameters
    ----------
    product : callable
        x -> H x.
    diagonal : ndarray, shape (n,)
        Of H.
    coarse : tuple
        Triplets of P' H P, where P is the indicator of the groups.
    groups : ndarray of int, shape (n,)
        Labels from 0 on, all of them in use.
    g : ndarray, shape (n,)
        Right-hand side.
    rtol : float
        Accepted residual, in the norm of the preconditioner and in the L1 norm, relative to g.
        The former hardly sees errors of short range, the latter hardly those of long range.
    maxiter : int
        The last iterate is returned after so many: still a direction of ascent.
    """
    from scipy.sparse import coo_array

    rows, columns, values = coarse
    size = int(groups.max()) + 1
    factor = _factorise(coo_array((values, (rows, columns)), shape=(size, size)).tocsc())
    if factor is None:
        return None

    def precondition(r):
        return r / diagonal + factor.solve(np.bincount(groups, r, minlength=size))[groups]

    d, r = np.zeros(len(g)), g.copy()
    z = precondition(r)
    p, rz = z, float(r @ z)
    target, total = rtol * rtol * rz, rtol * np.abs(g).sum()
    for _ in range(maxiter):
        if rz <= target and np.abs(r).sum() <= total:
            break
        Hp = product(p)
        curvature = float(p @ Hp)
        if not curvature > 0.0:
            break
        step = rz / curvature
        d += step * p
        r -= step * Hp
        z = precondition(r)
        rz, before = float(r @ z), rz
        p = z + (rz / before) * p
    return d if np.isfinite(d).all() else None


def solve_sparse(compressed, g):
    """Solve H d = g by sparse LU, H given as (indptr, indices, values); None on failure."""
    from scipy.sparse import csc_array

    indptr, indices, values = compressed
    H = csc_array((values, indices, indptr), shape=(len(g), len(g)))
    H.has_canonical_format = True  # there are no duplicates, and SuperLU needs no order of rows
    factor = _factorise(H)
    if factor is None:
        return None
    d = factor.solve(g)
    return d if np.isfinite(d).all() else None
