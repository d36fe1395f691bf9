"""mmot_1d against the explicit linear programme, and the laws of the problem."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

import otopt
from otopt._kernels.monge_path import path_sweep
from otopt._oracles.monge import COSTS, MongeCost
from tests.judges import all_tuples, explicit_value, tuple_costs

CUTS = COSTS[:3]
WEIGHTED = COSTS[1:]


def histograms(rng, sizes, kind):
    """Masses of equal sum: with empty bins, empty tails, ties between CDFs, tiny masses."""
    columns = []
    for n in sizes:
        if kind == "counts":
            a = rng.multinomial(4, np.full(n, 1 / n)).astype(float)
        elif kind == "tails":
            a = rng.random(n) * (np.arange(n) < rng.integers(1, n + 1))
        elif kind == "skewed":
            a = rng.dirichlet(np.full(n, 0.2)) + 1e-12
        elif kind == "dirac":
            a = np.eye(n)[rng.integers(n)]
        else:
            a = rng.random(n) + 0.1
        columns.append(a / a.sum())
    return columns


@st.composite
def problems(draw, same_size=False):
    """Masses, ascending supports, weights, delta."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 4))
    sizes = [draw(st.integers(1, 6)) for _ in range(d)]
    if same_size:
        sizes = [sizes[0]] * d
    masses = histograms(rng, sizes, draw(st.sampled_from(KINDS)))
    supports = [np.sort(rng.integers(0, 8, n) * draw(st.sampled_from([1.0, 0.37]))) for n in sizes]
    weights = draw(st.sampled_from([None, "random"]))
    return masses, supports, weights and rng.uniform(0.2, 2.0, d), draw(st.sampled_from([0.5, 2.0]))


KINDS = ("random", "counts", "tails", "skewed", "dirac")


def used_weights(cost, w, d):
    """The documented default."""
    if w is None:
        return np.full(d, 1 / d if cost in ("median", "variance") else 1.0)
    return w


def check_certificate(result, masses, costs, expected):
    """Value and dual against the judge: equal, feasible on every tuple, paired exactly."""
    scale = max(1.0, np.abs(costs).max())
    assert result.value == pytest.approx(expected, abs=1e-10 * scale)
    dual = result.dual if isinstance(result.dual, list) else list(result.dual.T)
    tuples = all_tuples([len(a) for a in masses])
    prices = sum(z[tuples[:, k]] for k, z in enumerate(dual))
    assert (prices - costs).max() <= 1e-12 * scale
    paired = sum(a @ z for a, z in zip(masses, dual, strict=True))
    assert paired == pytest.approx(result.value, abs=1e-12 * scale)
    assert result.gap <= 1e-12 * scale


def check_plan(result, masses, costs):
    """A coupling of these marginals, of few tuples, that costs the value."""
    indices, mass = result.plan
    assert len(mass) == sum(map(len, masses)) - len(masses) + 1
    assert mass.min() >= 0
    for k, a in enumerate(masses):
        marginal = np.bincount(indices[:, k], mass, len(a))
        np.testing.assert_allclose(marginal, a, atol=1e-14)
    number = np.ravel_multi_index(tuple(indices.T), [len(a) for a in masses])
    scale = max(1.0, np.abs(costs).max())
    assert mass @ costs[number] == pytest.approx(result.value, abs=1e-12 * scale)


@pytest.mark.reference
@pytest.mark.parametrize("cost", COSTS)
@given(problem=problems())
def test_histograms_of_any_sizes_against_highs(cost, problem):
    masses, supports, w, delta = problem
    w = None if cost == "range" else w
    costs = tuple_costs(cost, supports, used_weights(cost, w, len(masses)), delta)
    result = otopt.mmot_1d(masses, cost=cost, support=supports, weights=w, delta=delta)
    check_certificate(result, masses, costs, explicit_value(masses, costs))
    check_plan(result, masses, costs)


