"""Trade-offs, training in batches, and the comparison's bookkeeping."""

import json

import numpy as np
import pytest
import torch

from ml_apps.fairness import FairClassifier, FairRegressor, ks_parity_difference, trade_off
from ml_apps.fairness._intervals import interval
from ml_apps.fairness._training import Penalty, Schedule, _batches
from ml_apps.fairness.compare import __main__ as command
from ml_apps.fairness.compare import bars, measure, methods, tasks
from ml_apps.fairness.compare.peers import HistogramClassifier


def shifted(n=240, seed=0):
    rng = np.random.default_rng(seed)
    group = rng.integers(3, size=n)
    X = rng.normal(size=(n, 3)) + group[:, None] * [1.0, 0, 0]
    return X, X.sum(axis=1) + rng.normal(size=n), group


def test_a_trade_off_falls_on_both_sides():
    X, y, group = shifted()
    found = trade_off(FairRegressor(max_iter=60), X, y, sensitive_features=group, lams=(0, 1, 10),
                      n_splits=3, random_state=0)  # fmt: skip
    rows = found.rows()
    assert rows[0]["gap"] > 2 * rows[-1]["gap"]
    assert rows[0]["score"] > rows[-1]["score"]
    assert all(row["gap_half"] > 0 for row in rows)
    assert found.scores.shape == (3, 3)
    assert found.null.mean < rows[0]["gap"]
    axis = found.plot()
    assert axis.get_xlabel() == "wasserstein parity difference"
    again = trade_off(FairRegressor(max_iter=60), X, y, sensitive_features=group, lams=(0, 1, 10),
                      n_splits=3, random_state=0)  # fmt: skip
    assert np.array_equal(found.gaps, again.gaps)


def test_a_trade_off_with_one_split_has_no_interval_and_any_metric():
    X, y, group = shifted()
    found = trade_off(FairClassifier(max_iter=30, target_gap=0.1), X, y > 1,
                      sensitive_features=group, lams=[0.5], n_splits=1,
                      metric=ks_parity_difference)  # fmt: skip
    assert found.rows()[0]["gap_half"] is None
    assert found.gap_name == "ks_parity_difference"
    found.plot()
    with pytest.raises(ValueError, match="one fit at least; got 0"):
        trade_off(FairRegressor(), X, y, sensitive_features=group, lams=[])


def test_the_interval_allows_for_shared_rows():
    values = [1.0, 2.0, 3.0]
    mean, half = interval(values, 0.5)
    assert mean == 2.0
    assert half == pytest.approx(4.302653 * np.sqrt(1 / 3 + 0.5))


def fair_scores(stratified):
    """Penalty of batches of 128 on scores that mean nothing, with eight unequal groups."""
    rng = np.random.default_rng(0)
    number = torch.as_tensor(np.repeat(np.arange(8), [1200, 640, 108, 100, 48, 40, 20, 16]))
    scores = torch.as_tensor(rng.random(len(number)))
    penalty = Penalty((None,), [np.arange(8)], [None], lambda s, _: s, "range", 0, 0.0)
    schedule = Schedule(40, 0.1, 0.0, 128, 12 if stratified else 0)
    generator = torch.Generator().manual_seed(0)
    batches = _batches(scores, number, penalty, schedule, generator)
    return np.mean([float(penalty(scores[r], None, number[r], None, None)) for r, _ in batches])


def test_stratified_batches_lower_what_a_fair_model_pays():
    plain, stratified = fair_scores(False), fair_scores(True)
    assert plain > 0.45  # of a model that is exactly fair
    assert stratified < 0.65 * plain


def test_the_weights_of_stratified_batches_keep_the_loss_of_the_task():
    number = torch.as_tensor(np.repeat([0, 1], [900, 100]))
    y = number.double() * 3  # the loss depends on the group
    penalty = Penalty((None,), [np.arange(2)], [None], lambda s, _: s, "range", 0, 0.0)
    schedule = Schedule(60, 0.1, 0.0, 100, 40)
    generator = torch.Generator().manual_seed(0)
    means = [
        float((share * y[rows]).mean())
        for rows, share in _batches(y, number, penalty, schedule, generator)
    ]
    assert np.mean(means) == pytest.approx(float(y.mean()), rel=1e-5)


