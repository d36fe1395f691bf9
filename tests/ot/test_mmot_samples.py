"""mmot_samples against histograms of the same points, finite differences, and its own laws."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

import otopt
from otopt._oracles.monge import COSTS
from otopt.ot._groups import read_membership
from otopt.ot._multimarginal_samples import solve_on_device

COST_RULES = pytest.mark.parametrize("cost", COSTS)


@st.composite
def samples(draw, ties=True):
    """Samples, labels 0..d-1 all in use, weights of samples or None."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    d = draw(st.integers(1, 5))
    N = d + draw(st.integers(0, 12))
    g = rng.permutation(np.concatenate([np.arange(d), rng.integers(0, d, N - d)]))
    kind = draw(st.sampled_from(["normal", "ties", "constant"] if ties else ["normal"]))
    x = rng.normal(size=N)
    if kind == "ties":
        x = rng.integers(0, 4, N) / 3
    elif kind == "constant":
        x = np.full(N, 0.7)
    weighted = draw(st.booleans())
    return x, g, rng.uniform(0.2, 2, N) if weighted else None


def by_histograms(x, g, sw, cost):
    """The same as masses on places of their own."""
    groups = np.unique(g)
    masses = [np.ones((g == k).sum()) if sw is None else sw[g == k] for k in groups]
    support = [x[g == k] for k in groups]
    return otopt.mmot_1d(masses, cost=cost, support=support, normalize=True, delta=0.5).value


@pytest.mark.reference
@COST_RULES
@given(case=samples())
def test_value_is_that_of_histograms_with_those_points(cost, case):
    x, g, sw = case
    result = otopt.mmot_samples(x, g, cost=cost, sample_weight=sw, delta=0.5)
    assert result.value == pytest.approx(by_histograms(x, g, sw, cost), abs=1e-12)
    # Moving everything changes nothing.
    assert result.gradient.sum() == pytest.approx(0, abs=1e-12)


def difference_quotients(value, x, h=1e-6):
    return np.array([(value(x + h * e) - value(x - h * e)) / (2 * h) for e in np.eye(len(x))])


@pytest.mark.reference
@COST_RULES
@given(case=samples(ties=False))
def test_gradient_off_ties(cost, case):
    x, g, sw = case

    def value(x):
        return otopt.mmot_samples(x, g, cost=cost, sample_weight=sw, delta=0.5).value

    gradient = otopt.mmot_samples(x, g, cost=cost, sample_weight=sw, delta=0.5).gradient
    np.testing.assert_allclose(difference_quotients(value, x), gradient, atol=2e-8)


