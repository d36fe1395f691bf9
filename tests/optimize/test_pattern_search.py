"""pattern_search: where it ends, what it counts, and that nothing but speed depends on workers."""

import functools
import itertools
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, minimize, rosen

import otopt

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


@pytest.mark.parametrize("search", ["quadratic", "none"])
@pytest.mark.parametrize("poll", ["opportunistic", "complete"])
@pytest.mark.parametrize("directions", ["ortho", "axes"])
def test_ends_at_the_minimum_of_a_bowl(search, poll, directions):
    result = otopt.pattern_search(
        bowl, np.zeros(3), search=search, poll=poll, directions=directions, maxfev=20_000
    )
    assert result.success
    assert result.certified
    np.testing.assert_allclose(result.x, CENTRE, atol=1e-5)
    assert result.fun == bowl(result.x)


def test_smooth_and_nonsmooth_valleys():
    smooth = otopt.pattern_search(rosen, [-1.2, 1, -1.2, 1])
    np.testing.assert_allclose(smooth.x, 1, atol=1e-5)
    kinks = otopt.pattern_search(
        lambda x: 10 * abs(x[1] - x[0] ** 2) + abs(1 - x[0]), [-1.2, 1.0], maxfev=5000
    )
    assert kinks.fun < 1e-3


def test_the_certificate_is_a_poll_that_failed():
    fun = Counted(bowl)
    result = otopt.pattern_search(fun, np.zeros(3), restarts=0)
    moves = np.array(fun.points) - result.x
    length = np.linalg.norm(moves, axis=1)
    # The last poll may find points in the cache, so look for all at that distance.
    near = moves[np.abs(length - result.step) <= 1e-6 * result.step]
    assert len(near) >= 6
    for d in np.random.default_rng(0).normal(size=(200, 3)):
        assert (near @ d).max() > 0  # they span the space positively
    assert all(fun.fun(result.x + m) >= result.fun for m in near)


@pytest.mark.parametrize(
    ("x0", "steps"),
    [
        ([0.3, -0.2], [0.25, 0.25]),
        ([20, -2, 0, 1, 0.1, 1e-15], [5, 5, 5, 2.5, 0.5, 0.5]),
        ([1e-3, 1e-5, 0], [0.25, 0.025, 0.25]),
        ([0, 0], [0.25, 0.25]),
    ],
)
def test_first_steps_are_shorter_for_entries_of_another_size(x0, steps):
    fun = Counted(lambda x: 1.0)
    otopt.pattern_search(fun, x0, maxfev=2 * len(x0) + 1)
    moves = np.array(fun.points[1:]) - x0
    np.testing.assert_allclose(moves[::2], np.diag(steps), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(moves[1::2], -np.diag(steps), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("wave", [0.0, 1e-3])
def test_variables_of_different_sizes(wave):
    # Two exponentials to fit (Osborne 1): amplitudes of about 1, rates of about 0.01.
    t = 10.0 * np.arange(33)
    data = 0.375 + 1.936 * np.exp(-0.01287 * t) - 1.465 * np.exp(-0.02212 * t)

    def fun(x):
        fit = x[0] + x[1] * np.exp(-x[3] * t) + x[2] * np.exp(-x[4] * t)
        return (1 + wave * np.sin(100 * np.abs(x).sum())) * float(((fit - data) ** 2).sum())

    x0 = [0.5, 1.5, 1.0, 0.01, 0.02]
    assert otopt.pattern_search(fun, x0, maxfev=600).fun < 1e-4 * fun(x0)


@pytest.mark.parametrize("maxfev", [0, 1, 2, 7, 8, 50, 51])
@pytest.mark.parametrize("poll", ["opportunistic", "complete"])
def test_maxfev_is_exact(maxfev, poll):
    fun = Counted(rosen)
    result = otopt.pattern_search(fun, [-1.2, 1.0, 0.3], maxfev=maxfev, poll=poll)
    assert len(fun.points) == result.nfev == maxfev
    assert not result.success
    assert result.status == (1 if maxfev else 4)
    if maxfev:
        assert result.fun == min(map(rosen, fun.points)) == rosen(result.x)
        assert "maxfev" in result.message
    else:
        assert np.isinf(result.fun)


def test_no_point_is_evaluated_twice():
    fun = Counted(rosen)
    otopt.pattern_search(fun, [-1.2, 1.0], maxfev=400)
    assert len({p.tobytes() for p in fun.points}) == len(fun.points)


@settings(max_examples=20)
@given(
    n=st.integers(1, 4), seed=st.integers(0, 2**32), search=st.sampled_from(["quadratic", "none"])
)
def test_no_evaluation_leaves_the_box(n, seed, search):
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=n) * 10 ** rng.uniform(-2, 2)
    upper = lower + 10 ** rng.uniform(-3, 3, n) * (rng.random(n) < 0.8)
    centre, weights = rng.normal(size=n) * 3, 10 ** rng.uniform(-2, 2, n)
    fun = Counted(lambda x: float((weights * (x - centre) ** 2).sum()))
    result = otopt.pattern_search(fun, bounds=Bounds(lower, upper), search=search, maxfev=4000)
    points = np.array(fun.points)
    assert (points >= lower).all()
    assert (points <= upper).all()
    assert result.success
    best = fun.fun(np.clip(centre, lower, upper))
    assert result.fun <= best + 1e-9 * max(1.0, abs(best))


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32))
def test_linear_constraints_hold_and_do_not_stop_it_early(seed):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(4, 3))
    right = np.abs(A).sum(axis=1) * rng.uniform(0.2, 1.0, 4)
    cost = rng.normal(size=3)
    fun = Counted(lambda x: float(cost @ x))
    result = otopt.pattern_search(
        fun, np.zeros(3), bounds=[(-2, 2)] * 3, constraints=LinearConstraint(A, -np.inf, right)
    )
    points = np.array(fun.points)
    assert (np.abs(points) <= 2).all()
    assert (points @ A.T <= right + 1e-9).all()
    judge = linprog(cost, A_ub=A, b_ub=right, bounds=(-2, 2))
    assert result.fun == pytest.approx(judge.fun, abs=1e-5)


