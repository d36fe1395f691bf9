"""otopt.optimize.networks: laws of what is accepted, searches that end as they say, bad input."""

import warnings

import numpy as np
import pytest
from scipy.stats import binomtest, ks_2samp

from otopt.errors import ConvergenceWarning
from otopt.optimize import networks

LENET = networks.LeNet(width=1 / 3, side=16)
MLP = networks.MLP(256, (20, 7))


def blobs(n, features, seed=0):
    """Two classes that a linear network tells apart, by turns."""
    rng = np.random.default_rng(seed)
    y = np.resize([0, 1], n)
    return rng.normal(size=(n, features)) + np.where(y, 1.0, -1.0)[:, None], y


def test_shapes_and_sizes():
    assert networks.LeNet(width=0.5).size == 11074
    assert networks.LeNet(classes=10).size == 44426
    assert networks.LeNet(width=0.5, side=32, channels=3).size == 15544
    for net in (LENET, MLP, networks.Linear(5, classes=4)):
        theta = net.draw(7, 3)
        arrays = net.parameters(theta)
        assert {name: a.shape for name, a in arrays.items()} == net.shapes
        assert all(np.shares_memory(a, theta) for a in arrays.values())
        np.testing.assert_array_equal(np.concatenate([a.ravel() for a in arrays.values()]), theta)


@pytest.mark.reference
def test_a_swap_exchanges_the_outputs_and_nothing_else():
    X = np.random.default_rng(0).normal(size=(4, 256))
    for net in (LENET, MLP, networks.Linear(256)):
        plain, swapped = net.draw(1, 2), net.draw(1, 2, swap=True)
        z = net.logits(plain, X)
        np.testing.assert_allclose(net.logits(swapped, X), z[:, ::-1], atol=1e-6 * np.abs(z).max())


@pytest.mark.reference
@pytest.mark.parametrize("net", [LENET, MLP, networks.Linear(256)])
def test_accepted_networks_fit(net):
    X, y = blobs(5, 256)
    res = networks.guess_and_check(net, X, y, n_accept=6, rng=2)
    assert res.success
    assert len(res) == 6
    for i in range(6):
        theta = res.theta(i)
        assert net.accuracy(theta, X, y) == 1
        assert net.loss(theta, X, y) == pytest.approx(res.losses[i], rel=1e-5)
    assert res.n_checked == 2 * (res.indices[-1] + 1)


def test_rate_of_a_known_probability():
    # weights w and offset b of the difference are independent with one symmetric law:
    # x = 1 and x = -1 are told apart where |b| < w, a quarter of the time
    net = networks.Linear(1)
    with pytest.warns(ConvergenceWarning, match="max_candidates"):
        res = networks.guess_and_check(
            net, [[-1.0], [1.0]], [0, 1], n_accept=10**6, max_candidates=40_000, rng=0,
            confidence=0.999,
        )  # fmt: skip
    assert res.status == 1
    assert res.n_checked == 40_000
    assert res.rate == len(res) / 40_000
    assert res.rate_interval[0] < 0.25 < res.rate_interval[1]


@pytest.mark.parametrize("net", [LENET, MLP, networks.Linear(256)])
def test_same_law_as_plain_rejection(net):
    X, y = blobs(4, 256, seed=1)
    rng = np.random.default_rng(3)
    tests, labels = blobs(200, 256, seed=4)
    plain, count = [], 3000
    for _ in range(count):
        theta = rng.uniform(-1, 1, net.size).astype(np.float32)
        if net.accuracy(theta, X, y) == 1:
            plain.append(net.accuracy(theta, tests, labels))
    res = networks.guess_and_check(net, X, y, n_accept=400, rng=5)
    ours = [net.accuracy(res.theta(i), tests, labels) for i in range(400)]
    assert binomtest(len(plain), count, res.rate).pvalue > 1e-3
    assert ks_2samp(plain, ours).pvalue > 1e-3


def test_workers_and_starts_do_not_change_the_answer():
    X, y = blobs(6, 256)
    net = networks.Linear(256)
    one = networks.guess_and_check(net, X, y, n_accept=700, rng=9)
    for workers in (2, 3):
        other = networks.guess_and_check(net, X, y, n_accept=700, rng=9, workers=workers)
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.losses, other.losses)
        assert (one.n_checked, one.rate) == (other.n_checked, other.rate)
    first = networks.guess_and_check(net, X, y, n_accept=300, rng=9)
    rest = networks.guess_and_check(
        net, X, y, n_accept=400, rng=9, start=int(first.indices[-1]) + 1
    )
    np.testing.assert_array_equal(np.append(first.indices, rest.indices), one.indices)


def test_order_of_the_examples_does_not_matter():
    X, y = blobs(7, 30)
    net = networks.Linear(30)
    one = networks.guess_and_check(net, X, y, n_accept=50, rng=1)
    order = np.argsort(y, kind="stable")
    other = networks.guess_and_check(net, X[order], y[order], n_accept=50, rng=1)
    np.testing.assert_array_equal(one.indices, other.indices)
    np.testing.assert_array_equal(one.swaps, other.swaps)


def test_one_class_is_enough():
    X, _ = blobs(3, 10)
    res = networks.guess_and_check(networks.Linear(10), X, [1, 1, 1], n_accept=20, rng=1)
    assert all(res.net.accuracy(res.theta(i), X, [1, 1, 1]) == 1 for i in range(20))


