"""The problem of one column: project onto a scaled simplex, with a cardinality constraint."""

import numpy as np
from numba import njit

from ._numba_few import FEW, above, rank, reaching, sums, tally
from ._numba_leaf import leaf, makes_arrays

HEAD = 1  # carries mass, cardinality weight 1
TIE = 2  # carries mass, cardinality weight strictly between 0 and 1
DEEPER = 1.5  # a column is searched this much deeper than its last threshold
SETTLING = 25  # rounds of Newton's method, after which a tie block is searched


@leaf
def _michelot(v, n, z):
    """The theta of `simplex_threshold`, and the entries it comes from: above a level, how many."""
    theta = -np.inf
    count = n + 1.0
    while True:
        level = theta
        total, inside = tally(v, n, level)
        if inside == 0.0:  # z is below the rounding error of v
            return theta, level, inside
        theta = (total - z) / inside
        if inside >= count:
            return theta, level, inside
        count = inside


@leaf
def threshold_in_lanes(v, n, z):
    """As `simplex_threshold`, faster; the last bit depends on all entries."""
    return _michelot(v, n, z)[0]


@leaf
def simplex_threshold(v, n, z):
    """The theta with ``sum(max(v[:n] - theta, 0)) == z`` (Michelot 1986: finite, no sorting).

    Summed in order: no bit depends on which entries below theta are listed beside those above.
    """
    theta, level, inside = _michelot(v, n, z)
    if inside == 0.0:
        return theta
    total = 0.0
    for i in range(n):  # without a branch
        total += v[i] if v[i] > level else 0.0
    return (total - z) / inside


@leaf
def entries_above(x, n, level, order, v):
    """Indices and values of the entries of ``x[:n]`` above `level`, in order; how many."""
    count = 0
    for i in range(n):
        # Written without a branch: whether an entry counts is as good as random.
        order[count] = i
        v[count] = x[i]
        count += x[i] > level
    return count


@makes_arrays
def _sort(v, count, order):
    ranks = np.argsort(-v[:count], kind="mergesort")
    v[:count] = v[:count][ranks]
    order[:count] = order[:count][ranks]


@leaf
def keep_above(v, order, n, level):
    """Keep the entries of ``v[:n]`` above `level`, `order` along; how many."""
    count = 0
    for q in range(n):
        x, i = v[q], order[q]
        v[count], order[count] = x, i  # without a branch
        count += x > level
    return count


@leaf
def sort_entries(v, count, order):
    """Bring ``v[:count]`` in decreasing order, `order` along."""
    if count <= 40:
        for q in range(1, count):
            vq = v[q]
            oq = order[q]
            r = q - 1
            while r >= 0 and v[r] < vq:
                v[r + 1] = v[r]
                order[r + 1] = order[r]
                r -= 1
            v[r + 1] = vq
            order[r + 1] = oq
    else:
        _sort(v, count, order)


@leaf
def _tie_block_newton(v, count, b, k, reg, mu):
    """Number of heads p, end of the tie block q, price s and shift beta; q = 0 if not settled.

    For given (p, q) the two equations sum t = b and sum eta = k are linear in (s, beta); (p, q)
    is then recounted. Settles in two or three rounds; may cycle in rare cases.
    """
    both = reg + mu
    p, q = k - 1, k + 1
    for _ in range(SETTLING):
        heads = 0.0
        for r in range(p):
            heads += v[r]
        ties = 0.0
        for r in range(p, q):
            ties += v[r]
        e = q - p
        w = (k - p) * mu + e * reg
        s = (b - heads / both + p * ties / (e * both)) / (p * w / (e * both) + (k - p))
        beta = (s * w - ties) / e
        p_new, q_new = p, q
        while p_new > 0 and v[p_new - 1] + beta < s * both:
            p_new -= 1
        while p_new < count and v[p_new] + beta >= s * both:
            p_new += 1
        while q_new > 0 and v[q_new - 1] + beta <= s * reg:
            q_new -= 1
        while q_new < count and v[q_new] + beta > s * reg:
            q_new += 1
        if p_new == p and q_new == q:
            return p, q, s, beta
        p = min(p_new, k - 1)
        q = min(max(q_new, k + 1), count)
    return 0, 0, 0.0, 0.0


