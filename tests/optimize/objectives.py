"""Objectives of the tests of pattern_search, and what they are compared by."""

import numpy as np

CENTRE = np.array([1.0, -2.0, 0.5])


def bowl(x):
    return float(((x - CENTRE) ** 2 * [1, 10, 100]).sum())


class Counted:
    """Remembers every point."""

    def __init__(self, fun):
        self.fun, self.points = fun, []

    def __call__(self, x):
        self.points.append(np.array(x))
        return self.fun(x)


def same(a, b):
    assert a.fun == b.fun
    assert a.nfev == b.nfev
    assert a.nit == b.nit
    assert a.status == b.status
    np.testing.assert_array_equal(a.x, b.x)
