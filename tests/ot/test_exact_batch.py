"""emd_batch: the same results as one by one, whatever the workers."""

import signal

import numpy as np
import pytest

import otopt
from tests.judges import check_exact


def problems(count=6, n=40, m=30):
    rng = np.random.default_rng(0)
    a, b = rng.dirichlet(np.ones(n), count), rng.dirichlet(np.ones(m), count)
    return a, b, rng.random((count, n, m))


def same(first, second):
    assert (first.value, first.nit, first.method) == (second.value, second.nit, second.method)
    np.testing.assert_array_equal(first.rows, second.rows)
    np.testing.assert_array_equal(first.mass, second.mass)


@pytest.mark.parametrize("workers", [1, 2, -1, map])
def test_same_as_one_by_one(workers):
    a, b, C = problems()
    for result, *arrays in zip(otopt.emd_batch(a, b, C, workers=workers), a, b, C, strict=True):
        same(result, otopt.emd(*arrays))
        check_exact(result, *arrays)


def test_shared_masses_and_ragged_shapes():
    rng = np.random.default_rng(1)
    costs = [rng.random((20, m)) for m in (5, 9)]
    a, b = rng.dirichlet(np.ones(20)), [rng.dirichlet(np.ones(m)) for m in (5, 9)]
    results = otopt.emd_batch(a, b, costs)
    for result, beta, C in zip(results, b, costs, strict=True):
        check_exact(result, a, beta, C)
    lists = otopt.emd_batch([1, 1], [[1, 1], [2, 0]], [[[0, 1], [1, 0]], [[5, 1], [2, 3]]])
    assert [r.value for r in lists] == [0.0, 7.0]


def test_limits_are_per_problem_and_said_once():
    a, b, C = problems()
    with pytest.warns(otopt.errors.ConvergenceWarning, match="6 of 6 problems") as caught:
        results = otopt.emd_batch(a, b, C, maxiter=1)
    assert len(caught) == 1
    for result, *arrays in zip(results, a, b, C, strict=True):
        check_exact(result, *arrays)
        assert result.status is otopt.Status.ITERATION_LIMIT
    with pytest.warns(otopt.errors.ConvergenceWarning, match="problems stopped"):
        results = otopt.emd_batch(a, b, C, time_limit=1e-9)
    assert all(np.isfinite(r.gap) for r in results)


def test_ctrl_c_stops_what_is_left():
    a, b, C = problems()

    def mapper(function, items):
        for position, item in enumerate(items):
            if position == 2:
                signal.raise_signal(signal.SIGINT)
            yield function(item)

    results = otopt.emd_batch(a, b, C, workers=mapper)
    names = [r.status.name for r in results]
    assert names == ["OPTIMAL"] * 2 + ["STOPPED"] * 4
    for result, *arrays in zip(results, a, b, C, strict=True):
        check_exact(result, *arrays)


A, B, C = problems(3, 4, 5)
NAN_COST = C.copy()
NAN_COST[1, 0, 2] = np.nan
BAD = {
    "one matrix": ((A, B, C[0]), {}, "`C`"),
    "number": ((A, B, 3), {}, "`C`"),
    "none": ((A, B, []), {}, "`C`"),
    "too few a": ((A[:2], B, C), {}, "`a`"),
    "cube b": ((A, C, C), {}, "`b`"),
    "nan": ((A, B, NAN_COST), {}, r"problem 1: `C`.*C\[0, 2\]"),
    "negative": ((-A, B, C), {}, "problem 0: `a`"),
    "workers": ((A, B, C), {"workers": 0}, "`workers`"),
    "method": ((A, B, C), {"method": "x"}, "`method`"),
    "maxiter": ((A, B, C), {"maxiter": 0}, "`maxiter`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case):
    args, kwargs, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^emd_batch: .*{text}"):
        otopt.emd_batch(*args, **kwargs)
