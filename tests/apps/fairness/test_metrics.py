"""Metrics beside fairlearn's, scipy's and their definitions."""

import fairlearn.metrics as fairlearn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, wasserstein_distance

from ml_apps import fairness

RATES = ("demographic_parity_difference", "equal_opportunity_difference",
         "equalized_odds_difference")  # fmt: skip


@st.composite
def predictions(draw, groups=4):
    n = draw(st.integers(30, 80))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Every group has both classes, which fairlearn needs.
    group = np.concatenate([np.repeat(np.arange(groups), 2), rng.integers(groups, size=n)])
    y = np.concatenate([np.tile([0, 1], groups), rng.integers(2, size=n)])
    scores = np.round(rng.random(len(y)), draw(st.sampled_from([1, 12])))  # with and without ties
    weight = rng.random(len(y)) + 0.1 if draw(st.booleans()) else None
    return y, scores, group, weight


@settings(max_examples=8)  # fairlearn takes its time
@given(predictions())
def test_rates_equal_fairlearns(case):
    y, scores, group, weight = case
    hard = (scores > 0.5).astype(int)
    for name in RATES:
        rest = {"sensitive_features": group, "sample_weight": weight}
        ours = getattr(fairness, name)(y, hard, **rest)
        assert ours == pytest.approx(getattr(fairlearn, name)(y, hard, **rest), abs=1e-12)


@given(predictions(groups=2))
def test_two_groups_equal_scipy(case):
    y, scores, group, _ = case
    a, b = scores[group == 0], scores[group == 1]
    ours = fairness.wasserstein_parity_difference(y, scores, sensitive_features=group)
    assert ours == pytest.approx(wasserstein_distance(a, b), abs=1e-12)
    ks = fairness.ks_parity_difference(y, scores, sensitive_features=group)
    assert ks == pytest.approx(ks_2samp(a, b).statistic, abs=1e-12)


@given(predictions())
def test_strong_parity_is_the_mean_over_thresholds_and_ks_the_largest(case):
    y, scores, group, weight = case
    edges = np.unique(np.concatenate([[0.0], scores, [1.0]]))
    gaps = np.array(
        [
            fairness.demographic_parity_difference(
                y, (scores > t).astype(int), sensitive_features=group, sample_weight=weight
            )
            for t in edges[:-1]
        ]
    )
    rest = {"sensitive_features": group, "sample_weight": weight}
    mean = fairness.wasserstein_parity_difference(y, scores, **rest)
    assert mean == pytest.approx(gaps @ np.diff(edges), abs=1e-10)
    assert fairness.ks_parity_difference(y, scores, **rest) == pytest.approx(gaps.max())


def test_columns_are_intersected():
    rng = np.random.default_rng(0)
    y, scores = rng.integers(2, size=90), rng.random(90)
    a, b = rng.integers(2, size=90), np.array(["x", "y", "z"])[rng.integers(3, size=90)]
    both = [f"{i}{j}" for i, j in zip(a, b, strict=True)]
    columns = np.stack([a.astype(object), b.astype(object)], axis=1)
    for metric in (fairness.wasserstein_parity_difference, fairness.ks_parity_difference):
        assert metric(y, scores, sensitive_features=columns) == metric(
            y, scores, sensitive_features=both
        )


def test_a_group_without_positives_is_left_out_of_opportunity():
    y, hard = [1, 1, 0, 0, 1, 0], [1, 0, 1, 0, 1, 1]
    group = ["a", "a", "b", "b", "c", "c"]
    assert fairness.equal_opportunity_difference(y, hard, sensitive_features=group) == 0.5


def test_one_group_has_no_gap():
    for metric in (fairness.wasserstein_parity_difference, fairness.ks_parity_difference,
                   fairness.demographic_parity_difference):  # fmt: skip
        assert metric(None, [0, 1, 1], sensitive_features=["a"] * 3) == 0


