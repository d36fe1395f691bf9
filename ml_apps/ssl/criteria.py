r"""Both sides of the duality of Garrido et al. (2023), for embeddings with rows = samples.

Thm 3.3: for any Z of shape (n, d), with rows z_i. and columns z_.j,

    sum_{j != k} (Z'Z)_jk^2 + sum_j |z_.j|^4 = sum_{i != l} (ZZ')_il^2 + sum_i |z_i.|^4,

both being the squared Frobenius norm of Z'Z. Pushing dimensions apart and pushing samples apart
differ by norms only; where rows and columns have fixed norms (`double_normalize`), by a constant.
"""

import torch

from ml_apps.ssl import terms
from ml_apps.ssl._check import positive

__all__ = ["dimension_contrastive", "double_normalize", "duality_gap", "sample_contrastive"]


def sample_contrastive(z):
    """Sum of squared inner products of different samples: Def. 3.2, ``L_c``.

    Parameters
    ----------
    z : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()
    """
    return terms.without_diagonal(z @ z.T).square().sum()


def dimension_contrastive(z):
    """Sum of squared inner products of different dimensions: Def. 3.2, ``L_nc``.

    Parameters
    ----------
    z : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()
    """
    return sample_contrastive(z.T)


def duality_gap(z):
    """``L_nc + sum_j |z_.j|^4 - L_c - sum_i |z_i.|^4``: zero for every `z`.

    Parameters
    ----------
    z : Tensor, shape (n, d)

    Returns
    -------
    Tensor, shape ()

    Examples
    --------
    >>> import torch
    >>> from ml_apps.ssl.criteria import duality_gap
    >>> duality_gap(torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])).item()
    0.0
    """
    rows, columns = z.square().sum(dim=1), z.square().sum(dim=0)
    return (
        dimension_contrastive(z)
        + columns.square().sum()
        - sample_contrastive(z)
        - rows.square().sum()
    )


def double_normalize(z, *, norm=1.0, tol=1e-12):
    """Scale rows and columns so that all rows have one norm and all columns another.

    Rows get the norm `norm` and columns ``norm sqrt(n / d)``; the squares then are a transport plan
    between samples and dimensions: `otopt.nn.sinkhorn_plan` finds it, in double precision on the
    CPU, with implicit gradients. On such embeddings ``L_c = L_nc + n (n / d - 1) norm^4``: the two
    criteria are one loss.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    norm : float
        Of the rows, > 0.
    tol : float
        Accepted error of the squared norms, relative to their sum.

    Returns
    -------
    Tensor, shape (n, d)
        Of the signs of `z`.

    Raises
    ------
    ValueError
        If a row or column is 0, or another argument is wrong.

    Warns
    -----
    ConvergenceWarning
        Where zeros of `z` leave no solution or `tol` was not reached.

    Notes
    -----
    R. Sinkhorn and P. Knopp, Concerning nonnegative matrices and doubly stochastic matrices,
    Pacific Journal of Mathematics 21, 1967, :doi:`10.2140/pjm.1967.21.343`.
    """
    positive("double_normalize", norm=norm)
    squares = z.square()
    if z.ndim != 2 or not bool((squares.sum(dim=0) > 0).all() & (squares.sum(dim=1) > 0).all()):
        raise ValueError(
            "double_normalize: z must be a matrix without rows or columns of zeros; got shape "
            f"{tuple(z.shape)}; leave such dimensions out"
        )
    from otopt.nn import sinkhorn_plan

    n, d = z.shape
    z64 = z.double()
    cost = -torch.log(z64.square().clamp_min(1e-300))
    rows = torch.full((n,), norm**2, dtype=torch.float64)
    columns = torch.full((d,), norm**2 * n / d, dtype=torch.float64)
    plan = sinkhorn_plan(rows, columns, cost, reg=1.0, tol=tol)
    return (torch.sign(z64) * torch.sqrt(plan.clamp_min(1e-300))).to(z.dtype)