def test_equality_constraints_are_met_by_every_evaluation():
    fun = Counted(lambda x: float((x**2).sum()))
    constraint = LinearConstraint([[1.0, 2.0, 3.0]], 6, 6)
    with pytest.warns(RuntimeWarning, match="moved to the nearest"):
        result = otopt.pattern_search(fun, np.zeros(3), constraints=constraint)
    np.testing.assert_allclose(np.array(fun.points) @ [1, 2, 3], 6, atol=1e-9)
    np.testing.assert_allclose(result.x, np.array([1, 2, 3]) * 6 / 14, atol=1e-5)


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


# What fun may do


def test_failures_are_infinitely_bad_and_counted():
    def fun(x):
        if x[0] < 0:
            raise ArithmeticError("no logarithm")
        if x[1] > 2:
            return np.nan
        if x[1] < -2:
            return np.inf
        return (x[0] - 0.1) ** 2 + (x[1] - 1) ** 2

    result = otopt.pattern_search(fun, [1.0, 0.0], initial_step=2.0)
    np.testing.assert_allclose(result.x, [0.1, 1], atol=1e-6)
    assert result.nfail > 0
    assert "failed" in result.message


def test_what_it_raises_at_the_start_is_passed_on():
    def fun(x):
        raise ArithmeticError("at the start")

    with pytest.raises(ArithmeticError, match="at the start"):
        otopt.pattern_search(fun, [1.0])


def test_a_misspelt_name_is_not_taken_for_a_bad_point():
    def fun(x):
        return x[0] ** 2 if x[0] == 3 else nowhere  # noqa: F821

    with pytest.raises(NameError):
        otopt.pattern_search(fun, [3.0])


def test_nan_everywhere_is_said():
    result = otopt.pattern_search(lambda x: np.nan, [1.0, 2.0], maxfev=100)
    assert (result.status, result.success, result.fun) == (4, False, np.inf)
    assert "finite" in result.message


@pytest.mark.parametrize("value", [np.ones(2), np.ones((1, 2)), "3", 1j, None])
def test_one_real_number_is_wanted(value):
    with pytest.raises(TypeError, match="one real number"):
        otopt.pattern_search(lambda x: value, [1.0, 2.0])


def test_a_result_that_changes_shape_is_refused():
    with pytest.raises(TypeError, match=r"shape \(2,\)"):
        otopt.pattern_search(lambda x: x[0] if x[0] == 3 else x, [3.0, 1.0])
    wrong = lambda X: X.sum(axis=1)  # noqa: E731
    with pytest.raises(ValueError, match="vectorized"):
        otopt.pattern_search(wrong, [3.0, 1.0], vectorized=True)


def test_a_function_may_write_into_x():
    def fun(x):
        value = bowl(x)
        x[:] = 1e9
        return value

    start = np.zeros(3)
    same(otopt.pattern_search(fun, start), otopt.pattern_search(bowl, np.zeros(3)))
    assert not start.any()


@pytest.mark.parametrize("value", [np.float32(2), np.array(2.0), np.array([2.0]), 2, np.int64(2)])
def test_numbers_of_any_kind(value):
    assert otopt.pattern_search(lambda x: value, [1.0]).fun == 2


def test_minus_infinity_and_ties():
    assert otopt.pattern_search(lambda x: -np.inf, [1.0], maxfev=20).fun == -np.inf
    flat = otopt.pattern_search(lambda x: 1.0, [1.0, 2.0])
    assert flat.success
    np.testing.assert_array_equal(flat.x, [1, 2])


