"""pattern_search with workers, checkpoints, under scipy's interface, by ask and tell."""

import functools
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.optimize import Bounds, minimize, rosen

import otopt
from tests.optimize.objectives import Counted, same

# Workers


@pytest.mark.parametrize("poll", ["opportunistic", "complete"])
def test_workers_do_not_change_the_answer(poll):
    alone = otopt.pattern_search(rosen, [-1.2, 1.0, 0.5], poll=poll, maxfev=300)
    assert alone.nahead == 0
    for workers in (2, 3):
        same(alone, otopt.pattern_search(
            rosen, [-1.2, 1.0, 0.5], poll=poll, maxfev=300, workers=workers))  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        same(alone, otopt.pattern_search(
            rosen, [-1.2, 1.0, 0.5], poll=poll, maxfev=300, workers=pool.map))  # fmt: skip
    columns = otopt.pattern_search(
        lambda X: np.array([rosen(x) for x in X.T]), [-1.2, 1.0, 0.5], poll=poll, maxfev=300,
        vectorized=True,
    )  # fmt: skip
    same(alone, columns)


def with_a_lock(x, lock):
    with lock:
        return float((x**2).sum())


@pytest.mark.parametrize(
    ("fun", "args"), [(lambda x: float(x @ x), ()), (with_a_lock, (threading.Lock(),))]
)
@pytest.mark.parametrize(
    "search",
    [
        functools.partial(otopt.pattern_search, x0=[0.0]),
        functools.partial(
            otopt.guess_and_check, bounds=[(0, 1)], accept=-1, max_candidates=9, rng=0
        ),
    ],
)
def test_what_processes_cannot_be_sent_is_refused_and_threads_take_it(search, fun, args):
    with pytest.raises(TypeError, match=r"must pickle where `workers` is a number; got .*; def"):
        search(fun, args=args, workers=2)
    with ThreadPoolExecutor(2) as pool:
        threaded = search(fun, args=args, workers=pool.map)
    assert threaded.fun == search(fun, args=args).fun


def dies_at_the_minimum(x, process):
    if np.abs(x).max() < 0.5 and os.getpid() != process:
        os._exit(3)
    return float((x**2).sum())


def test_workers_that_die_leave_the_best_point():
    fun = functools.partial(dies_at_the_minimum, process=os.getpid())
    result = otopt.pattern_search(fun, [4.0, 3.0], workers=2, search="none", poll="complete")
    assert result.status == 5
    assert not result.success
    assert np.isfinite(result.fun)


# Checkpoints


@pytest.mark.parametrize("stopped_at", [1, 10, 77, 150])
@pytest.mark.parametrize("noisy", [False, True])
def test_resumed_search_equals_an_uninterrupted_one(tmp_path, stopped_at, noisy):
    options = {"maxfev": 200, "noisy": noisy}
    whole_fun, again_fun = Counted(rosen), Counted(rosen)
    whole = otopt.pattern_search(whole_fun, [-1.2, 1, 0.5], **options)
    path = tmp_path / "search.npz"
    otopt.pattern_search(
        again_fun, [-1.2, 1, 0.5], checkpoint=path, **(options | {"maxfev": stopped_at})
    )
    again = otopt.pattern_search(again_fun, [-1.2, 1, 0.5], checkpoint=path, **options)
    same(whole, again)
    np.testing.assert_array_equal(whole_fun.points, again_fun.points)  # nothing a second time
    once_more = otopt.pattern_search(again_fun, [-1.2, 1, 0.5], checkpoint=path, **options)
    same(whole, once_more)
    assert len(again_fun.points) == len(whole_fun.points)


def test_a_checkpoint_of_another_search_is_refused(tmp_path):
    path = tmp_path / "search.npz"
    otopt.pattern_search(rosen, [-1.2, 1.0], checkpoint=path, maxfev=20)
    with pytest.raises(ValueError, match="same arguments"):
        otopt.pattern_search(rosen, [-1.2, 1.0], checkpoint=path, initial_step=0.1)


# scipy


@pytest.mark.parametrize("bounds", [None, [(0, 0.8), (None, 2)], Bounds([0, -np.inf], [0.8, 2])])
def test_scipy_takes_it_as_a_method(bounds):
    seen = []

    def callback(intermediate_result):
        seen.append(intermediate_result.fun)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the start is out of bounds in two cases
        result = minimize(
            rosen, [-1.2, 1.0], method=otopt.pattern_search, bounds=bounds, callback=callback,
            tol=1e-7, options={"maxfev": 2000},
        )  # fmt: skip
    judge = minimize(rosen, [0.5, 1.0], method="L-BFGS-B", bounds=bounds, tol=1e-12)
    np.testing.assert_allclose(result.x, judge.x, atol=1e-4)
    assert seen
    assert {"x", "fun", "success", "status", "message", "nfev", "nit"} <= set(result)


def test_arguments_reach_the_function():
    result = minimize(lambda x, a: (x[0] - a) ** 2, [0.0], (3.0,), method=otopt.pattern_search)
    assert result.x == pytest.approx([3], abs=1e-6)


# Ask and tell


@pytest.mark.parametrize("shortened", [False, True])
def test_ask_and_tell_goes_the_same_way(shortened):
    whole = otopt.pattern_search(rosen, [-1.2, 1.0])
    searcher = otopt.PatternSearch([-1.2, 1.0])
    while not searcher.done:
        points = searcher.ask()
        np.testing.assert_array_equal(points, searcher.ask())
        values = [rosen(x) for x in points]
        if shortened and searcher.target is not None:
            below = [i for i, v in enumerate(values) if v < searcher.target]
            values = values[: below[0] + 1] if below else values
        searcher.tell(values)
    np.testing.assert_array_equal(searcher.x, whole.x)
    assert searcher.result().fun == whole.fun
    with pytest.raises(RuntimeError, match="done"):
        searcher.ask()


def test_tell_counts():
    searcher = otopt.PatternSearch([1.0, 2.0])
    with pytest.raises(ValueError, match="`ask` must be called"):
        searcher.tell([1.0])
    searcher.ask()
    with pytest.raises(ValueError, match="must hold 1 values; got 2"):
        searcher.tell([1.0, 2.0])
