"""Every router as a function from logits (n, m) to indices (n, k), kept pairs and perhaps a price.

Public names only, as a user would call them; the peers through `ml_apps.moe`.
"""

import numpy as np
import torch

import otopt
from ml_apps.moe.auction import auction
from ml_apps.moe.choice import choose_columns
from ml_apps.moe.paper import solve_semi_dual
from ml_apps.moe.sbase import log_sinkhorn

COLD = {"smoothing": 0.05, "tol": 0.03, "certify": False}


def _top(scores, k):
    best = scores.max(dim=1, keepdim=True) if k == 1 else scores.topk(k, dim=1)
    return best.indices


def top_k(L, k, C):
    return _top(torch.from_numpy(L), k), None, None


def cold(L, k, C):
    """Prices from nothing, as in the first step of `PriceRouter`, and the best experts by them."""
    price = otopt.solve_prices(L, k, **COLD).price
    return otopt.assign(L, price, k).indices, None, price


def cold_repair(L, k, C):
    price = otopt.solve_prices(L, k, **COLD).price
    routing = otopt.assign(L, price, k, C, policy="repair")
    return routing.indices, routing.keep, price


def converged(L, k, C):
    result = otopt.solve_prices(L, k)
    return otopt.assign(L, result.price, k).indices, None, result.price


def frozen(price):
    def run(L, k, C):
        return otopt.assign(L, price, k).indices, None, None

    return run


def warm(price, passes=2):
    def run(L, k, C):
        found = otopt.solve_prices(L, k, passes=passes, warm_start=price, certify=False).price
        return otopt.assign(L, found, k).indices, None, found

    return run


def warm_repair(price, passes=2):
    def run(L, k, C):
        found = otopt.solve_prices(L, k, passes=passes, warm_start=price, certify=False).price
        routing = otopt.assign(L, found, k, C, policy="repair")
        return routing.indices, routing.keep, found

    return run


def quantile(sweeps):
    """Sweeps of quantile balancing (Su 2026) in torch, as production code has them."""

    def run(L, k, C):
        logits = torch.from_numpy(L)
        n, m = logits.shape
        price = logits.new_zeros(m)
        if k < m:
            for _ in range(sweeps):
                level = (logits - price).topk(k + 1, dim=1).values[:, -1:]
                price = (logits - level).topk(C + 1, dim=0).values[-1] if n > C else price
                price = price - price.mean()
        return _top(logits - price, k), None, price.numpy()

    return run


def s_base(iterations):
    def run(L, k, C):
        logits = torch.from_numpy(L)
        potential = log_sinkhorn(logits, iterations)
        return _top(logits + potential, k), None, -potential.numpy()

    return run


def base(L, k, C):
    return auction(torch.from_numpy(L))[:, None], None, None


def paper(L, k, C):
    """Tokens of every expert by 20 Adam steps; padded with -1."""
    probs = torch.from_numpy(L).softmax(dim=1)
    n, m = probs.shape
    _, plan = solve_semi_dual(probs, probs.new_full((m,), n / m), probs.new_ones(n), C)
    chosen, _ = choose_columns(plan, C, torch.ones(n, dtype=torch.bool))
    chosen &= plan > 0
    return chosen, None, None


def pot_emd(L, k, C):
    """The linear programme by POT; an entry of the plan is a token's expert."""
    import ot

    n, m = L.shape
    plan = ot.emd(np.ones(n), np.full(m, n / m), -L.astype(np.float64), numItermax=10**8)
    return torch.from_numpy(plan.argmax(axis=1)[:, None]), None, None
