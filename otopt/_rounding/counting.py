"""When no k-sparse plan can exist, whatever the cost: known before iterating."""

import numpy as np

__all__ = ["has_room", "proof_of_infeasibility", "smallest_count", "smallest_support"]

ENUMERABLE = 14  # lines whose subset sums can be listed
COINCIDENCE = 1e-9  # share of the mass up to which two sums are equal


def _balanced_parts(a, b):
    """Upper bound on the parts into which rows and columns split with equal sums.

    A plan whose support has c connected components splits the problem into c balanced parts and
    has at least n + m - c nonzeros.
    """
    n, m = len(a), len(b)
    tol = COINCIDENCE * a.sum()
    if np.ptp(a) <= tol / n and np.ptp(b) <= tol / m:
        return int(np.gcd(n, m))
    if n <= ENUMERABLE and m <= ENUMERABLE:
        return min(n, m) if _has_balanced_part(a, b, tol) else 1
    if _commensurable(a, b) or _equal_pair(a, b, 1e-14 * a.sum()):
        return min(n, m)
    return 1


def _subset_sums(x):
    sums = np.zeros(1)
    for value in x:
        sums = np.concatenate([sums, sums + value])
    return sums


def _has_balanced_part(a, b, tol):
    """Whether a proper, nonempty subset of rows has the sum of one of columns."""
    rows = np.sort(_subset_sums(a)[1:-1])
    columns = _subset_sums(b)[1:-1]
    if len(rows) == 0 or len(columns) == 0:
        return False
    nearest = np.searchsorted(rows, columns)
    below = np.abs(rows[np.maximum(nearest - 1, 0)] - columns)
    above = np.abs(rows[np.minimum(nearest, len(rows) - 1)] - columns)
    return bool(np.minimum(below, above).min() <= tol)


def _commensurable(a, b):
    """Whether all masses are small multiples of a common unit, as counts are."""
    unit = min(a.min(), b.min())
    for divisor in range(1, 13):
        multiples = np.concatenate([a, b]) * (divisor / unit)
        if np.abs(multiples - np.rint(multiples)).max() <= 1e-9 * multiples.max():
            return True
    return False


def _equal_pair(a, b, tol):
    rows = np.sort(a)
    nearest = np.searchsorted(rows, b)
    below = np.abs(rows[np.maximum(nearest - 1, 0)] - b)
    above = np.abs(rows[np.minimum(nearest, len(rows) - 1)] - b)
    return bool(np.minimum(below, above).min() <= tol)


def _columns_needed(a, b):
    """Per row the fewest columns whose masses can hold it."""
    capacity = np.cumsum(np.sort(b)[::-1]) + COINCIDENCE * a.sum()
    return np.searchsorted(capacity, a) + 1


def _rows_needed(a, b):
    """Per column the fewest rows whose masses can fill it."""
    return _columns_needed(b, a)


def smallest_support(a, b):
    """Fewest nonzeros of any plan, as far as counting knows."""
    return max(len(a) + len(b) - _balanced_parts(a, b), int(_columns_needed(a, b).sum()))


def has_room(a, b, k):
    """Whether the sum of k (m,) exceeds the count by a tenth: near it, luck decides."""
    slots = int(np.broadcast_to(k, len(b)).sum())
    most = max(len(a) + len(b) - 1, int(_columns_needed(a, b).sum()))
    # `smallest_support` is at most that, and dearer.
    return slots >= 1.1 * most or slots >= 1.1 * smallest_support(a, b)


def smallest_count(a, b):
    """Smallest k, the same for every column, that counting and capacities allow."""
    return max(-(-smallest_support(a, b) // len(b)), int(_rows_needed(a, b).max()))


def proof_of_infeasibility(a, b, k):
    """One sentence that proves that no k-sparse plan exists, k (m,) or one for all, or None."""
    n, m = len(a), len(b)
    k = np.broadcast_to(k, m)
    short = _rows_needed(a, b) - k
    if short.max() > 0:
        j = int(short.argmax())
        return f"column {j} needs {int(short[j] + k[j])} rows to be filled"
    slots = int(k.sum())
    allowed = f"k * m = {slots}" if (k == k[0]).all() else f"all k add up to {slots}"
    arcs = int(_columns_needed(a, b).sum())
    if arcs > slots:
        return f"the rows need {arcs} nonzeros and {allowed}"
    parts = _balanced_parts(a, b)
    if n + m - parts > slots:
        return (
            f"marginals in general position need n + m - {parts} = {n + m - parts} nonzeros "
            f"and {allowed}"
        )
    return None
