"""pattern_search: where it ends, what it counts, and what every evaluation keeps to."""

import inspect
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, linprog, rosen

import otopt
from tests.optimize.objectives import CENTRE, Counted, bowl


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


@pytest.mark.parametrize("far", [0.0, 1e3, -1e6, 1e9])
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("by", ["bounds", "initial_step"])
def test_a_narrow_box_far_from_zero_is_searched_like_any_other(far, power, by):
    width = 1e-3
    centre = np.array([0.37, far + 0.21 * width])

    def fun(x):
        return float((np.abs((x - centre) / [1, width]) ** power).sum())

    if by == "bounds":
        result = otopt.pattern_search(fun, bounds=[(-1, 1), (far, far + width)])
    else:
        result = otopt.pattern_search(fun, [0, far], initial_step=[0.5, width / 4])
    digits = np.spacing(max(1.0, abs(far)))
    assert result.success
    assert (np.abs(result.x - centre) <= [2e-6, 2e-6 * width + digits]).all()


@pytest.mark.parametrize("maxfev", [0, 1, 2, 7, 8, 50, 51])
@pytest.mark.parametrize("poll", ["opportunistic", "complete"])
def test_maxfev_is_exact(maxfev, poll):
    fun = Counted(rosen)
    result = otopt.pattern_search(fun, [-1.2, 1.0, 0.3], maxfev=maxfev, poll=poll)
    assert len(fun.points) == result.nfev == maxfev
    assert not result.success
    assert result.status == 1
    assert "maxfev" in result.message
    if maxfev:
        assert result.fun == min(map(rosen, fun.points)) == rosen(result.x)
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


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6, 1e8])
def test_equality_constraints_and_bounds_hold_in_any_units(size):
    # In units of 1 / size and size: the sum is 1, and none exceeds 0.75.
    units = np.array([1 / size, size])
    fun = Counted(lambda x: -x[0] * size + (x[1] / size - 0.1) ** 2)
    result = otopt.pattern_search(
        fun, 0.5 * units, bounds=np.outer(units, [0, 0.75]),
        constraints=LinearConstraint([1 / units], 1, 1),
    )  # fmt: skip
    np.testing.assert_allclose((fun.points / units).sum(axis=1), 1, rtol=0, atol=1e-14)
    np.testing.assert_allclose(result.x / units, [0.75, 0.25], rtol=0, atol=1e-12)
    assert result.success


@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("seed", range(10))
def test_constraints_hold_to_rounding_where_nothing_tells_the_units(seed, equal):
    rng = np.random.default_rng(seed)
    n = 4
    units = 10.0 ** rng.permutation([-6, -3, 2, 5])
    A = rng.normal(size=(1 if equal else 2, n)) / units
    x0, centre = rng.normal(size=(2, n)) * units
    high = A @ x0
    constraint = LinearConstraint(A, high if equal else -np.inf, high)
    fun = Counted(lambda x: float((((x - centre) / units) ** 2).sum()))
    otopt.pattern_search(fun, x0, constraints=constraint, maxfev=300)
    points = np.array(fun.points)
    excess = np.abs(points @ A.T - high) if equal else points @ A.T - high
    assert (excess <= 1e-11 * (np.abs(points) @ np.abs(A).T + np.abs(high))).all()


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


def test_a_callback_without_a_signature_gets_the_point():
    with pytest.raises(ValueError, match="no signature"):
        inspect.signature(max)
    result = otopt.pattern_search(rosen, [-1.2, 1.0], callback=max)
    assert result.success


def test_limits():
    assert otopt.pattern_search(rosen, [-1.2, 1.0], maxiter=3).status == 2
    assert otopt.pattern_search(rosen, [-1.2, 1.0], time_limit=0).status == 3
    with pytest.warns(otopt.errors.ConvergenceWarning, match="maxfev"):
        assert otopt.pattern_search(lambda x: x[0], [0.0]).status == 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_finite_value(value):
    result = otopt.pattern_search(lambda x: value, [0.0, 1.0])
    assert (result.status, result.success, result.fun) == (4, False, np.inf)
    assert result.nfail == result.nfev


@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("maxfev", [None, 3])
def test_minus_infinity_ends_the_search(noisy, maxfev):
    fun = Counted(lambda x: -np.inf if x[0] < 0 else x[0] + x[1])
    result = otopt.pattern_search(fun, [0.0, 1.0], noisy=noisy, maxfev=maxfev)
    assert (result.status, result.success, result.fun) == (6, False, -np.inf)
    assert "-inf" in result.message
    assert fun.fun(result.x) == -np.inf
    assert len(fun.points) == 3
    fixed = otopt.pattern_search(lambda x: -np.inf, bounds=[(1, 1)])
    assert (fixed.status, fixed.success) == (6, False)


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
