"""emd and assignment: bad input is refused by name before any work; unusual input works."""

import numpy as np
import pytest

import otopt
from tests.judges import check_exact
from tests.ot.test_input import BAD, GOOD, NAN, A, B, C, changed

EXACT_BAD = {
    name: (args[:3], kwargs, text)
    for name, (args, kwargs, text) in BAD.items()
    if not kwargs and "`k`" not in text
} | {
    "maxiter zero": ((A, B, C), {"maxiter": 0}, "`maxiter`"),
    "maxiter fraction": ((A, B, C), {"maxiter": 1.5}, "`maxiter`"),
    "time limit zero": ((A, B, C), {"time_limit": 0}, "`time_limit`"),
    "time limit nan": ((A, B, C), {"time_limit": NAN}, "`time_limit`"),
    "method unknown": ((A, B, C), {"method": "best"}, "`method`"),
    "callback no function": ((A, B, C), {"callback": 1}, "`callback`"),
    "option unknown": ((A, B, C), {"options": {"candidate": 5}}, "did you mean 'candidates'"),
    "option zero": ((A, B, C), {"options": {"batch": 0}}, "`options.batch`"),
    "option one": ((A, B, C), {"options": {"cluster_size": 1}}, "`options.cluster_size`"),
    "warm start vector": ((A, B, C), {"warm_start": A}, "`warm_start`"),
    "warm start number": ((A, B, C), {"warm_start": 3}, "`warm_start`"),
    "warm start swapped": ((A, B, C), {"warm_start": (B, A)}, "`warm_start`"),
    "warm start nan": ((A, B, C), {"warm_start": (A, changed(B, NAN))}, "`warm_start`"),
}


@pytest.mark.parametrize("case", EXACT_BAD)
def test_bad_input_is_refused_by_name(case):
    args, kwargs, text = EXACT_BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^emd: .*{text}"):
        otopt.emd(*args, **kwargs)


@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf])
@pytest.mark.parametrize("order", ["C", "F", "strided", "read-only", "float32"])
def test_a_cost_that_is_not_finite_is_found_in_any_layout(value, order):
    cost = changed(C, value)
    if order == "F":
        cost = np.asfortranarray(cost)
    elif order == "strided":
        cost = np.repeat(cost, 2, axis=1)[:, ::2]
    elif order == "float32":
        cost = cost.astype(np.float32)
    else:
        cost.setflags(write=order == "C")
    with pytest.raises(ValueError, match=r"^emd: `C`.*C\[0, 1\]"):
        otopt.emd(A, B, cost)


@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf])
@pytest.mark.parametrize("zero_row", [False, True])
def test_a_cost_that_is_not_finite_is_found_after_a_warm_start(value, zero_row):
    a = np.array([0.0, 0.5, 0.25, 0.25]) if zero_row else A
    start = otopt.emd(a, B, C)
    for warm in (start, start.potentials):
        with pytest.raises(ValueError, match=r"^emd: `C`.*C\[0, 1\]"):
            otopt.emd(a, B, changed(C, value), warm_start=warm)


def test_warm_start_of_another_shape_is_refused():
    result = otopt.emd(A, B, C)
    with pytest.raises(ValueError, match="`warm_start`"):
        otopt.emd(B, A, C.T, warm_start=result)


@pytest.mark.reference
@pytest.mark.parametrize("case", GOOD)
def test_unusual_input_works_and_is_not_modified(case):
    a, b, cost, _ = GOOD[case]
    before = [np.array(x, copy=True) for x in (a, b, cost)]
    result = otopt.emd(a, b, cost)
    assert result.status is otopt.Status.OPTIMAL
    check_exact(result, a, b, cost)
    for array, copy in zip((a, b, cost), before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert result.raise_if_failed() is result


def test_rows_and_columns_without_mass_carry_nothing_and_are_priced():
    a, b, cost, _ = GOOD["zero weights"]
    result = otopt.emd(a, b, cost)
    plan = result.plan.toarray()
    assert (plan[a == 0] == 0).all()
    assert (plan[:, b == 0] == 0).all()
    assert (result.potentials.source[:, None] + result.potentials.target <= cost + 1e-14).all()


def test_extreme_masses():
    a = np.array([1.0, 1e-13, 1e-30, 0.0, 3e-17])
    b = np.array([1.0 - 1e-12, 1e-12, 0.0, 1e-300])
    cost = np.random.default_rng(0).random((5, 4))
    check_exact(otopt.emd(a, b * (a.sum() / b.sum()), cost), a, b * (a.sum() / b.sum()), cost)


@pytest.mark.parametrize("power", [-150, -40, 40, 150])
def test_extreme_costs(power):
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(50))
    cost = rng.random((60, 50))
    value = otopt.emd(a, b, cost).value
    assert otopt.emd(a, b, cost * 10.0**power).value == pytest.approx(value * 10.0**power)


def test_a_large_offset_in_the_cost_costs_only_its_rounding():
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(50))
    cost = rng.random((60, 50))
    shifted = otopt.emd(a, b, cost + 1e6)
    assert shifted.value - 1e6 == pytest.approx(otopt.emd(a, b, cost).value, abs=1e-8)


BAD_ASSIGNMENTS = {
    "rectangular": (C, "`C` must be square"),
    "vector": (C[0], "`C`"),
    "empty": (np.zeros((0, 0)), "`C`"),
    "nan": (changed(C[:, :4], NAN), r"`C`.*C\[0, 1\]"),
    "text": ([["x"]], "`C`"),
    "ragged": ([[1, 2], [3]], "`C`"),
}


@pytest.mark.parametrize("case", BAD_ASSIGNMENTS)
def test_bad_assignments_are_refused_by_name(case):
    cost, text = BAD_ASSIGNMENTS[case]
    with pytest.raises((TypeError, ValueError), match=f"^assignment: .*{text}"):
        otopt.assignment(cost)


def test_assignment_of_one():
    result = otopt.assignment([[7]])
    assert result.permutation.tolist() == [0]
    assert result.value == 7.0
