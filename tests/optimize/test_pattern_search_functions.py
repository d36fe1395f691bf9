"""pattern_search: what an objective may do, and which input is refused."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint

import otopt
from tests.optimize.objectives import CENTRE, Counted, bowl, same

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
    def search(seed):
        rng = np.random.default_rng(seed)

        def noisy(x):
            return float((x**2).sum() + 0.01 * rng.normal())

        return otopt.pattern_search(noisy, np.full(3, 5.0), noisy=True, maxfev=600)

    results = [search(seed) for seed in range(10)]
    # A value that was lucky is measured again, unless the budget ends before.
    assert sum(result.fun_evaluations > 1 for result in results) >= 6
    for result in results:
        assert (result.x**2).sum() < 0.1
        assert abs(result.fun) < 0.1


@pytest.mark.parametrize("shift", [0.0, 1e-10, -1e-10, 0.3, -0.7])
def test_a_plateau_is_left(shift):
    """Far from its minimum the function is flat to the last bit; shorter steps lead nowhere.

    One variable may find its valley while the other is still on its plateau.
    """

    def fun(x):
        return float(np.minimum(np.abs(x - 6.0), 4.0).sum())

    result = otopt.pattern_search(fun, np.array([shift, 0.0]), initial_step=0.5)
    assert result.certified
    np.testing.assert_allclose(result.x, 6.0, atol=1e-6)


@pytest.mark.parametrize("turn", np.linspace(0, 2 * np.pi, 9))
def test_a_plateau_is_left_in_any_direction(turn):
    """Flat to the last bit further than 5 from the minimum, 6 away: shorter steps lead nowhere.

    A step of 4 leads there along one of any four directions at right angles.
    """
    centre = 6 * np.array([np.cos(turn), np.sin(turn)])

    def fun(x):
        return min(float(((x - centre) ** 2).sum()), 25.0)

    result = otopt.pattern_search(fun, np.zeros(2), initial_step=0.5)
    assert result.certified
    np.testing.assert_allclose(result.x, centre, atol=1e-6)


def test_a_constant_function_ends_certified():
    result = otopt.pattern_search(lambda x: 1.0, np.zeros(3))
    assert result.certified
    assert result.fun == 1.0


def test_narrow_valleys_in_any_scale():
    """Wood's function in units 1e3 apart, and Brown's, badly scaled by design."""

    def wood(x):
        a, b, c, d = x * [1, 1e3, 1, 1e-3]
        return (
            100 * (b - a**2) ** 2 + (1 - a) ** 2 + 90 * (d - c**2) ** 2 + (1 - c) ** 2
            + 10 * (b + d - 2) ** 2 + 0.1 * (b - d) ** 2
        )  # fmt: skip

    start = np.array([-3, -1e-3, -3, -1e3])
    assert otopt.pattern_search(wood, start, initial_step=[1, 1e-3, 1, 1e3]).fun < 1e-8

    def brown(x):
        return (x[0] - 1e6) ** 2 + (x[1] - 2e-6) ** 2 + (x[0] * x[1] - 2) ** 2

    assert otopt.pattern_search(brown, [1.0, 1.0], maxfev=1000).fun < 1e-4


@pytest.mark.parametrize("failing", ["lstsq", "svd", "eigh"])
def test_decompositions_that_fail_cost_the_model_only(failing, monkeypatch):
    def fail(*args, **kwargs):
        message = "SVD did not converge"
        raise np.linalg.LinAlgError(message)

    monkeypatch.setattr(np.linalg, failing, fail)
    result = otopt.pattern_search(bowl, np.zeros(3))
    assert result.certified
    np.testing.assert_allclose(result.x, CENTRE, atol=1e-5)


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
