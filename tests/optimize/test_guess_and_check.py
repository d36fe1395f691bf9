"""guess_and_check: a law of the seed and the index alone, and what is said about acceptance."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, minimize
from scipy.stats import kstest

import otopt
from otopt._kernels.reference_philox import unit64
from otopt.optimize._acceptance import acceptance

SQUARE = [(-1, 1), (-1, 1)]


def radius(x):
    return math.hypot(*x)


def same(a, b):
    np.testing.assert_array_equal(a.indices, b.indices)
    np.testing.assert_array_equal(a.accepted_fun, b.accepted_fun)
    np.testing.assert_array_equal(a.accepted, b.accepted)
    assert (a.nit, a.rate, a.status, a.fun) == (b.nit, b.rate, b.status, b.fun)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**64 - 1), n_accept=st.integers(1, 30))
def test_accepted_set_is_that_of_brute_force(seed, n_accept):
    result = otopt.guess_and_check(radius, bounds=SQUARE, accept=0.3, n_accept=n_accept, rng=seed)
    X = unit64(seed, np.arange(result.nit), 2) * 2 - 1
    fits = np.flatnonzero([radius(x) <= 0.3 for x in X])
    assert len(fits) == n_accept
    np.testing.assert_array_equal(result.indices, fits)
    np.testing.assert_array_equal(result.accepted, X[fits])
    assert result.nit == fits[-1] + 1
    assert result.seed == seed


@pytest.mark.parametrize("accept", [0.1, lambda value: 0.4 < value < 0.45])
def test_any_split_over_workers_finds_the_same(accept):
    fixed = {"bounds": SQUARE, "n_accept": 40, "rng": 3}
    alone = otopt.guess_and_check(radius, accept=accept, **fixed)
    with ThreadPoolExecutor(3) as pool:
        same(alone, otopt.guess_and_check(radius, accept=accept, workers=pool.map, **fixed))
    columns = otopt.guess_and_check(
        lambda X: np.array([radius(x) for x in X.T]), accept=accept, vectorized=True, **fixed
    )
    same(alone, columns)


def test_processes_find_the_same():
    fixed = {"bounds": SQUARE, "n_accept": 40, "rng": 3, "accept": 0.1}
    same(otopt.guess_and_check(radius, **fixed), otopt.guess_and_check(radius, workers=2, **fixed))


def test_a_candidate_is_rebuilt_from_its_index():
    result = otopt.guess_and_check(radius, bounds=SQUARE, accept=0.2, n_accept=5, rng=8)
    again = otopt.GuessAndCheck(SQUARE, rng=result.seed)
    for index, x in zip(result.indices, result.accepted, strict=True):
        np.testing.assert_array_equal(again.candidate(index), x)


def test_samplers_draw_by_index_too():
    def sampler(rng):
        return rng.normal(size=3)

    fixed = {"sampler": sampler, "accept": 0.5, "n_accept": 20, "rng": 1}
    alone = otopt.guess_and_check(lambda x: float(x @ x), **fixed)
    with ThreadPoolExecutor(2) as pool:
        same(alone, otopt.guess_and_check(lambda x: float(x @ x), workers=pool.map, **fixed))
    index = int(alone.indices[7])
    rng = np.random.Generator(np.random.Philox(key=(1, index)))
    np.testing.assert_array_equal(alone.accepted[7], sampler(rng))


def test_accepted_candidates_follow_the_conditional_law():
    result = otopt.guess_and_check(radius, bounds=SQUARE, accept=0.5, n_accept=400, rng=2)
    assert kstest((result.accepted_fun / 0.5) ** 2, "uniform").pvalue > 1e-3


# Early rejection

POINTS = np.random.default_rng(0).normal(size=(12, 3))
LABELS = np.sign(POINTS @ [1.0, -0.5, 0.25])


def wrong(w, example):
    x, y = example
    return float(y * (w @ x) <= 0)


def shortfall(w, example):
    x, y = example
    return max(0.0, 1 - y * (w @ x))


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("loss", "combine", "accept"), [(wrong, "all", 0.5), (shortfall, "sum", 4)]
)
def test_early_rejection_accepts_what_a_full_check_would(vectorized, loss, combine, accept):
    examples = list(zip(POINTS, LABELS, strict=True))
    fixed = {"bounds": [(-2, 2)] * 3, "n_accept": 15, "rng": 4}

    def whole(w):
        losses = [loss(w, e) for e in examples]
        return sum(losses) if combine == "sum" else max(losses)

    def columns(W, example):
        return np.array([loss(w, example) for w in W.T])

    full = otopt.guess_and_check(whole, accept=accept, **fixed)
    early = otopt.guess_and_check(
        columns if vectorized else loss, accept=accept, examples=examples, combine=combine,
        vectorized=vectorized, **fixed,
    )  # fmt: skip
    np.testing.assert_array_equal(early.indices, full.indices)
    assert early.rate == full.rate
    if not vectorized:  # which works ahead in chunks
        assert early.nfev < 0.7 * len(examples) * early.nit


# Rates


def test_estimates_are_unbiased_and_intervals_cover():
    p, rng = 0.2, np.random.default_rng(0)
    fixed, inverse, covered = [], [], []
    for _ in range(800):
        rate, interval = acceptance(
            rng.binomial(30, p), 30, ends_with_accepted=False, confidence=0.9
        )
        fixed.append(rate)
        covered.append(interval[0] <= p <= interval[1])
        rate, interval = acceptance(
            4, 4 + rng.negative_binomial(4, p), ends_with_accepted=True, confidence=0.9
        )
        inverse.append(rate)
        covered.append(interval[0] <= p <= interval[1])
    assert np.mean(fixed) == pytest.approx(p, abs=4 * np.std(fixed) / np.sqrt(800))
    assert np.mean(inverse) == pytest.approx(p, abs=4 * np.std(inverse) / np.sqrt(800))
    assert np.mean(covered) > 0.88


def test_intervals_against_their_definition():
    from scipy.stats import binom, nbinom

    _, (low, high) = acceptance(3, 20, ends_with_accepted=False, confidence=0.95)
    assert binom.sf(2, 20, low) == pytest.approx(0.025)
    assert binom.cdf(3, 20, high) == pytest.approx(0.025)
    _, (low, high) = acceptance(3, 20, ends_with_accepted=True, confidence=0.95)
    assert nbinom.cdf(17, 3, low) == pytest.approx(0.025)
    assert nbinom.sf(16, 3, high) == pytest.approx(0.025)
    assert acceptance(0, 10, ends_with_accepted=False, confidence=0.95)[1][0] == 0
    assert acceptance(5, 5, ends_with_accepted=True, confidence=0.95)[1][1] == 1


# Ends


def test_without_accept_the_best_of_all_is_the_answer():
    result = otopt.guess_and_check(radius, bounds=SQUARE, max_candidates=500, rng=0)
    assert result.success
    assert result.nit == 500
    X = unit64(0, np.arange(500), 2) * 2 - 1
    assert result.fun == min(map(radius, X)) == radius(result.x)
    assert len(result.accepted) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("vectorized", [False, True])
def test_without_any_finite_value_there_is_no_best_one(value, vectorized):
    def fun(x):
        return np.full(x.shape[1], value) if vectorized else value

    fixed = {"bounds": SQUARE, "max_candidates": 50, "rng": 0, "vectorized": vectorized}
    result = otopt.guess_and_check(fun, **fixed)
    assert (result.status, result.success, result.x, result.nit) == (4, False, None, 50)
    assert "finite value" in result.message
    accepting = otopt.guess_and_check(fun, accept=1.0, **fixed)
    assert (accepting.status, accepting.success, accepting.x) == (1, False, None)


def test_without_candidates_there_is_no_best_one():
    result = otopt.guess_and_check(radius, bounds=SQUARE, max_candidates=0)
    assert (result.status, result.success, result.x) == (1, False, None)
    assert "max_candidates" in result.message


def test_minus_infinity_is_a_level_and_a_value():
    fixed = {"bounds": SQUARE, "max_candidates": 20, "rng": 0}
    refused = otopt.guess_and_check(radius, accept=-np.inf, **fixed)
    assert (refused.status, refused.success) == (1, False)
    taken = otopt.guess_and_check(lambda x: -np.inf, accept=-np.inf, n_accept=3, **fixed)
    assert (taken.status, taken.nit) == (0, 3)
    best = otopt.guess_and_check(lambda x: -np.inf, **fixed)
    assert (best.status, best.fun, len(best.accepted)) == (0, -np.inf, 0)


@pytest.mark.parametrize("limit", [0, 1, 10])
def test_max_candidates_is_exact(limit):
    count = []
    result = otopt.guess_and_check(
        lambda x: count.append(1) or 1.0, bounds=SQUARE, accept=0.0, max_candidates=limit, rng=0
    )
    assert len(count) == result.nit == limit
    assert (result.status, result.success) == (1, False)
    assert result.rate_interval[0] == 0
    assert "max_candidates" in result.message


def test_resumed_search_equals_an_uninterrupted_one(tmp_path):
    fixed = {"bounds": SQUARE, "accept": 0.05, "rng": 6}
    whole = otopt.guess_and_check(radius, n_accept=12, **fixed)
    path = tmp_path / "search.npz"
    otopt.guess_and_check(radius, n_accept=12, max_candidates=777, checkpoint=path, **fixed)
    again = otopt.guess_and_check(radius, n_accept=12, checkpoint=path, **fixed)
    same(whole, again)
    fewer = otopt.guess_and_check(radius, n_accept=5, checkpoint=path, **fixed)
    same(otopt.guess_and_check(radius, n_accept=5, **fixed), fewer)
    with pytest.raises(ValueError, match="same arguments"):
        otopt.guess_and_check(radius, checkpoint=path, **(fixed | {"rng": 7}))


def test_interruptions_keep_what_was_found():
    count = 0

    def fun(x):
        nonlocal count
        count += 1
        if count == 3000:
            raise KeyboardInterrupt
        return radius(x)

    result = otopt.guess_and_check(fun, bounds=SQUARE, accept=0.1, n_accept=10**6, rng=0)
    assert result.status == 98
    assert len(result.accepted) > 0

    def stop(intermediate_result):
        raise StopIteration

    stopped = otopt.guess_and_check(radius, bounds=SQUARE, accept=-1, callback=stop)
    assert stopped.status == 99
    timed = otopt.guess_and_check(radius, bounds=SQUARE, accept=-1, time_limit=0)
    assert timed.status == 3


def test_failures_are_rejections_and_counted():
    def fun(x):
        if x[0] > 0.5:
            raise ArithmeticError("too far")
        return np.nan if x[0] < -0.5 else 0.0

    seed = next(
        s for s in range(99) if abs(otopt.GuessAndCheck(SQUARE, rng=s).candidate(0)[0]) < 0.5
    )
    result = otopt.guess_and_check(fun, bounds=SQUARE, accept=1, n_accept=100, rng=seed)
    assert result.nfail > 20
    assert (np.abs(result.accepted[:, 0]) <= 0.5).all()


def fails_at_the_right(x):
    if x[0] > 0.5:
        raise ArithmeticError("too far")
    return radius(x) if x[0] > -0.9 else np.nan


def columns_fail_at_the_right(X):
    if (X[0] > 0.5).any():
        raise ArithmeticError("too far")
    return np.where(X[0] > -0.9, np.hypot(*X), np.nan)


@pytest.mark.parametrize("n_accept", [1, 7, 10**6])
@pytest.mark.parametrize("accept", [0.3, None])
def test_failures_are_those_among_the_candidates_checked(n_accept, accept):
    fixed = {
        "bounds": SQUARE, "accept": accept, "n_accept": n_accept, "max_candidates": 500, "rng": 6
    }  # fmt: skip
    alone = otopt.guess_and_check(fails_at_the_right, **fixed)
    X = unit64(6, np.arange(alone.nit), 2) * 2 - 1
    assert alone.nfail == ((X[:, 0] > 0.5) | (X[:, 0] <= -0.9)).sum() < alone.nit
    columns = otopt.guess_and_check(columns_fail_at_the_right, vectorized=True, **fixed)
    with ThreadPoolExecutor(3) as pool:
        ahead = otopt.guess_and_check(fails_at_the_right, workers=pool.map, **fixed)
    for other in (columns, ahead):
        same(alone, other)
        assert other.nfail == alone.nfail


@pytest.mark.parametrize("vectorized", [False, True])
def test_failures_on_an_example_are_counted_once(vectorized):
    def fun(x, example):
        fail = columns_fail_at_the_right if vectorized else fails_at_the_right
        return fail(x) + example

    result = otopt.guess_and_check(
        fun, bounds=SQUARE, accept=0.3, examples=[0, 0.1, 0.2], n_accept=99, max_candidates=200,
        rng=6, vectorized=vectorized,
    )  # fmt: skip
    X = unit64(6, np.arange(200), 2) * 2 - 1
    assert result.nfail == ((X[:, 0] > 0.5) | (X[:, 0] <= -0.9)).sum()
    np.testing.assert_array_equal(result.indices, np.flatnonzero(np.hypot(*X.T) <= 0.1))


def test_what_the_first_candidate_raises_is_passed_on_in_columns_too():
    def fun(X):
        raise ArithmeticError("nowhere")

    with pytest.raises(ArithmeticError, match="nowhere"):
        otopt.guess_and_check(fun, bounds=SQUARE, accept=1, vectorized=True)


@pytest.mark.parametrize(
    ("arguments", "kind", "match"),
    [
        ({"bounds": None}, ValueError, "one of `bounds` and `sampler`"),
        ({"sampler": len}, ValueError, "got both"),
        ({"bounds": None, "sampler": 3}, TypeError, "callable"),
        ({"bounds": [(0, np.inf)]}, ValueError, "finite"),
        ({"bounds": [(1, 0)]}, ValueError, "low <= high"),
        ({"bounds": []}, ValueError, "one pair at least"),
        ({"x0": [1.0]}, ValueError, "2 pairs for 1"),
        ({"accept": np.nan}, ValueError, "NaN"),
        ({"n_accept": 0}, ValueError, "n_accept"),
        ({"max_candidates": -1}, ValueError, "max_candidates"),
        ({"confidence": 1.0}, ValueError, "confidence"),
        ({"combine": "any"}, ValueError, "combine"),
        ({"combine": "sum"}, ValueError, "examples"),
        ({"examples": [1], "accept": None}, ValueError, "accept"),
        ({"rng": -1}, ValueError, "rng"),
        ({"workers": 0}, ValueError, "workers"),
        ({"constraints": [1]}, ValueError, "not used"),
        ({"fun": None}, TypeError, "callable"),
        ({"fun": lambda x: x}, TypeError, "one real number"),
        ({"fun": lambda x: x, "vectorized": True}, ValueError, "vectorized"),
    ],
)
def test_bad_input(arguments, kind, match):
    with pytest.raises(kind, match=match):
        otopt.guess_and_check(**({"fun": radius, "bounds": SQUARE, "accept": 0.1} | arguments))


def test_a_negative_term_of_a_sum_is_refused():
    with pytest.raises(ValueError, match="non-negative"):
        otopt.guess_and_check(
            lambda x, e: -1.0, bounds=SQUARE, accept=1.0, examples=[1, 2], combine="sum"
        )


def test_scipy_takes_it_as_a_method():
    seen = []
    result = minimize(
        radius, [0.0, 0.0], method=otopt.guess_and_check, bounds=Bounds([-1, -1], [1, 1]),
        callback=seen.append, options={"max_candidates": 300, "rng": 0},
    )  # fmt: skip
    assert result.success
    assert result.fun < 0.3
    assert seen
    assert {"x", "fun", "success", "status", "message", "nfev", "nit"} <= set(result)


def test_ask_and_tell_finds_the_same():
    whole = otopt.guess_and_check(radius, bounds=SQUARE, accept=0.2, n_accept=9, rng=11)
    guesser = otopt.GuessAndCheck(SQUARE, accept=0.2, n_accept=9, rng=11)
    while not guesser.done:
        guesser.tell([radius(x) for x in guesser.ask(7)])
    same(whole, guesser.result())
    with pytest.raises(ValueError, match="must hold 0 values"):
        guesser.tell([1.0])