@leaf
def _tie_block_search(v, count, b, k, reg, mu):
    """As `_tie_block_newton`, by trying every (p, q): slow, cannot cycle.

    The pair that violates its own order conditions least is the solution.
    """
    both = reg + mu
    best = np.inf
    p = q = 0
    s = beta = 0.0
    heads = 0.0  # sums of v - v[0]: no digits are lost where all v are large
    for p_try in range(k):
        last_head = v[p_try - 1] - v[0] if p_try > 0 else np.inf
        first_tie = v[p_try] - v[0]
        ties = 0.0
        for r in range(p_try, k):
            ties += v[r] - v[0]
        for q_try in range(k + 1, count + 1):
            last_tie = v[q_try - 1] - v[0]
            next_entry = v[q_try] - v[0] if q_try < count else -np.inf
            ties += last_tie
            e = q_try - p_try
            w = (k - p_try) * mu + e * reg
            slope = p_try * w / (e * both) + (k - p_try)
            s_try = (b - heads / both + p_try * ties / (e * both)) / slope
            beta_try = (s_try * w - ties) / e
            head_level = s_try * both - beta_try
            level = s_try * reg - beta_try
            heads_off = max(head_level - last_head, first_tie - head_level)
            ties_off = max(level - last_tie, next_entry - level)
            violation = max(heads_off, ties_off)
            if violation < best:
                best, p, q, s, beta = violation, p_try, q_try, s_try, beta_try
        heads += first_tie
    return p, q, s, beta - v[0]


@njit(cache=True)
def window_floor(top, window):
    """A level that no threshold is below: one entry alone has top - window, more only raise it.

    Lowered by rounding, so that even a window of (nearly) zero width holds the maximum.
    """
    return top - window - (1e-15 * (abs(top) + window) + 1e-300)


@leaf
def solve_column(x, n, top, depth, b, k, reg, mu, v, order, t, kind):
    r"""Maximise <t, x> - reg/2 ||t||_ksup^2 - mu/2 ||t||^2 over t >= 0, sum t = b, on ``x[:n]``.

    With y = x + beta the solution is y/(reg+mu) on the heads (y >= s (reg+mu)), (y - s reg)/mu on
    the ties (s reg < y < s (reg+mu)) and 0 elsewhere; (beta, s) solve sum t = b and sum eta = k,
    where the cardinality weight eta is 1 on heads and (y - s reg)/(s mu) on ties.

    Arguments as of `search_column`. Writes t and kind (0, HEAD, TIE); returns (heads, ties,
    threshold, value). An entry that is not listed stays at zero as long as its x does not exceed
    the threshold.
    """
    t[:] = 0.0
    kind[:] = 0
    p, e, level = search_column(x, n, top, depth, b, k, reg, mu, v, order)
    value = b * top
    tied = 0.0
    for r in range(p + e):
        i = order[r]
        t[i] = v[r]
        kind[i] = HEAD if r < p else TIE
        own = reg + mu if r < p else mu
        value += v[r] * (x[i] - top - 0.5 * own * v[r])
        tied += v[r] if r >= p else 0.0
    if e > 0:
        value -= 0.5 * reg * tied * tied / (k - p)
    return p, e, level, value


@leaf
def search_column(x, n, top, depth, b, k, reg, mu, v, order):
    """Solution of `solve_column`: masses in v, their indices in `order`, heads before ties.

    `top` is the maximum of ``x[:n]``; v and `order`, with room for n and for `ROOM` entries, may
    hold anything before. The last threshold was `depth` below the maximum (inf where there was
    none): entries are looked for there first, then wherever mass can be.

    Returns (heads, ties, threshold).
    """
    lowest = window_floor(top, b * (reg + mu))
    floor = max(lowest, window_floor(top, DEEPER * depth))
    is_first = True
    while True:
        count = entries_above(x, n, floor, order, v)
        if count <= FEW:
            p, e, level = _solve_few(v, order, count, top, b, k, reg, mu)
        else:
            p, e, level = _solve_many(v, order, count, top, b, k, reg, mu)
        if level >= floor or floor == lowest:
            return p, e, level
        # The entries left out raise the level, as a rule: where they lower it, all are looked at.
        floor = max(lowest, window_floor(level, 0.0)) if is_first else lowest
        is_first = False


