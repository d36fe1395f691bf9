"""The few-shot study: bins, starts, records, verdicts."""

import numpy as np
import pytest
import torch

from ml_apps.few_shot import methods, problems, report, sgd
from otopt.optimize import networks


def test_bins_are_open_below_and_closed_above():
    assert [methods.bin_of(x) for x in (0.2, 0.30, 0.31, 0.35, 0.70, 0.71)] == [-1, -1, 0, 0, 7, 8]


def test_problems_are_balanced_and_repeat():
    one, two = (problems.pair("digits", 8, seed) for seed in (1, 1))
    np.testing.assert_array_equal(one.X, two.X)
    assert one.y.tolist() == [0, 1] * 4
    assert one.X.shape == (8, one.channels * one.side**2)
    assert not np.array_equal(one.X, problems.pair("digits", 8, 2).X)


@pytest.mark.parametrize(
    "net", [networks.LeNet(1 / 3, 20), networks.MLP(400, (9, 5)), networks.Linear(400)]
)
def test_torch_sees_the_network_that_otopt_sees(net):
    problem = problems.pair("digits", 6, 0)
    theta = net.draw(0, 1)
    p = {name: torch.from_numpy(a) for name, a in net.parameters(theta).items()}
    z = sgd.logits(p, torch.from_numpy(problem.X), problem.channels, problem.side).numpy()
    expected = net.logits(theta, problem.X)
    np.testing.assert_allclose(z, expected, atol=1e-5 * np.abs(expected).max())


def test_starts_are_scaled_by_the_inputs_of_a_unit():
    net = networks.LeNet(1 / 3, 20)
    (plain,), (scaled,) = (sgd.start(net, sgd.RECIPES[name], 1, 0) for name in ("sgd_paper", "sgd"))
    ratio = {n: (a / b).mean() for (n, a), b in zip(
        net.parameters(plain).items(), net.parameters(scaled).values(), strict=True)}  # fmt: skip
    assert ratio["conv2.weight"] == pytest.approx(np.sqrt(2 * 25))
    assert ratio["fc1.weight"] == pytest.approx(np.sqrt(net.shapes["fc1.weight"][0]))
    assert ratio["fc3.bias"] == pytest.approx(np.sqrt(net.shapes["fc3.weight"][1]))


def test_every_method_makes_a_record():
    problem = problems.pair("digits", 4, 3)
    net = networks.Linear(400)
    for method in ("guess", "pattern", "sgd"):
        record = methods.run(method, net, "linear", problem, 0, quick=True)
        assert record["first"]
        for loss, accuracy in record["first"]:
            assert loss > 0
            assert 0 <= accuracy <= 1


@pytest.mark.parametrize("fitted_only", [True, False])
def test_a_descent_is_seen_where_it_fits_and_in_new_bins(fitted_only):
    problem = problems.pair("digits", 4, 0)
    net = networks.Linear(400)
    theta = net.draw(0, 0)
    walk = methods.Descent(net, problem, fitted_only)
    assert not walk.visit(theta, 0.62, False)
    assert set(walk.bins) == (set() if fitted_only else {6})
    assert not walk.visit(theta, 0.33, False)  # a low loss is not the end of what does not fit
    assert not walk.visit(theta, 0.42, True)
    assert walk.first[0] == 0.42
    assert walk.visit(theta, 0.31, True)
    assert walk.first[0] == 0.42
    assert set(walk.bins) == ({0, 2} if fitted_only else {0, 2, 6})
    assert walk.bins[0][0] == (0.31 if fitted_only else 0.33)


def test_verdicts_pair_the_seeds():
    rng = np.random.default_rng(0)
    records = []
    for seed in range(20):
        level = rng.normal()
        for method, shift in (("guess", 0.0), ("pattern", 1.0), ("sgd", 0.0)):
            value = level + shift + 0.1 * rng.normal()
            records.append({"cell": ["mnist", "lenet", 4, seed, method],
                            "first": [[0.5, value]], "bins": {}})  # fmt: skip
    found = {v[3]: v[6] for v in report.verdicts(records) if v[4] == "sgd"}
    assert found["guess"]["within"]
    assert not found["pattern"]["within"]
    assert found["pattern"]["difference"] == pytest.approx(1, abs=0.1)
    assert found["pattern"]["half"] < 0.15
