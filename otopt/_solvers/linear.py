"""Solve the shifted, sparse, positive semidefinite systems of a Newton step."""

import numpy as np

__all__ = ["solve_dense", "solve_sparse"]


def solve_dense(H, g):
    """Solve H d = g by Cholesky; None where H is not numerically positive definite."""
    from scipy.linalg.lapack import dposv

    _, d, info = dposv(H, g, lower=1, overwrite_a=1)
    return d if info == 0 and np.isfinite(d).all() else None


def solve_sparse(I, J, V, g):
    """Solve H d = g for H in triplets by sparse LU with a symmetric ordering; None on failure."""
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import splu

    H = coo_array((V, (I, J)), shape=(len(g), len(g))).tocsc()
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
