"""minimize: one table for our methods and scipy's."""

import numpy as np
import pytest
from scipy.optimize import rosen

import otopt


@pytest.mark.parametrize(
    "method", ["pattern-search", "Pattern_Search", "nelder-mead", "COBYQA", otopt.pattern_search]
)
def test_one_word_changes_the_optimiser(method):
    result = otopt.minimize(rosen, [-1.2, 1.0], method=method, options={"maxfev": 1000})
    np.testing.assert_allclose(result.x, 1, atol=1e-3)


def test_our_methods_take_keywords_and_options_alike():
    a = otopt.minimize(rosen, [-1.2, 1.0], maxfev=40)
    b = otopt.minimize(rosen, [-1.2, 1.0], options={"maxfev": 40})
    assert a.fun == b.fun
    assert a.nfev == 40
    c = otopt.minimize(rosen, method="guess-and-check", bounds=[(0, 1)] * 2, max_candidates=30)
    assert c.nit == 30


@pytest.mark.parametrize(
    ("arguments", "kind", "match"),
    [
        ({"method": "patern-search"}, ValueError, "did you mean 'pattern-search'"),
        ({"method": 3}, TypeError, "name or a callable"),
        ({"maxfevs": 3}, TypeError, "did you mean 'maxfev'"),
        ({"method": "Powell", "x0": None}, ValueError, "`x0` must be given"),
    ],
)
def test_bad_input(arguments, kind, match):
    with pytest.raises(kind, match=match):
        otopt.minimize(**({"fun": rosen, "x0": [0.0, 0.0]} | arguments))