def test_labels_need_not_be_numbers():
    y, hard = ["no", "yes", "yes", "no"], ["yes", "yes", "no", "no"]
    gap = fairness.equal_opportunity_difference(y, hard, sensitive_features=[0, 0, 1, 1])
    assert gap == 1.0
    assert fairness.demographic_parity_difference(y, hard, sensitive_features=[0, 0, 1, 1]) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, [0.2, 0.4, 0.9]), "must hold classes, 0 and 1 or two labels; got 0.2, 0.4"),
        ((None, []), "`y_pred` must be a non-empty vector"),
    ],
)
def test_scores_are_no_classes(arguments, message):
    with pytest.raises(ValueError, match=message):
        fairness.demographic_parity_difference(
            *arguments, sensitive_features=[0] * len(arguments[1])
        )


@pytest.mark.parametrize("name", RATES[1:])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "dtypes"),
    [
        (["no", "yes", "yes", "no"], [0, 1, 1, 0], "<U3 and int64"),
        ([0, 1, 1, 0], ["0", "1", "1", "0"], "int64 and <U1"),
        (np.array(["no", "yes"] * 2, dtype=object), np.array([True, False] * 2), "object and bool"),
        (np.array(["no", 1] * 2, dtype=object), ["no", "yes"] * 2, "object and <U3"),
    ],
)
def test_text_and_numbers_are_not_compared(name, y_true, y_pred, dtypes):
    message = f"{name}: `y_true` and `y_pred` must hold classes of one kind.*; got {dtypes}; code"
    with pytest.raises(ValueError, match=message):
        getattr(fairness, name)(y_true, y_pred, sensitive_features=["a", "a", "b", "b"])


def test_predictions_are_text_or_numbers():
    y_pred = np.array(["no", 1, "no", 1], dtype=object)
    with pytest.raises(ValueError, match=r"`y_pred` must hold classes of one kind.*; got object;"):
        fairness.demographic_parity_difference(None, y_pred, sensitive_features=[0, 0, 1, 1])
    text = np.array(["no", "yes", "yes", "yes"], dtype=object)
    gap = fairness.equal_opportunity_difference(
        text, text.astype(str), sensitive_features=[0, 0, 1, 1]
    )
    assert gap == 0.0


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="NaN"):
        fairness.ks_parity_difference(None, [0.1, np.nan], sensitive_features=[0, 1])
    with pytest.raises(ValueError, match="`y_true` must be given"):
        fairness.equalized_odds_difference(None, [0, 1], sensitive_features=[0, 1])
    with pytest.raises(ValueError, match="`sample_weight` must be finite and >= 0"):
        fairness.ks_parity_difference(
            None, [0.1, 0.2], sensitive_features=[0, 1], sample_weight=[1, -1]
        )


def test_fair_scores_stay_within_chance_and_unfair_ones_do_not():
    rng = np.random.default_rng(0)
    sizes = [300, 160, 27, 25, 12, 10, 5, 4]
    group = np.repeat(np.arange(8), sizes)
    metric = fairness.wasserstein_parity_difference
    above = []
    for _ in range(10):
        scores = rng.random(len(group))  # a model that is exactly fair
        null = fairness.null_gap(
            metric, None, scores, sensitive_features=group, n_permutations=40, rng=rng
        )
        above.append(metric(None, scores, sensitive_features=group) > null.upper)
    assert null.mean == pytest.approx(0.34, abs=0.03)
    assert np.sum(above) <= 3  # half of one is expected
    shifted = np.where(group == 0, scores / 4, scores)
    null = fairness.null_gap(metric, None, shifted, sensitive_features=group, rng=rng)
    assert metric(None, shifted, sensitive_features=group) > null.upper


def test_chance_needs_a_permutation():
    with pytest.raises(ValueError, match="`n_permutations` must be an integer >= 1; got 0"):
        fairness.null_gap(
            fairness.ks_parity_difference, None, [0.1, 0.2], sensitive_features=[0, 1],
            n_permutations=0,
        )  # fmt: skip