@pytest.mark.reference
@pytest.mark.parametrize("cost", COSTS)
@given(problem=problems(same_size=True))
def test_histograms_on_one_grid_against_highs(cost, problem):
    masses, supports, w, delta = problem
    w = None if cost == "range" else w
    x, d = supports[0], len(masses)
    costs = tuple_costs(cost, [x] * d, used_weights(cost, w, d), delta)
    A = np.column_stack(masses)
    result = otopt.mmot_1d(A, cost=cost, support=x, weights=w, delta=delta)
    check_certificate(result, masses, costs, explicit_value(masses, costs))
    check_plan(result, masses, costs)
    if cost == "range":  # the path on which the checks ride along
        unit = tuple_costs(cost, [np.arange(float(len(A)))] * d, None, delta)
        check_certificate(otopt.mmot_1d(A), masses, unit, explicit_value(masses, unit))


CALLABLES = {
    "range squared": lambda X: (X.max(axis=-1) - X.min(axis=-1)) ** 2,
    "sum of cubes": lambda X: (
        sum(abs(X[..., k] - X[..., l]) ** 3 for k in range(X.shape[-1]) for l in range(k))
        + 0 * X[..., 0]
    ),
    "product": lambda X: -X.prod(axis=-1),  # not zero where all places agree
}


@pytest.mark.parametrize("name", CALLABLES)
@given(problem=problems())
def test_callable_costs_against_highs(name, problem):
    masses, supports, _, _ = problem
    supports = [x + 1.0 for x in supports]  # products of positive numbers are supermodular
    tuples = all_tuples([len(a) for a in masses])
    places = np.stack([x[tuples[:, k]] for k, x in enumerate(supports)], axis=-1)
    costs = CALLABLES[name](places)
    result = otopt.mmot_1d(masses, cost=CALLABLES[name], support=supports)
    scale = max(1.0, np.abs(costs).max())
    assert result.value == pytest.approx(explicit_value(masses, costs), abs=1e-10 * scale)
    check_certificate(result, masses, costs, result.value)
    check_plan(result, masses, costs)


@pytest.mark.parametrize(
    "cost",
    [
        lambda X: np.sqrt(X.max(axis=-1) - X.min(axis=-1)),
        lambda X: X.std(axis=-1),
        lambda X: (X.max(axis=-1) > X.min(axis=-1)).astype(float),
    ],
)
def test_costs_that_are_not_monge_are_refused(cost):
    A = np.full((5, 3), 0.2)
    with pytest.raises(ValueError, match=r"^mmot_1d: `cost` must be Monge.*at bins"):
        otopt.mmot_1d(A, cost=cost)
    with pytest.raises(ValueError, match="must be Monge"):  # a sample of a larger grid finds it too
        otopt.mmot_1d(np.full((60, 4), 1 / 60), cost=cost)


@pytest.mark.parametrize("cost", CUTS)
@given(problem=problems(same_size=True))
def test_the_greedy_sweep_equals_the_closed_form(cost, problem):
    masses, supports, w, delta = problem
    d = len(masses)
    rule = MongeCost.resolve("test", cost, d, None if cost == "range" else w, delta)
    x = np.tile(supports[0], d)
    start = np.arange(d + 1) * len(masses[0])
    cdf = np.concatenate([np.cumsum(a) for a in masses])
    swept, dual, _ = path_sweep(rule, None, x, start, cdf, 1.0)
    result = otopt.mmot_1d(
        np.column_stack(masses), cost=cost, support=supports[0],
        weights=None if cost == "range" else w,
    )  # fmt: skip
    assert swept == pytest.approx(result.value, abs=1e-12)
    assert dual @ np.concatenate(masses) == pytest.approx(result.value, abs=1e-12)


def test_long_paths_are_swept_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    A = rng.dirichlet(np.ones(40), 5).T
    whole = otopt.mmot_1d(A, cost=CALLABLES["range squared"])
    monkeypatch.setattr("otopt._kernels.monge_path.CHUNK", 35)
    pieces = otopt.mmot_1d(A, cost=CALLABLES["range squared"])
    assert pieces.value == pytest.approx(whole.value, rel=1e-14)
    np.testing.assert_allclose(pieces.dual, whole.dual, atol=1e-12)


