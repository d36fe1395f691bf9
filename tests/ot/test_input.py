"""Bad input is refused by name before any work; unusual input works."""

import numpy as np
import pytest

import otopt
from otopt.testing import check_plan

A, B, C = np.full(4, 0.25), np.full(5, 0.2), np.arange(20.0).reshape(4, 5) % 7
NAN, INF = float("nan"), float("inf")


def changed(array, value):
    array = array.copy()
    array.flat[1] = value
    return array


BAD = {
    "a too short": ((A[:3], B, C, 2), {}, "`a`"),
    "b too long": ((A, np.full(6, 1 / 6), C, 2), {}, "`b`"),
    "a matrix": ((A[:, None], B, C, 2), {}, "`a`"),
    "cost vector": ((A, B, C[0], 2), {}, "`C`"),
    "unequal masses": ((A, 2 * B, C, 2), {}, "normalise"),
    "negative mass": ((changed(A, -0.25), B, C, 2), {}, r"`a`.*a\[1\]"),
    "nan mass": ((A, changed(B, NAN), C, 2), {}, r"`b`.*b\[1\]"),
    "inf mass": ((changed(A, INF), B, C, 2), {}, "`a`"),
    "nan cost": ((A, B, changed(C, NAN), 2), {}, r"`C`.*C\[0, 1\]"),
    "inf cost": ((A, B, changed(C, INF), 2), {}, "`C`"),
    "no mass": ((0 * A, 0 * B, C, 2), {}, "`a`"),
    "k zero": ((A, B, C, 0), {}, "`k`"),
    "k negative": ((A, B, C, -1), {}, "`k`"),
    "k fraction": ((A, B, C, 1.5), {}, "`k`"),
    "k float": ((A, B, C, 2.0), {}, "`k`"),
    "k bool": ((A, B, C, True), {}, "`k`"),
    "empty": (([], [], np.zeros((0, 0)), 1), {}, "`C`"),
    "empty masses": (([], B, C, 1), {}, "`a`"),
    "complex cost": ((A, B, C + 0j, 2), {}, "`C`"),
    "complex mass": ((A + 0j, B, C, 2), {}, "`a`"),
    "text": ((["x"] * 4, B, C, 2), {}, "`a`"),
    "ragged": ((A, B, [[1, 2], [3]], 2), {}, "`C`"),
    "reg negative": ((A, B, C, 2), {"reg": -1.0}, "`reg`"),
    "reg nan": ((A, B, C, 2), {"reg": NAN}, "`reg`"),
    "reg text": ((A, B, C, 2), {"reg": "much"}, "`reg`"),
    "tol zero": ((A, B, C, 2), {"tol": 0.0}, "`tol`"),
    "maxiter zero": ((A, B, C, 2), {"maxiter": 0}, "`maxiter`"),
    "workers zero": ((A, B, C, 2), {"workers": 0}, "`workers`"),
    "workers map": ((A, B, C, 2), {"workers": map}, "`workers`"),
    "rounding unknown": ((A, B, C, 2), {"rounding": "up"}, "`rounding`"),
    "callback no function": ((A, B, C, 2), {"callback": 1}, "`callback`"),
    "option unknown": ((A, B, C, 2), {"options": {"shrinc": 0.5}}, "did you mean 'shrink'"),
    "options list": ((A, B, C, 2), {"options": [1]}, "`options`"),
    "warm start no result": ((A, B, C, 2), {"warm_start": A}, "`warm_start`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case):
    args, kwargs, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^sparse_ot: .*{text}"):
        otopt.sparse_ot(*args, **kwargs)


def test_warm_start_of_another_shape_is_refused():
    result = otopt.sparse_ot(A, B, C, 3)
    with pytest.raises(ValueError, match="`warm_start`"):
        otopt.sparse_ot(B, A, C.T, 3, warm_start=result)


def frozen(array):
    array = array.copy()
    array.setflags(write=False)
    return array


GOOD = {
    "lists": (A.tolist(), B.tolist(), C.tolist(), 3),
    "float32": (A.astype(np.float32), B.astype(np.float32), C.astype(np.float32), 3),
    "integer cost": (A, B, C.astype(int), 3),
    "integer masses": (np.full(4, 5), np.full(5, 4), C, 3),
    "boolean cost": (A, B, C > 3, 3),
    "float16 cost": (A, B, C.astype(np.float16), 3),
    "read-only": (frozen(A), frozen(B), frozen(C), 3),
    "fortran order": (A, B, np.asfortranarray(C), 3),
    "non-contiguous": (np.repeat(A, 2)[::2], B[::-1], np.repeat(C, 2, axis=1)[:, ::2], 3),
    "numpy k": (A, B, C, np.int64(3)),
    "k above n": (A, B, C, 50),
    "no k": (A, B, C, None),
    "zero weights": (np.array([0.5, 0, 0.5, 0]), np.array([0, 0.5, 0.25, 0.25, 0]), C, 2),
    "one row": ([1.0], B, C[:1], 1),
    "one column": (A, [1.0], C[:, :1], 4),
    "one entry": ([2.0], [2.0], [[3.0]], 1),
    "constant cost": (A, B, np.full((4, 5), 7.0), 3),
    "zero cost": (A, B, np.zeros((4, 5)), 3),
    "duplicated points": (A, B, np.tile([[1.0], [2.0]], (2, 5)), 3),
    "tiny": (1e-12 * A, 1e-12 * B, 1e-12 * C, 3),
    "huge": (1e12 * A, 1e12 * B, 1e12 * C, 3),
    "negligible mass": (np.array([0.5, 0.5 - 1e-17, 1e-17, 0.0]), B, C, 3),
}


@pytest.mark.parametrize("case", GOOD)
@pytest.mark.parametrize("reg", [None, 0])
def test_unusual_input_works_and_is_not_modified(case, reg):
    a, b, cost, k = GOOD[case]
    before = [np.array(x, copy=True) for x in (a, b, cost)]
    result = otopt.sparse_ot(a, b, cost, k, reg=reg)
    assert result.success, result
    check_plan(result, a, b, cost, k)
    for array, copy in zip((a, b, cost), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert result.plan.shape == np.shape(cost)
    width = result.rows.shape[1]
    assert width <= np.shape(cost)[0]
    if k is not None:
        assert width == min(k, np.shape(cost)[0])


@pytest.mark.parametrize("power", [-150, -110, 110, 150])
@pytest.mark.parametrize("penalty", [None, otopt.L2Penalty(1.0)])
def test_scales_whose_ratio_is_out_of_range_need_a_reg(power, penalty):
    mass, cost = 10.0**power, 10.0**-power * C
    with pytest.raises(ValueError, match=r"^sparse_ot: `reg`, by default.*rescale `C` or the mass"):
        otopt.sparse_ot(mass * A, mass * B, cost, 3, marginal_penalty=penalty)
    with pytest.raises(ValueError, match=r"^sparse_ot_batch: problem 0: `reg`, by default"):
        otopt.sparse_ot_batch(mass * A, mass * B, cost[None], 3)
    assert otopt.sparse_ot(mass * A, mass * B, cost, 3, reg=0.0).success


def test_rows_and_columns_without_mass_carry_nothing():
    a, b, cost, k = GOOD["zero weights"]
    plan = otopt.sparse_ot(a, b, cost, k).plan.toarray()
    assert (plan[a == 0] == 0).all()
    assert (plan[:, b == 0] == 0).all()
