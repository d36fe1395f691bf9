"""The rows of `otopt.solve_prices` as a differentiable function."""

from __future__ import annotations

import torch

from otopt._backend import check_dense, torch_kernels
from otopt._core.validation import as_real
from otopt.ot._price_input import as_count

__all__ = ["capped_simplex"]


class _CappedSimplex(torch.autograd.Function):
    """Projection whose Jacobian is that of its free entries, ``(I - 1 1' / f) / reg``."""

    @staticmethod
    def forward(ctx, x, k, reg):
        p, free = torch_kernels("prices").capped_rows(x, k, reg)
        ctx.save_for_backward(free)
        ctx.reg = reg
        return p

    @staticmethod
    def backward(ctx, outer):  # pyright: ignore[reportIncompatibleMethodOverride]
        (free,) = ctx.saved_tensors
        count = free.sum(dim=1, keepdim=True).clamp(min=1)
        masked = torch.where(free, outer, 0)
        mean = masked.sum(dim=1, keepdim=True) / count
        return torch.where(free, masked - mean, 0) / ctx.reg, None, None


def capped_simplex(x, k=1, reg=1.0):
    r"""Spread every row over its largest entries, differentiably.

    .. math:: \arg\max_p\ \langle x_i, p\rangle - \tfrac{\mathrm{reg}}2\|p\|^2 \quad\text{s.t.}\quad
        0\le p\le 1,\ \sum_j p_j = k

    These are the rows of the smoothed problem of `otopt.solve_prices` at ``x = scores - price``;
    sparsemax for k = 1. Differentiable any number of times; where entries tie at the edge of the
    support one of the one-sided derivatives is used.

    Parameters
    ----------
    x : Tensor, shape (n, m)
        Any device; finite.
    k : int
        Sum of every row, in 1..m.
    reg : float
        Smoothing, > 0. The smaller, the closer to 1 for the k largest entries and 0 elsewhere.

    Returns
    -------
    Tensor, shape (n, m)
        In [0, 1] with row sums k.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above.

    Notes
    -----
    Sorts the rows: O(n m log m).

    References
    ----------
    .. [1] A. F. T. Martins, R. Astudillo, "From softmax to sparsemax", ICML 2016,
       :doi:`10.48550/arXiv.1602.02068`.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import capped_simplex
    >>> capped_simplex(torch.tensor([[2.0, 1.8, 0.0]]), k=1, reg=1.0)
    tensor([[0.6000, 0.4000, 0.0000]])
    """
    if not isinstance(x, torch.Tensor) or not x.is_floating_point() or x.ndim != 2:
        got = tuple(x.shape) if isinstance(x, torch.Tensor) else type(x).__name__
        message = f"capped_simplex: `x` must be a tensor of floats with two axes; got {got}."
        raise TypeError(message)
    if x.shape[1] == 0:
        message = "capped_simplex: `x` must have at least one column; got none."
        raise ValueError(message)
    check_dense("capped_simplex", "x", x)
    k = as_count("capped_simplex", "k", k, x.shape[1])
    reg = as_real("capped_simplex", "reg", reg, low=0, strict=True, sized=True)
    return _CappedSimplex.apply(x, k, reg)
