"""The problem of one column: project onto a scaled simplex, with a cardinality constraint."""

import numpy as np
from numba import njit

HEAD = 1  # carries mass, cardinality weight 1
TIE = 2  # carries mass, cardinality weight strictly between 0 and 1


@njit(cache=True)
def simplex_threshold(v, n, z):
    """The theta with ``sum(max(v[:n] - theta, 0)) == z`` (Michelot 1986: finite, no sorting)."""
    total = 0.0
    for i in range(n):
        total += v[i]
    count = n
    theta = (total - z) / count
    while True:
        total = 0.0
        above = 0
        for i in range(n):
            if v[i] > theta:
                total += v[i]
                above += 1
        if above == 0:  # z is below the rounding error of v
            return theta
        theta = (total - z) / above
        if above >= count:
            return theta
        count = above


@njit(cache=True)
def _sort_entries_above(x, n, level, order):
    """Indices of the entries of ``x[:n]`` above `level`, by decreasing x, in `order`; how many."""
    count = 0
    for i in range(n):
        if x[i] > level:
            order[count] = i
            count += 1
    if count <= 40:
        for i in range(1, count):
            oi = order[i]
            xi = x[oi]
            q = i - 1
            while q >= 0 and x[order[q]] < xi:
                order[q + 1] = order[q]
                q -= 1
            order[q + 1] = oi
    else:
        chosen = order[:count].copy()
        ranks = np.argsort(-x[chosen], kind="mergesort")
        order[:count] = chosen[ranks]
    return count


@njit(cache=True)
def _tie_block_newton(x, order, count, b, k, reg, mu):
    """Number of heads p, end of the tie block q, price s and shift beta; q = 0 if not settled.

    For given (p, q) the two equations sum t = b and sum eta = k are linear in (s, beta); (p, q)
    is then recounted. Settles in two or three rounds; may cycle in rare cases.
    """
    both = reg + mu
    p, q = k - 1, k + 1
    for _ in range(25):
        heads = 0.0
        for r in range(p):
            heads += x[order[r]]
        ties = 0.0
        for r in range(p, q):
            ties += x[order[r]]
        e = q - p
        w = (k - p) * mu + e * reg
        s = (b - heads / both + p * ties / (e * both)) / (p * w / (e * both) + (k - p))
        beta = (s * w - ties) / e
        p_new, q_new = p, q
        while p_new > 0 and x[order[p_new - 1]] + beta < s * both:
            p_new -= 1
        while p_new < count and x[order[p_new]] + beta >= s * both:
            p_new += 1
        while q_new > 0 and x[order[q_new - 1]] + beta <= s * reg:
            q_new -= 1
        while q_new < count and x[order[q_new]] + beta > s * reg:
            q_new += 1
        if p_new == p and q_new == q:
            return p, q, s, beta
        p = min(p_new, k - 1)
        q = min(max(q_new, k + 1), count)
    return 0, 0, 0.0, 0.0


@njit(cache=True)
def _tie_block_bisection(x, order, count, b, k, reg, mu):
    """As `_tie_block_newton`, by nested bisection on beta and s: slow, cannot cycle."""
    both = reg + mu
    beta_lo = -x[order[0]]
    beta_hi = b * both - x[order[count - 1]]
    s = beta = 0.0
    for _ in range(200):
        beta = 0.5 * (beta_lo + beta_hi)
        positive = 0
        while positive < count and x[order[positive]] + beta > 0.0:
            positive += 1
        s = 0.0
        if positive > k:
            s_lo, s_hi = 0.0, (x[order[0]] + beta) / reg
            for _ in range(200):
                s = 0.5 * (s_lo + s_hi)
                weight = 0.0
                for r in range(positive):
                    weight += min(1.0, max(0.0, ((x[order[r]] + beta) / s - reg) / mu))
                if weight > k:
                    s_lo = s
                else:
                    s_hi = s
        total = 0.0
        for r in range(positive):
            y = x[order[r]] + beta
            if y >= s * both:
                total += y / both
            elif y > s * reg:
                total += (y - s * reg) / mu
        if total > b:
            beta_hi = beta
        else:
            beta_lo = beta
    p = q = 0
    for r in range(count):
        y = x[order[r]] + beta
        p += y >= s * both
        q += y > s * reg
    return min(p, k - 1), min(max(q, k + 1), count), s, beta


@njit(cache=True)
def solve_column(x, n, b, k, reg, mu, order, t, kind):
    r"""Maximise <t, x> - reg/2 ||t||_ksup^2 - mu/2 ||t||^2 over t >= 0, sum t = b, on ``x[:n]``.

    With y = x + beta the solution is y/(reg+mu) on the heads (y >= s (reg+mu)), (y - s reg)/mu on
    the ties (s reg < y < s (reg+mu)) and 0 elsewhere; (beta, s) solve sum t = b and sum eta = k,
    where the cardinality weight eta is 1 on heads and (y - s reg)/(s mu) on ties.

    Writes t and kind (0, HEAD, TIE); returns (heads, ties, threshold, value). An entry that is
    not listed stays at zero as long as its x does not exceed the threshold.
    """
    both = reg + mu
    theta = simplex_threshold(x, n, b * both)
    first = 0
    positive = 0
    for i in range(n):
        if x[i] > x[first]:
            first = i
        positive += x[i] > theta
        t[i] = 0.0
        kind[i] = 0
    top = x[first]
    value = b * top
    if positive == 0:  # the mass is below the rounding error of x
        t[first] = b
        kind[first] = HEAD
        return 1, 0, top, value
    if positive <= k:
        for i in range(n):
            if x[i] > theta:
                t[i] = (x[i] - theta) / both
                kind[i] = HEAD
                value += t[i] * (x[i] - top - 0.5 * both * t[i])
        return positive, 0, theta, value

    # The cardinality price s >= 0 only raises the threshold: entries below theta stay out.
    count = _sort_entries_above(x, n, theta, order)
    largest = 0.0
    for r in range(k):
        largest += x[order[r]]
    theta = (largest - b * both) / k
    kth = x[order[k - 1]] - theta
    if kth > 0.0 and (x[order[k]] - theta) * both <= kth * reg:  # no tie at the k-th place
        for r in range(k):
            i = order[r]
            t[i] = (x[i] - theta) / both
            kind[i] = HEAD
            value += t[i] * (x[i] - top - 0.5 * both * t[i])
        return k, 0, theta + kth * reg / both, value

    p, q, s, beta = _tie_block_newton(x, order, count, b, k, reg, mu)
    if q == 0:
        p, q, s, beta = _tie_block_bisection(x, order, count, b, k, reg, mu)
    tied = 0.0
    for r in range(q):
        i = order[r]
        y = x[i] + beta
        if r < p:
            t[i] = y / both
            kind[i] = HEAD
            value += t[i] * (x[i] - top - 0.5 * both * t[i])
        else:
            t[i] = max((y - s * reg) / mu, 0.0)
            kind[i] = TIE
            tied += t[i]
            value += t[i] * (x[i] - top - 0.5 * mu * t[i])
    value -= 0.5 * reg * tied * tied / (k - p)
    return p, q - p, s * reg - beta, value
