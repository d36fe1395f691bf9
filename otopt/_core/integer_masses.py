"""Masses as integers: sums and differences are exact, and zero is zero."""

import math

import numpy as np

__all__ = ["integer_masses"]

BITS = 60  # of the total: the rounding is far below that of the masses, and sums fit 64 bits
EXACT = 2.0**53


def integer_masses(a, b):
    """Integers in proportion to `a` and `b`, which have equal sums, and the mass of one unit.

    Exact for integers and where all positive entries of a vector are equal, so that ties between
    partial sums stay ties; otherwise rounded at `BITS` bits of the total, and entries below that
    become 0. The sums of both are equal.
    """
    positive_a, positive_b = a[a > 0], b[b > 0]
    if (positive_a == positive_a[0]).all() and (positive_b == positive_b[0]).all():
        n, m = len(positive_a), len(positive_b)
        common = math.gcd(n, m)
        supply = np.where(a > 0, m // common, 0)
        demand = np.where(b > 0, n // common, 0)
        return supply, demand, float(positive_a[0]) / (m // common)
    total = float(a.sum())
    if total < EXACT and (np.rint(a) == a).all() and (np.rint(b) == b).all():
        supply, demand = a.astype(np.int64), b.astype(np.int64)
        if supply.sum() == demand.sum():
            return supply, demand, 1.0
    scale = 2.0**BITS
    supply = np.rint(a / total * scale).astype(np.int64)
    demand = np.rint(b / float(b.sum()) * scale).astype(np.int64)
    difference = int(supply.sum()) - int(demand.sum())
    demand[np.argmax(demand)] += difference
    return supply, demand, total / scale