@leaf
def _solve_few(v, order, count, top, b, k, reg, mu):
    """As `_solve_many`, of up to `FEW` entries."""
    both = reg + mu
    window = b * both
    rank(v, order, count, top)
    positive = sums(v, window)
    if positive == 0:  # a window too small for a number
        v[0] = b
        return 1, 0, top
    used = min(positive, k)
    theta = (v[FEW + used] - window) / used
    level = theta
    if positive > k:
        # The cardinality price s >= 0 only raises the threshold: entries below theta stay out.
        kth = v[k - 1] - theta
        if not (kth > 0.0 and (v[k] - theta) * both <= kth * reg):
            return _solve_ties(v, positive, top, b, k, reg, mu)
        level += kth * reg / both
    for r in range(FEW):
        v[r] = max((v[r] - theta) / both, 0.0)
    return used, 0, top + level


@leaf
def _solve_ties(v, count, top, b, k, reg, mu):
    """`_solve_few` where entries tie for the last place."""
    both = reg + mu
    p, q = k - 1, k + 1
    s = beta = 0.0
    for _ in range(SETTLING):  # as `_tie_block_newton`
        heads, e = v[FEW + p], q - p
        ties = v[FEW + q] - heads
        w = (k - p) * mu + e * reg
        s = (b * (e * both) - e * heads + p * ties) / (p * w + (k - p) * (e * both))
        beta = (s * w - ties) / e
        p_new, q_new = reaching(v, s * both - beta), min(above(v, s * reg - beta), count)
        if p_new == p and q_new == q:
            break
        p, q = min(p_new, k - 1), max(q_new, k + 1)
    else:
        p, q, s, beta = _tie_block_search(v, count, b, k, reg, mu)
    tie = s * reg - beta
    for r in range(p):
        v[r] = (v[r] + beta) / both
    for r in range(p, q):
        v[r] = max((v[r] - tie) / mu, 0.0)
    return p, q - p, top + tie


@leaf
def _solve_many(v, order, count, top, b, k, reg, mu):
    """As `search_column`, of the entries ``v[:count]`` with the indices ``order[:count]`` alone.

    Right if the threshold returned is not below an entry left out.
    """
    both = reg + mu
    window = b * both
    theta = threshold_in_lanes(v, count, window)
    if not theta < top:  # the mass is below the rounding error of v
        order[0] = order[v[:count].argmax()]
        v[0] = b
        return 1, 0, top
    positive = keep_above(v, order, count, theta)
    if positive <= FEW:  # sums anew: no bit may hang on which other entries are listed
        return _solve_few(v, order, positive, top, b, k, reg, mu)
    if positive <= k:
        theta = simplex_threshold(v, positive, window)
        for r in range(positive):
            v[r] = max((v[r] - theta) / both, 0.0)
        return positive, 0, theta

    # As in `_solve_few`.
    count = positive
    sort_entries(v, count, order)
    largest = 0.0
    for r in range(k):
        largest += v[r]
    theta = (largest - window) / k
    kth = v[k - 1] - theta
    if kth > 0.0 and (v[k] - theta) * both <= kth * reg:
        for r in range(k):
            v[r] = (v[r] - theta) / both
        return k, 0, theta + kth * reg / both

    p, q, s, beta = _tie_block_newton(v, count, b, k, reg, mu)
    if q == 0:
        p, q, s, beta = _tie_block_search(v, count, b, k, reg, mu)
    for r in range(q):
        y = v[r] + beta
        v[r] = y / both if r < p else max((y - s * reg) / mu, 0.0)
    return p, q - p, s * reg - beta


@leaf
def write_column(j, v, order, count, theta, b, reg, value, beta, rows, mass):
    """Write column j of a semi-dual without proximal term: its best entries are ``v[:count]``.

    Masses are (v - theta) / reg, and all of b on one entry without curvature.
    """
    total = 0.0
    used = 0
    for q in range(count):
        t = (v[q] - theta) / reg if reg > 0.0 else b
        if t > 0.0:
            rows[j, used] = order[q]
            mass[j, used] = t
            total += t * (v[q] - theta - 0.5 * reg * t)
            used += 1
    value[j] = total + b * theta
    beta[j] = -theta
    for q in range(used, rows.shape[1]):
        rows[j, q] = -1
        mass[j, q] = 0.0