def test_noise():
    rng = np.random.default_rng(0)

    def fun(x):
        return float((x**2).sum() + 0.01 * rng.normal())

    result = otopt.pattern_search(fun, np.full(3, 5.0), noisy=True, maxfev=600)
    assert result.fun_evaluations > 1
    assert (result.x**2).sum() < 0.1
    assert abs(result.fun) < 0.1


# Ends


def test_no_variables_and_one():
    nothing = otopt.pattern_search(lambda x: 4.0, [])
    assert (nothing.fun, nothing.nfev, nothing.success) == (4.0, 1, True)
    one = otopt.pattern_search(lambda x: abs(x[0] - 2), 0.0)
    assert one.x == pytest.approx([2], abs=1e-7)


def test_bounds_that_fix_everything_or_something():
    fixed = otopt.pattern_search(bowl, bounds=[(1, 1), (2, 2), (3, 3)])
    assert (fixed.x == [1, 2, 3]).all()
    assert fixed.nfev == 1
    part = otopt.pattern_search(bowl, [0, 2.0, 0], bounds=[(None, None), (2, 2), (-1, None)])
    np.testing.assert_allclose(part.x, [1, 2, 0.5], atol=1e-6)
    assert part.x[1] == 2


def test_callback_both_ways_and_stop():
    seen = []

    def stop(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == 5:
            raise StopIteration

    result = otopt.pattern_search(rosen, [-1.2, 1.0], callback=stop)
    assert result.status == 99
    assert len(seen) == 5
    assert all(b.fun <= a.fun for a, b in itertools.pairwise(seen))
    points = []
    otopt.pattern_search(rosen, [-1.2, 1.0], callback=points.append, maxfev=50)
    assert all(point.shape == (2,) for point in points)


def test_limits():
    assert otopt.pattern_search(rosen, [-1.2, 1.0], maxiter=3).status == 2
    assert otopt.pattern_search(rosen, [-1.2, 1.0], time_limit=0).status == 3
    with pytest.warns(otopt.errors.ConvergenceWarning, match="maxfev"):
        assert otopt.pattern_search(lambda x: x[0], [0.0]).status == 1


def test_ctrl_c_keeps_the_best_point():
    count = 0

    def fun(x):
        nonlocal count
        count += 1
        if count == 30:
            raise KeyboardInterrupt
        return rosen(x)

    result = otopt.pattern_search(fun, [-1.2, 1.0])
    assert result.status == 98
    assert result.nfev == 29
    assert result.fun == rosen(result.x) < rosen([-1.2, 1.0])


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


# Bad input


@pytest.mark.parametrize(
    ("arguments", "kind", "match"),
    [
        ({"x0": None}, ValueError, "`x0` or `bounds`"),
        ({"x0": [1, np.nan]}, ValueError, r"x0\[1\] = nan"),
        ({"x0": [[1.0, 2.0]]}, ValueError, "vector"),
        ({"x0": ["a"]}, TypeError, "numbers"),
        ({"x0": [1j]}, TypeError, "numbers|real"),
        ({"bounds": [(2, 1), (0, 1)]}, ValueError, r"low <= high; got \(2.0, 1.0\)"),
        ({"bounds": [(0, 1)]}, ValueError, "1 pairs for 2 entries"),
        ({"bounds": [(0, np.nan), (0, 1)]}, ValueError, "low <= high"),
        ({"bounds": 3}, TypeError, "Bounds"),
        ({"x0": None, "bounds": [(0, np.inf)]}, ValueError, "finite where no `x0`"),
        ({"constraints": LinearConstraint([[1, 0]], 2, 1.5)}, ValueError, "feasible point"),
        ({"constraints": LinearConstraint([[1, 0, 1]], 0, 1)}, ValueError, "3 columns"),
        ({"constraints": {"type": "ineq", "fun": len}}, TypeError, "LinearConstraint"),
        ({"maxfev": -1}, ValueError, "maxfev"),
        ({"maxfev": 1.5}, TypeError, "maxfev"),
        ({"xtol": 0}, ValueError, "xtol"),
        ({"initial_step": -1}, ValueError, "initial_step"),
        ({"poll": "opportunist"}, ValueError, "did you mean 'opportunistic'"),
        ({"workers": 0}, ValueError, "workers"),
        ({"workers": "two"}, TypeError, "workers"),
        ({"fun": 3}, TypeError, "callable"),
    ],
)
def test_bad_input_is_refused_before_any_work(arguments, kind, match):
    fun = Counted(bowl)
    with pytest.raises(kind, match=match):
        otopt.pattern_search(**({"fun": fun, "x0": [0.0, 0.0]} | arguments))
    assert not fun.points


def test_a_start_out_of_bounds_is_moved_and_said():
    with pytest.warns(RuntimeWarning, match="variable 1"):
        result = otopt.pattern_search(lambda x: float((x**2).sum()), [1, 5.0], bounds=[(-2, 2)] * 2)
    np.testing.assert_allclose(result.x, 0, atol=1e-6)


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