@pytest.mark.reference
@pytest.mark.parametrize(
    "net",
    [networks.LeNet(1 / 3, 16, classes=3), networks.MLP(256, (9,), 3), networks.Linear(256, 3)],
)
@pytest.mark.parametrize("opportunistic", [False, True])
def test_pattern_search_lowers_the_loss(net, opportunistic):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(12, 256)), rng.integers(0, 3, 12)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        res = networks.pattern_search(
            net, X, y, rng=3, batch=30, opportunistic=opportunistic, max_trials=600,
            callback=lambda intermediate_result: losses.append(intermediate_result.loss),
        )  # fmt: skip
    assert len(losses) == res.n_moves > 0
    assert (np.diff([net.loss(net.draw(3, 0), X, y), *losses]) < 1e-7).all()
    assert res.loss == pytest.approx(net.loss(res.theta, X, y), rel=1e-5)
    assert res.accuracy == net.accuracy(res.theta, X, y)
    assert res.n_trials == 600 or res.success


def test_pattern_search_fits_and_repeats_itself():
    X, y = blobs(20, 256, seed=2)
    first, second = (networks.pattern_search(LENET, X, y, rng=4) for _ in range(2))
    assert first.success
    assert first.accuracy == 1
    np.testing.assert_array_equal(first.theta, second.theta)


def test_budgets_are_exact_and_named():
    X, y = blobs(30, 8, seed=3)
    y = np.roll(y, 1) ^ (np.arange(30) % 3 == 0)  # no linear network fits
    net = networks.Linear(8)
    for kwargs, status, field, value in (
        ({"max_trials": 77}, 1, "n_trials", 77),
        ({"max_moves": 3}, 2, "n_moves", 3),
        ({"time_limit": 0}, 3, "n_trials", 0),
        ({"min_radius": 0.4}, 4, "radius", 0.5),
    ):
        for search in (networks.pattern_search, networks.greedy_search):
            patience = {"patience": 3} if search is networks.greedy_search else {}
            with pytest.warns(ConvergenceWarning):
                res = search(net, X, y, rng=1, **kwargs, **patience)
            assert res.status == status, res
            assert getattr(res, field) == value

    def stop(intermediate_result):
        raise StopIteration

    with pytest.warns(ConvergenceWarning, match="callback"):
        res = networks.pattern_search(net, X, y, rng=1, callback=stop)
    assert (res.status, res.n_moves) == (99, 1)


def test_starts_are_not_changed():
    X, y = blobs(10, 8)
    net = networks.Linear(8)
    theta = np.zeros(net.size, np.float32)
    theta[0] = 1e-3
    for search in (networks.pattern_search, networks.greedy_search):
        kept = theta.copy()
        assert search(net, X, y, theta, rng=0).success
        np.testing.assert_array_equal(theta, kept)


NET = networks.Linear(3)
GOOD = [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize(
    ("args", "kwargs", "match"),
    [
        ((NET, [[0.0, 1.0]], [0]), {}, "`X` must have shape"),
        ((NET, np.empty((0, 3)), []), {}, "`X` must have shape"),
        ((NET, [[0.0, np.nan, 1.0]], [0]), {}, "finite"),
        ((NET, GOOD, [0, 2]), {}, "class in 0..1"),
        ((NET, GOOD, [0]), {}, "each of the 2"),
        ((NET, GOOD, [0, 1]), {"n_accept": 0}, "n_accept"),
        ((NET, GOOD, [0, 1]), {"max_candidates": 1}, "at least 2"),
        ((NET, GOOD, [0, 1]), {"loss_bin": (1, 1)}, "low < high"),
        ((NET, GOOD, [0, 1]), {"workers": 0}, "workers"),
        ((NET, GOOD, [0, 1]), {"rng": -1}, "rng"),
        ((NET, GOOD, [0, 1]), {"confidence": 1.0}, "confidence"),
        ((networks.Linear(3, 3), GOOD, [0, 1]), {}, "2 classes"),
    ],
)
def test_bad_input_is_refused(args, kwargs, match):
    with pytest.raises(ValueError, match=match):
        networks.guess_and_check(*args, **kwargs)


def test_wrong_types_are_refused():
    for function in (
        networks.guess_and_check, networks.pattern_search, networks.greedy_search,
    ):  # fmt: skip
        with pytest.raises(TypeError, match="network"):
            function("LeNet", GOOD, [0, 1])
        with pytest.raises(TypeError, match="integers"):
            function(NET, GOOD, [0.0, 1.0])
        with pytest.raises(TypeError, match="real"):
            function(NET, np.array(GOOD) * 1j, [0, 1])
    with pytest.raises(ValueError, match="theta0"):
        networks.pattern_search(NET, GOOD, [0, 1], np.full(8, np.nan))
    with pytest.raises(ValueError, match="theta"):
        networks.pattern_search(NET, GOOD, [0, 1], np.zeros(7))
    with pytest.raises(TypeError, match="callable"):
        networks.pattern_search(NET, GOOD, [0, 1], callback=3)
    for bad in ({"side": 30}, {"side": 12}, {"width": 0.1}, {"classes": 1}, {"channels": 0}):
        with pytest.raises(ValueError, match="LeNet"):
            networks.LeNet(**bad)
    for hidden in ((), (3, 3, 3, 3), (0,), 5):
        with pytest.raises(ValueError, match="hidden"):
            networks.MLP(4, hidden)
    with pytest.raises(TypeError, match="hidden"):
        networks.MLP(4, (2.5,))


def test_time_limit_keeps_what_was_found():
    X, y = blobs(4, 8)
    with pytest.warns(ConvergenceWarning, match="time_limit"):
        res = networks.guess_and_check(networks.Linear(8), X, y, n_accept=5, time_limit=0, rng=0)
    assert (res.status, len(res), res.n_checked) == (3, 0, 0)