@COST_RULES
@given(case=samples(), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_samples_does_not_matter_even_at_ties(cost, case, seed):
    x, g, sw = case
    turn = np.random.default_rng(seed).permutation(len(x))
    base = otopt.mmot_samples(x, g, cost=cost, sample_weight=sw)
    turned = otopt.mmot_samples(
        x[turn], g[turn], cost=cost, sample_weight=None if sw is None else sw[turn]
    )
    assert turned.value == pytest.approx(base.value, abs=1e-12)
    np.testing.assert_allclose(turned.gradient, base.gradient[turn], atol=1e-12)


@pytest.mark.parametrize("cost", COSTS[:3])
@given(case=samples())
def test_at_ties_it_is_a_mean_of_gradients_of_neighbouring_pieces(cost, case):
    x, g, sw = case
    h = 1e-9
    ways = [
        otopt.mmot_samples(x + sign * h * g, g, cost=cost, sample_weight=sw).gradient
        for sign in (1, -1)
    ]
    mean = sum(ways) / 2
    result = otopt.mmot_samples(x, g, cost=cost, sample_weight=sw).gradient
    weight = np.ones(len(x)) if sw is None else sw
    for place in np.unique(x):
        for k in np.unique(g):
            here = (x == place) & (g == k)
            if here.any():
                np.testing.assert_allclose(result[here].sum(), mean[here].sum(), atol=1e-12)
                share = weight[here] / weight[here].sum() * result[here].sum()
                np.testing.assert_allclose(result[here], share, atol=1e-12)


def test_everything_tied_has_no_gradient():
    for N, d in ((6, 2), (12, 3), (40, 8)):
        result = otopt.mmot_samples(np.full(N, 0.5), np.arange(N) % d)
        assert result.value == 0
        np.testing.assert_allclose(result.gradient, 0, atol=1e-15)


@COST_RULES
@given(case=samples(), seed=st.integers(0, 2**32 - 1))
def test_shares(cost, case, seed):
    x, g, sw = case
    rng = np.random.default_rng(seed)
    hard = otopt.mmot_samples(x, g, cost=cost, sample_weight=sw)
    one_hot = otopt.mmot_samples(x, np.eye(g.max() + 1)[g], cost=cost, sample_weight=sw)
    assert one_hot.value == pytest.approx(hard.value, abs=1e-12)
    np.testing.assert_allclose(one_hot.gradient, hard.gradient, atol=1e-12)
    shares = rng.uniform(0.1, 1, (len(x), 3))
    soft = otopt.mmot_samples(x, shares, cost=cost, sample_weight=sw, delta=0.5)
    weight = np.ones(len(x)) if sw is None else sw
    tripled = otopt.mmot_samples(
        np.tile(x, 3), np.repeat(np.arange(3), len(x)), cost=cost, delta=0.5,
        sample_weight=(shares.T * weight).ravel(),
    )  # fmt: skip
    assert soft.value == pytest.approx(tripled.value, abs=1e-12)
    if len(np.unique(x)) == len(x):
        folded = tripled.gradient.reshape(3, -1).sum(axis=0)
        np.testing.assert_allclose(soft.gradient, folded, atol=1e-12)


def test_a_list_of_groups_is_the_same_as_labels():
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=n) for n in (1, 5, 3)]
    joined, labels = np.concatenate(parts), np.repeat([0, 1, 2], [1, 5, 3])
    for cost in COSTS:
        listed = otopt.mmot_samples(parts, cost=cost)
        flat = otopt.mmot_samples(joined, labels, cost=cost)
        assert listed.value == flat.value
        np.testing.assert_array_equal(np.concatenate(listed.gradient), flat.gradient)
        assert [len(g) for g in listed.gradient] == [1, 5, 3]
    tensors = [torch.tensor(p, requires_grad=True) for p in parts]
    result = otopt.mmot_samples(tensors)
    result.value.backward()
    for t, g in zip(tensors, result.gradient, strict=True):
        assert torch.equal(t.grad, g)


@given(case=samples())
def test_two_groups_are_the_wasserstein_distance(case):
    x, g, sw = case
    g = np.arange(len(x)) % 2
    if len(x) < 2:
        return
    weights = [None, None] if sw is None else [sw[g == 0], sw[g == 1]]
    expected = wasserstein_distance(x[g == 0], x[g == 1], *weights)
    assert otopt.mmot_samples(x, g, sample_weight=sw).value == pytest.approx(expected, abs=1e-12)


def test_it_is_the_mean_over_thresholds_of_the_difference_in_acceptance():
    rng = np.random.default_rng(3)
    x, g = rng.random(200), rng.integers(0, 5, 200)
    t = (np.arange(200_000) + 0.5) / 200_000
    accepted = np.array([1 - np.searchsorted(np.sort(x[g == k]), t) / (g == k).sum()
                         for k in range(5)])  # fmt: skip
    expected = np.ptp(accepted, axis=0).mean()
    assert otopt.mmot_samples(x, g).value == pytest.approx(expected, abs=1e-4)


def test_saturated_scores_are_seen():
    x = np.concatenate([np.full(100, 0.5), np.full(50, 0.5), np.full(50, 0.9997)])
    g = np.repeat([0, 1], 100)
    expected = wasserstein_distance(x[:100], x[100:])
    assert expected == pytest.approx(0.24985)
    assert otopt.mmot_samples(x, g).value == pytest.approx(expected, abs=1e-12)