@pytest.mark.parametrize("cost", COSTS)
@given(problem=problems(same_size=True), seed=st.integers(0, 2**32 - 1))
def test_laws(cost, problem, seed):
    masses, supports, w, delta = problem
    rng = np.random.default_rng(seed)
    A, x, d = np.column_stack(masses), supports[0], len(masses)
    w = None if cost == "range" else used_weights(cost, w, d)

    def value(A, x, w=w, delta=delta):
        return otopt.mmot_1d(A, cost=cost, support=x, weights=w, delta=delta).value

    base = value(A, x)
    tolerance = 1e-10 * max(1.0, base)
    turn = rng.permutation(d)
    assert value(A[:, turn], x, None if w is None else w[turn]) == pytest.approx(
        base, abs=tolerance
    )
    assert value(A, x + 17.25) == pytest.approx(base, abs=tolerance)
    assert value(A[::-1], -x[::-1]) == pytest.approx(base, abs=tolerance)
    assert value(7.0 * A, x) == pytest.approx(7 * base, abs=7 * tolerance)
    power = 2 if cost in ("pairwise_l2", "variance", "huber") else 1
    assert value(A, 3 * x, delta=3 * delta) == pytest.approx(
        3**power * base, abs=3**power * tolerance
    )
    mixed = rng.permutation(len(x))
    result = otopt.mmot_1d(A[mixed], cost=cost, support=x[mixed], weights=w, delta=delta)
    assert result.value == pytest.approx(base, abs=tolerance)
    assert result.gap <= tolerance
    assert value(np.repeat(A[:, :1], d, axis=1), x) == pytest.approx(0, abs=1e-12)


@given(problem=problems())
def test_two_marginals_are_the_wasserstein_distance(problem):
    masses, supports, _, _ = problem
    a, b, x, y = masses[0], masses[-1], supports[0], supports[-1]
    expected = wasserstein_distance(x, y, a, b)
    for cost in ("range", "pairwise_l1"):
        result = otopt.mmot_1d([a, b], cost=cost, support=[x, y])
        assert result.value == pytest.approx(expected, abs=1e-12)
    assert otopt.mmot_1d([a, b], cost="median", support=[x, y]).value == pytest.approx(
        expected / 2, abs=1e-12
    )


@pytest.mark.reference
@pytest.mark.parametrize("cost", COSTS)
def test_a_batch_is_a_loop(cost):
    rng = np.random.default_rng(1)
    A = rng.dirichlet(np.ones(7), (2, 3, 4)).swapaxes(-1, -2)
    x = rng.normal(size=7)
    batch = otopt.mmot_1d(A, cost=cost, support=x)
    assert batch.value.shape == (2, 3)
    assert batch.dual.shape == A.shape
    assert batch.gap <= 1e-13
    assert batch.plan.indices.shape == (2, 3, 25, 4)
    for i in np.ndindex(2, 3):
        one = otopt.mmot_1d(A[i], cost=cost, support=x)
        assert batch.value[i] == pytest.approx(one.value, rel=1e-14)
        np.testing.assert_allclose(batch.dual[i], one.dual, atol=1e-14)
        np.testing.assert_array_equal(batch.plan.indices[i], one.plan.indices)


def test_empty_tails_leave_the_dual_feasible():
    # Two Diracs in the first of four bins: prices that keep growing in the empty bins would cut off
    # couplings that are allowed, and point a gradient the wrong way.
    A = np.zeros((4, 2))
    A[0] = 1
    dual = otopt.mmot_1d(A).dual
    i, j = np.indices((4, 4))
    assert (dual[i, 0] + dual[j, 1] <= abs(i - j)).all()


def test_a_plan_of_changed_masses_is_refused():
    A = np.array([[0.7, 0.1], [0.3, 0.9]])
    result = otopt.mmot_1d(A)
    A[:] = A[::-1].copy()
    with pytest.raises(RuntimeError, match="have changed"):
        _ = result.plan


@pytest.mark.parametrize("cost", COSTS)
def test_the_dual_is_the_gradient(cost):
    rng = np.random.default_rng(2)
    A, x = rng.dirichlet(np.ones(6), 3).T, np.sort(rng.normal(size=6))
    dual = otopt.mmot_1d(A, cost=cost, support=x).dual
    for _ in range(10):
        step = rng.normal(size=A.shape)
        step -= step.mean(axis=0)  # masses stay equal
        h = 1e-6
        up, down = (otopt.mmot_1d(A + s * h * step, cost=cost, support=x).value for s in (1, -1))
        assert (up - down) / (2 * h) == pytest.approx((dual * step).sum(), abs=1e-8)
