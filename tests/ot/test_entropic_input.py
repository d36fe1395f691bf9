"""Bad input is refused by name before any work; unusual input works."""

import numpy as np
import pytest

import otopt

A, B, C = np.full(4, 0.25), np.full(5, 0.2), np.arange(20.0).reshape(4, 5) % 7
X, Y = np.arange(8.0).reshape(4, 2), np.arange(10.0).reshape(5, 2)
NAN, INF = float("nan"), float("inf")


def changed(array, value):
    array = array.copy()
    array.flat[1] = value
    return array


BAD = {
    "a too short": ((A[:3], B, C), {}, "`a`"),
    "unequal masses": ((A, 2 * B, C), {}, "marginal_penalty"),
    "negative mass": ((changed(A, -0.25), B, C), {}, r"`a`.*a\[1\]"),
    "nan cost": ((A, B, changed(C, NAN)), {}, r"`C`.*C\[0, 1\]"),
    "inf cost": ((A, B, changed(C, INF)), {}, "`C`"),
    "no mass": ((0 * A, 0 * B, C), {}, "`a`"),
    "reg zero": ((A, B, C), {"reg": 0.0}, "`reg`"),
    "reg nan": ((A, B, C), {"reg": NAN}, "`reg`"),
    "reg text": ((A, B, C), {"reg": "much"}, "`reg`"),
    "tol zero": ((A, B, C), {"tol": 0.0}, "`tol`"),
    "maxiter zero": ((A, B, C), {"maxiter": 0}, "`maxiter`"),
    "workers zero": ((A, B, C), {"workers": 0}, "`workers`"),
    "callback no function": ((A, B, C), {"callback": 1}, "`callback`"),
    "option unknown": ((A, B, C), {"options": {"anneal_form": 1}}, "did you mean 'anneal_from'"),
    "warm start no result": ((A, B, C), {"warm_start": A}, "`warm_start`"),
    "no cost": ((A, B), {}, "`C`"),
    "one cloud": ((A, B), {"X": X}, "`X` and `Y`"),
    "cost and clouds": ((A, B, C), {"X": X, "Y": Y}, "got `C` with points"),
    "points of a line": ((A, B), {"X": X[:, 0], "Y": Y[:, 0]}, r"`X`.*\[:, None\]"),
    "nan point": ((A, B), {"X": X, "Y": changed(Y, NAN)}, r"`Y`.*Y\[0, 1\]"),
    "dimensions": ((A, B), {"X": X, "Y": Y[:, :1]}, "same number of columns"),
    "metric unknown": ((A, B), {"X": X, "Y": Y, "metric": "cosine"}, "`metric`"),
    "penalty zero": ((A, B, C), {"marginal_penalty": 0.0}, "`marginal_penalty`"),
    "penalty triple": ((A, B, C), {"marginal_penalty": (1, 2, 3)}, "`marginal_penalty`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case):
    args, kwargs, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^sinkhorn: .*{text}"):
        otopt.sinkhorn(*args, **{"reg": 0.1} | kwargs)


def frozen(array):
    array = array.copy()
    array.setflags(write=False)
    return array


GOOD = {
    "lists": (A.tolist(), B.tolist(), C.tolist()),
    "float32": (A.astype(np.float32), B.astype(np.float32), C.astype(np.float32)),
    "integer cost": (A, B, C.astype(int)),
    "integer masses": (np.full(4, 5), np.full(5, 4), C),
    "boolean cost": (A, B, C > 3),
    "read-only": (frozen(A), frozen(B), frozen(C)),
    "fortran order": (A, B, np.asfortranarray(C)),
    "non-contiguous": (np.repeat(A, 2)[::2], B[::-1], np.repeat(C, 2, axis=1)[:, ::2]),
    "zero weights": (np.array([0.5, 0, 0.5, 0]), np.array([0, 0.5, 0.25, 0.25, 0]), C),
    "one row": ([1.0], B, C[:1]),
    "one column": (A, [1.0], C[:, :1]),
    "one entry": ([2.0], [2.0], [[3.0]]),
    "constant cost": (A, B, np.full((4, 5), 7.0)),
    "zero cost": (A, B, np.zeros((4, 5))),
    "tiny": (1e-12 * A, 1e-12 * B, 1e-12 * C),
    "huge": (1e12 * A, 1e12 * B, 1e12 * C),
    "negligible mass": (np.array([0.5, 0.5 - 1e-17, 1e-17, 0.0]), B, C),
    "small mass": (np.array([0.5, 0.5 - 1e-12, 0.6e-12, 0.4e-12]), B, C),
    "tall": (np.full(40, 1 / 40), B, np.tile(C, (10, 1))),
}


@pytest.mark.reference
@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("relative", [0.1, 1e-3])
def test_unusual_input_works_and_is_not_modified(case, relative):
    a, b, cost = GOOD[case]
    before = [np.array(x, copy=True) for x in (a, b, cost)]
    reg = relative * (float(np.max(cost)) or 1.0)
    result = otopt.sinkhorn(a, b, cost, reg=reg)
    assert result.success, result
    for array, copy in zip((a, b, cost), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    a, b = np.asarray(a, float), np.asarray(b, float)
    b = b * (a.sum() / b.sum())
    T = result.plan
    assert T.shape == np.shape(cost)
    error = np.abs(T.sum(axis=1) - a).sum() + np.abs(T.sum(axis=0) - b).sum()
    assert error <= 1.1e-9 * a.sum()
    assert np.isfinite(result.potentials.source).all()
    assert np.isfinite(result.potentials.target).all()
    np.testing.assert_allclose(np.exp(result.log_plan), T)


BAD_BATCHES = {
    "cost a matrix": ((A, B, C), {}, "`C`"),
    "masses of another batch": ((np.full((3, 4), 0.25), B, np.stack([C, C])), {}, "`a`"),
    "negative": ((changed(A, -0.25), B, C[None]), {}, r"`a`.*a\[0\]"),
    "unequal masses": ((A, 2 * B, C[None]), {}, "normalise"),
    "nan cost": ((A, B, changed(C, NAN)[None]), {}, r"`C`.*C\[0, 0, 1\]"),
    "reg of another batch": ((A, B, C[None]), {"reg": [[0.1]]}, "`reg`"),
    "reg zero": ((A, B, C[None]), {"reg": 0.0}, "`reg`"),
    "option unknown": ((A, B, C[None]), {"options": {"level": 1}}, "level"),
}


@pytest.mark.parametrize("case", BAD_BATCHES)
def test_bad_batches_are_refused_by_name(case):
    args, kwargs, text = BAD_BATCHES[case]
    with pytest.raises((TypeError, ValueError), match=f"^sinkhorn_batch: .*{text}"):
        otopt.sinkhorn_batch(*args, **{"reg": 0.1} | kwargs)