def test_the_published_histogram_loses_confident_scores_and_ours_does_not():
    penalty = HistogramClassifier().difference(2)
    output = torch.tensor([8.0] * 50 + [-8.0] * 50 + [-8.0] * 100)  # half of one group near 1
    value = float(penalty(output, torch.arange(200) // 100))
    assert value < 0.1  # of 0.5


POINTS = [
    {"strength": s, "choose": {"dp": gap}}
    for s, gap in ((0.1, 0.3), (1.0, 0.2), (10.0, 0.1), (100.0, 0.15))
]


def test_strengths_are_read_off_where_the_gap_crosses():
    assert measure.read_off(POINTS, "dp", 0.35) == 0.1
    assert 1.0 < measure.read_off(POINTS, "dp", 0.1) < 10.0
    assert measure.read_off(POINTS, "dp", 0.15) == pytest.approx(np.sqrt(10.0))
    assert measure.read_off(POINTS, "dp", 0.05) is None
    assert measure.read_off(POINTS, "sdp", 0.05) is None


def test_the_weakest_fit_that_meets_the_target_is_taken():
    fitted = []

    def fit(strength):  # the gap falls faster than the path suggests
        fitted.append(strength)
        return {"strength": strength, "choose": {"dp": 0.2 / strength}}

    path = [fit(s) for s in (1.0, 10.0)]
    chosen = measure._choose(path, "dp", 0.1, fit)
    assert len(fitted) <= 6
    assert 2.0 / 1.05 <= chosen["strength"] < 2.3
    assert measure._choose(path, "dp", 0.01, fit) is None
    assert measure._choose(path, "dp", 0.5, fit) is path[0]


def test_a_fit_just_above_the_target_does_not_end_the_search():
    def fit(strength):
        gap = 0.2 if strength < 2 else 0.108 if strength < 4 else 0.098 if strength < 10 else 0.0
        return {"strength": strength, "choose": {"dp": gap}}

    chosen = measure._choose([fit(1.0), fit(10.0)], "dp", 0.1, fit)
    assert chosen["choose"]["dp"] == 0.098


def test_a_random_prediction_is_judged_by_its_expectation():
    y, p, group = np.array([1, 0, 1, 0]), np.array([0.9, 0.2, 0.6, 0.4]), np.array([0, 0, 1, 1])
    record = measure.judge(y, p, None, group, "classification")
    assert record["accuracy"] == pytest.approx((0.9 + 0.8 + 0.6 + 0.6) / 4)
    assert record["dp"] == pytest.approx(0.05)
    assert "sdp" not in record


def test_the_comparison_runs_resumes_and_names_what_is_missing(tmp_path, monkeypatch, capsys):
    small = tasks.Task("small", "diabetes", "sex", (("dp", (0.2,)), ("sdp", (0.1,))),
                       ("plain LR", "otopt LR", "fairret LR"), seeds=1)  # fmt: skip
    monkeypatch.setattr(command, "QUICK", {"small": small})
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    out = tmp_path / "run.json"
    assert command.main(["--quick", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "fairret is not installed: fairret LR left out" in printed
    run = json.loads(out.read_text())
    assert [r["method"] for r in run["records"]] == ["plain LR", "otopt LR"]
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    path = run["records"][1]["path"]
    assert path[-1]["choose"]["sdp"] < path[0]["choose"]["sdp"]

    def never(*args):
        raise AssertionError("measured again")

    monkeypatch.setattr(command, "measure", never)
    assert command.main(["--quick", "--resume", "--out", str(out)]) == 0
    assert json.loads(out.read_text())["records"] == run["records"]


def adult(accuracy, splits=5, out_of_reach=()):
    """A run of Adult by sex: each method's accuracy, and who misses the gap in every split."""

    def record(method, seed):
        report = {"accuracy": accuracy[method] + seed / 1000, "dp": 0.05, "sdp": 0.02}
        point = {"strength": 1.0, "seconds": 1.0, "report": report}
        met = None if method in out_of_reach else point
        return {"task": "adult, sex", "method": method, "seed": seed, "path": [point],
                "targets": [{"gap": "dp", "target": 0.05, "point": met}]}  # fmt: skip

    return {"records": [record(m, seed) for seed in range(splits) for m in accuracy]}


def test_promises_are_judged_by_their_figures():
    def kept(ours):
        return bars.promises(adult({"otopt LR": ours, "ExponentiatedGradient": 0.83}))

    rows = kept(0.829)
    assert [row[-1] for row in rows] == [True, True]  # 0.1 points behind are allowed
    assert rows[0][1] == pytest.approx(-0.1)
    assert [row[-1] for row in kept(0.82)] == [False, False]


def test_few_splits_keep_no_promise():
    rows = bars.promises(adult({"otopt LR": 0.85, "ExponentiatedGradient": 0.83}, splits=4))
    assert [row[-1] for row in rows] == [False, False]
    assert all("4 of 4 splits, too few" in row[0] for row in rows)


@pytest.mark.parametrize(
    ("missing", "splits", "share", "kept"),
    [
        (["ExponentiatedGradient"], 5, 1.0, True),
        (["ExponentiatedGradient"], 4, 1.0, False),
        (["otopt LR"], 5, 0.0, False),
        (["otopt LR", "ExponentiatedGradient"], 5, 0.0, False),
    ],
)
def test_a_gap_that_one_side_never_meets_is_judged_by_the_share_of_splits(
    missing, splits, share, kept
):
    accuracy = {"otopt LR": 0.85, "ExponentiatedGradient": 0.83}
    rows = bars.promises(adult(accuracy, splits, missing))
    assert [row[1:] for row in rows] == [(share, None, kept)] * 2