@COST_RULES
def test_tensors(cost):
    rng = np.random.default_rng(4)
    x, g = rng.normal(size=40), rng.integers(0, 4, 40)
    expected = otopt.mmot_samples(x, g, cost=cost)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.float16, 1e-2)):
        tensor = torch.tensor(x, dtype=dtype, requires_grad=True)
        result = otopt.mmot_samples(tensor, torch.tensor(g), cost=cost)
        result.value.backward()
        kept = torch.float32 if dtype == torch.float16 else dtype
        assert result.value.dtype == result.gradient.dtype == kept
        assert tensor.grad.dtype == dtype
        assert result.value.item() == pytest.approx(expected.value, rel=tolerance)
        assert torch.equal(tensor.grad, result.gradient.to(dtype))
        assert np.abs(result.gradient.numpy() - expected.gradient).max() <= 20 * tolerance


@COST_RULES
def test_gradcheck(cost):
    x = torch.tensor(np.random.default_rng(5).normal(size=15), requires_grad=True)
    g, sw = np.arange(15) % 4, np.linspace(0.5, 1.5, 15)
    assert torch.autograd.gradcheck(
        lambda x: otopt.mmot_samples(x, g, cost=cost, sample_weight=sw, delta=0.5).value, x
    )


def test_a_callable_inherits_the_gradients_of_torch():
    x = torch.tensor(np.random.default_rng(6).normal(size=12), requires_grad=True)
    g = np.arange(12) % 3

    def squared_range(X):
        return (X.amax(-1) - X.amin(-1)) ** 2

    def by_hand(X):
        return 3 * X.var(-1, unbiased=False)

    assert torch.autograd.gradcheck(lambda x: otopt.mmot_samples(x, g, cost=squared_range).value, x)
    ours = otopt.mmot_samples(x, g, cost="variance", weights=np.ones(3))
    theirs = otopt.mmot_samples(x, g, cost=by_hand)
    assert theirs.value.item() == pytest.approx(ours.value.item(), rel=1e-12)
    np.testing.assert_allclose(theirs.gradient, ours.gradient, atol=1e-12)
    with pytest.raises(ValueError, match="must be Monge"):
        otopt.mmot_samples(x, g, cost=lambda X: (X.amax(-1) - X.amin(-1)) ** 0.5)


@COST_RULES
@given(case=samples())
def test_device_code(cost, case):
    from otopt._oracles.monge import MongeCost

    x, g, sw = case
    members = read_membership("test", g, len(x), sw)
    rule = MongeCost.resolve("test", cost, len(members.labels), None, 0.5)
    value, gradient = solve_on_device(torch.tensor(x), members, rule)
    expected = otopt.mmot_samples(x, g, cost=cost, sample_weight=sw, delta=0.5)
    assert value.item() == pytest.approx(expected.value, abs=1e-12)
    if cost in COSTS[:3] or len(np.unique(x)) == len(x):
        np.testing.assert_allclose(gradient, expected.gradient, atol=1e-12)


def test_many_samples_in_single_precision_lose_nothing():
    rng = np.random.default_rng(7)
    x = rng.random(300_000).astype(np.float32)
    g = np.arange(300_000) % 3
    exact = otopt.mmot_samples(x.astype(float), g)
    tensor = otopt.mmot_samples(torch.tensor(x), torch.tensor(g))
    assert tensor.value.item() == pytest.approx(exact.value, rel=1e-6)


def test_null_level():
    known = {(16, 16): 0.107, (64, 64): 0.054, (1000, 8): 0.110, (16,) * 8: 0.268}
    for counts, mean in known.items():
        level = otopt.mmot_null_level(counts, rng=0, n_draws=300)
        assert level.mean == pytest.approx(mean, abs=0.012)
        assert level.mean < level.upper <= level.draws.max()
    same = [otopt.mmot_null_level([5, 9], rng=3).draws for _ in range(2)]
    np.testing.assert_array_equal(*same)
    narrow = otopt.mmot_null_level([5, 9], scores=[0.5], rng=0)
    assert narrow.mean == narrow.upper == 0
    assert otopt.mmot_null_level([7], rng=0).mean == 0
