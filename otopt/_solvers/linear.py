"""Solve the shifted, sparse, positive semidefinite systems of a Newton step."""

import numpy as np

__all__ = ["solve_dense", "solve_sparse"]


def solve_dense(H, g):
    """Solve H d = g by Cholesky; None where H is not numerically positive definite."""
    from scipy.linalg import lapack

    _, d, info = lapack.dposv(H, g, lower=1, overwrite_a=1)  # pyright: ignore
    return d if info == 0 and np.isfinite(d).all() else None


def solve_sparse(compressed, g):
    """Solve H d = g by sparse LU, H given as (indptr, indices, values); None on failure."""
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    indptr, indices, values = compressed
    H = csc_array((values, indices, indptr), shape=(len(g), len(g)))
    try:
        factor = splu(
            H,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:  # exactly singular
        return None
    d = factor.solve(g)
    return d if np.isfinite(d).all() else None
