"""Column prices from a smoothed dual, where the network simplex would start from nothing.

Few columns: each must draw far more mass than its cheapest rows hold, and starts that know no
prices cost the simplex up to a hundred times more pivots.
"""

import numpy as np

from otopt._backend import kernels as select_kernels
from otopt._oracles.price_dual import PriceDual
from otopt._solvers.prices import diagonal_passes, sinkhorn_prices

__all__ = ["price_start"]

ROWS = 32  # for each column, that the prices are computed from
FIRST, SCALINGS = 0.25, 5  # smoothing over the spread of the cost, and scaling iterations there
LAST, PASSES = 0.05, 3
BALANCED = 0.65
TIES = 1e-6  # of the spread: costs that differ by less share a row


def price_start(C, supply, demand, *, balanced=BALANCED):
    """Potentials of the columns (m,); None where every row may as well begin at its cheapest one.

    Parameters
    ----------
    C : ndarray, shape (n, m)
    supply, demand : ndarray, shape (n,), (m,)
        Positive, of equal sum.
    balanced : float
        As long as rows at their cheapest columns miss the demand by no more of the mass, in L1
        norm, there is nothing to gain.
    """
    n, m = C.shape
    stride = max(1, n // (ROWS * m))
    sample = slice(stride // 2, None, stride)
    with np.errstate(over="ignore"):  # of what single precision cannot hold
        scores = np.negative(C[sample], dtype=np.float32)
    if not np.isfinite(scores).all():
        return None
    weight = supply[sample] / supply[sample].sum()
    dual = PriceDual(
        kernels=select_kernels("prices"), S=scores, weight=weight, k=1, nnz=m,
        capacity=demand / demand.sum(), equality=True,
    )  # fmt: skip
    _, mean, spread = dual.moments()
    if not spread > 0:
        return None
    cheapest = scores.max(axis=0).astype(float)
    load, _ = dual.curvature(cheapest, TIES * spread)
    if np.abs(load - dual.capacity).sum() <= balanced:
        return None
    q = sinkhorn_prices(dual, mean, FIRST * spread, SCALINGS)
    q, *_ = diagonal_passes(dual, q, LAST * spread, PASSES)
    return -q if np.isfinite(q).all() else None
