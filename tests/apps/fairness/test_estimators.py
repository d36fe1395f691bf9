"""Fair estimators: scikit-learn's own checks, exact judges without constraint, laws with one."""

import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from ml_apps.fairness import (
    FairClassifier,
    FairnessWarning,
    FairRegressor,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    ks_parity_difference,
    wasserstein_parity_difference,
)
from ml_apps.fairness._training import without_level

GAPS = {
    "demographic_parity": demographic_parity_difference,
    "strong_dp": wasserstein_parity_difference,
    "equal_opportunity": equal_opportunity_difference,
    "equalized_odds": equalized_odds_difference,
}


def people(n=300, groups=3, seed=0):
    """Features and target that depend on the group, which is not among the features."""
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, size=n, p=np.arange(groups, 0, -1) / (groups * (groups + 1) / 2))
    X = rng.normal(size=(n, 4))
    X[:, 0] += group
    latent = X @ [1.0, 0.7, -0.5, 0.0] + rng.normal(size=n)
    return X, latent, group


def classes(**settings):
    X, latent, group = people(**settings)
    return X, (latent > np.median(latent)).astype(int), group


@pytest.mark.parametrize(
    "estimator",
    [
        FairClassifier(max_iter=20),
        FairRegressor(max_iter=60),
        FairClassifier(max_iter=20, hidden_layer_sizes=(6,)),
    ],
    ids=["classifier", "regressor", "network"],
)
def test_scikit_learns_checks_pass(estimator):
    # The checks know of no groups and fit without: a warning each time, which is asked for below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(estimator, on_skip=None)
    assert len(results) > 40


def test_without_constraint_it_is_logistic_regression():
    X, y, group = classes()
    alpha = 0.01
    model = FairClassifier(lam=0, alpha=alpha, max_iter=500).fit(X, y, sensitive_features=group)
    judge = LogisticRegression(C=1 / (alpha * len(y)), tol=1e-10)
    judge.fit(StandardScaler().fit_transform(X), y)
    expected = judge.decision_function(StandardScaler().fit_transform(X))
    np.testing.assert_allclose(model.decision_function(X), expected, atol=1e-4)


def test_without_constraint_it_is_ridge_regression():
    X, y, group = people()
    alpha = 0.01
    model = FairRegressor(lam=0, alpha=alpha, max_iter=500).fit(X, y, sensitive_features=group)
    judge = Ridge(alpha=alpha / 2 * len(y)).fit(StandardScaler().fit_transform(X), y)
    expected = judge.predict(StandardScaler().fit_transform(X))
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-4)


@pytest.mark.parametrize("constraint", GAPS)
def test_strength_closes_the_gap_that_the_constraint_names(constraint):
    X, y, group = classes()
    gaps, scores = [], []
    for lam in (0.0, 3.0):
        model = FairClassifier(constraint, lam=lam, max_iter=100).fit(
            X, y, sensitive_features=group
        )
        strong = constraint == "strong_dp"
        prediction = model.predict_proba(X)[:, 1] if strong else model.predict(X)
        gap = GAPS[constraint](y, prediction, sensitive_features=group)
        assert gap == pytest.approx(model.gap_, abs=1e-12)
        gaps.append(gap)
        scores.append(model.score(X, y))
    assert gaps[0] > 0.15
    assert gaps[1] < 0.3 * gaps[0]
    assert scores[0] > scores[1]


@pytest.mark.parametrize("constraint", GAPS)
def test_the_penalty_does_not_lower_or_raise_everybody(constraint):
    """Probabilities keep the mean of the target, as in logistic regression: nothing moves it."""
    X, latent, group = people(n=600)
    y = (latent > np.quantile(latent, 0.8)).astype(int)
    weight = np.random.default_rng(1).integers(0, 4, size=len(y))
    for mass in (None, weight):
        model = FairClassifier(constraint, lam=2)
        model.fit(X, y, sensitive_features=group, sample_weight=mass)
        mean = np.average(model.predict_proba(X)[:, 1], weights=mass)
        assert mean == pytest.approx(np.average(y, weights=mass), abs=1e-3)


def test_the_level_counts_rows_as_the_loss_of_the_task_does():
    output = torch.tensor([-2.0, 0.0, 1.0, 3.0], requires_grad=True)
    importance = torch.tensor([0.5, 1.0, 2.0, 0.5])
    pull = torch.tensor([1.0, -2.0, 0.5, 3.0])
    for mass in (None, importance):
        kept = without_level(output, mass)
        assert torch.equal(kept, output)
        (gradient,) = torch.autograd.grad(kept @ pull, output)
        share = torch.full((4,), 0.25) if mass is None else mass / mass.sum()
        torch.testing.assert_close(gradient, pull - share * pull.sum())


@pytest.mark.parametrize("cost", ["range", "pairwise_l1", "median", "variance"])
def test_every_cost_closes_the_gap_of_a_regressor(cost):
    X, y, group = people()
    plain = FairRegressor(lam=0).fit(X, y, sensitive_features=group)
    fair = FairRegressor(lam=20, cost=cost, max_iter=100).fit(X, y, sensitive_features=group)
    assert fair.gap_ < 0.25 * plain.gap_
    assert fair.gap_ == pytest.approx(
        wasserstein_parity_difference(y, fair.predict(X), sensitive_features=group)
    )


def test_a_network_with_stratified_batches_closes_the_gap():
    X, y, group = classes(n=600)
    group = group.astype(str)
    network = FairClassifier("strong_dp", lam=2, hidden_layer_sizes=(16,), max_iter=120,
                             batch_size=128, min_per_group=20, random_state=0)  # fmt: skip
    fair = network.fit(X, y, sensitive_features=group)
    plain = clone(network).set_params(lam=0).fit(X, y, sensitive_features=group)
    assert plain.gap_ > 0.2
    assert fair.gap_ < 0.1
    assert fair.n_iter_ == 120


def test_a_target_is_met_and_not_overshot():
    X, y, group = classes()
    model = FairClassifier("strong_dp", target_gap=0.05, max_iter=80).fit(
        X, y, sensitive_features=group
    )
    assert 0.035 < model.gap_ <= 0.05
    assert model.lam_ > 0
    generous = FairClassifier(target_gap=0.9, max_iter=40).fit(X, y, sensitive_features=group)
    assert generous.lam_ == 0


def test_a_target_out_of_reach_is_named():
    X, y, group = classes(n=80)
    with pytest.warns(FairnessWarning, match=r"target_gap=1e-09 was not reached"):
        model = FairClassifier("strong_dp", target_gap=1e-9, max_iter=30).fit(
            X, y, sensitive_features=group
        )
    assert model.gap_ < 0.2


def test_prediction_never_sees_the_attribute_and_is_repeatable():
    X, y, group = classes()
    settings = {"hidden_layer_sizes": (8,), "batch_size": 200, "min_per_group": 8, "max_iter": 40}
    first, second = (
        FairClassifier(lam=1, random_state=3, **settings).fit(X, y, sensitive_features=group)
        for _ in range(2)
    )
    assert np.array_equal(first.predict_proba(X), second.predict_proba(X))
    other = FairClassifier(lam=1, random_state=4, **settings).fit(X, y, sensitive_features=group)
    assert not np.array_equal(first.predict_proba(X), other.predict_proba(X))


def test_global_random_state_is_left_alone():
    X, y, group = classes(n=60)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    FairClassifier(hidden_layer_sizes=(4,), max_iter=3, random_state=0).fit(
        X, y, sensitive_features=group
    )
    assert torch.equal(before, torch.random.get_rng_state())


def test_labels_of_any_kind_and_several_columns():
    X, y, group = classes()
    other = np.where(X[:, 1] > 0, "up", "down")
    names = np.array(["a", "b", "c"])[group]
    joint = np.array([f"{n}, {o}" for n, o in zip(names, other, strict=True)])
    models = [
        FairClassifier(max_iter=40).fit(X, y, sensitive_features=features)
        for features in (
            joint,
            pd.DataFrame({"group": names, "other": other}),
            [[int(g), o] for g, o in zip(group, other, strict=True)],
            np.stack([names, other], axis=1),
        )
    ]
    assert models[0].groups_ == models[1].groups_
    for model in models[1:]:
        np.testing.assert_allclose(model.coefs_[0], models[0].coefs_[0])
    assert list(FairClassifier(max_iter=5).fit(X, y == 1, sensitive_features=group == 1).groups_) \
        == ["False", "True"]  # fmt: skip


def test_float32_stays_float32():
    X, y, group = classes()
    single, double = (
        FairClassifier(lam=0, max_iter=60).fit(x, y, sensitive_features=group)
        for x in (X.astype(np.float32), X)
    )
    assert single.coefs_[0].dtype == np.float32
    np.testing.assert_allclose(single.predict_proba(X), double.predict_proba(X), atol=5e-3)
    fair = FairClassifier(lam=3, max_iter=60).fit(X.astype(np.float32), y, sensitive_features=group)
    assert fair.gap_ < 0.3 * double.gap_


def test_sample_weights_are_copies_and_zeros_are_absence():
    X, y, group = classes(n=150)
    weight = np.random.default_rng(1).integers(0, 4, size=len(y))
    copies = np.repeat(np.arange(len(y)), weight)
    weighted = FairRegressor(lam=1).fit(X, y, sensitive_features=group, sample_weight=weight)
    repeated = FairRegressor(lam=1).fit(X[copies], y[copies], sensitive_features=group[copies])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-3)
    assert weighted.gap_ == pytest.approx(repeated.gap_, abs=1e-3)


COSTS = ("range", "pairwise_l1", "median", "variance")


@pytest.mark.parametrize("scale", [1.0, 2.0**-10])
@pytest.mark.parametrize("cost", COSTS)
def test_weights_of_groups_are_copies_for_every_cost(cost, scale):
    """The shares of the groups are those of their mass, not of their rows."""
    X, y, group = people(n=150)
    weight = np.array([1, 3, 2])[group]
    copies = np.repeat(np.arange(len(y)), weight)
    hard = (y > np.median(y)).astype(int)
    for model, target in (
        (FairRegressor(cost=cost, max_iter=50), y),
        (FairClassifier("equalized_odds", cost=cost, max_iter=50), hard),
    ):
        weighted = clone(model).fit(
            X, target, sensitive_features=group, sample_weight=scale * weight
        )
        repeated = clone(model).fit(X[copies], target[copies], sensitive_features=group[copies])
        np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], rtol=1e-9, atol=1e-12)
        assert weighted.gap_ == pytest.approx(repeated.gap_, rel=1e-9)


def test_classes_are_those_of_rows_that_count():
    X, y, group = classes(n=60)
    rest = {"sensitive_features": group, "sample_weight": (y == 1).astype(float)}
    with pytest.raises(ValueError, match="two classes among the rows of positive weight; got one"):
        FairClassifier().fit(X, y, **rest)
    labels = np.where(np.arange(60) < 6, "none", np.where(y == 1, "yes", "no"))
    kept = np.arange(60) >= 6
    weighted = FairClassifier(max_iter=20).fit(
        X, labels, sensitive_features=group, sample_weight=1.0 * kept
    )
    dropped = FairClassifier(max_iter=20).fit(X[kept], labels[kept], sensitive_features=group[kept])
    assert weighted.classes_.tolist() == ["no", "yes"]
    np.testing.assert_allclose(weighted.coefs_[0], dropped.coefs_[0], rtol=1e-9)


def test_pipeline_and_grid_search():
    X, y, group = classes()
    pipeline = make_pipeline(StandardScaler(), FairClassifier(max_iter=40))
    search = GridSearchCV(
        pipeline,
        {"fairclassifier__lam": [0.0, 2.0], "fairclassifier__constraint": ["strong_dp"]},
        scoring=make_scorer(lambda y, prediction: np.mean(y == prediction)),
        cv=3,
    )
    search.fit(X, y, fairclassifier__sensitive_features=group)
    assert search.best_params_["fairclassifier__lam"] == 0.0  # accuracy alone was asked for
    fair = pipeline.set_params(fairclassifier__lam=5.0)
    fair.fit(X, y, fairclassifier__sensitive_features=group)
    gap = demographic_parity_difference(y, fair.predict(X), sensitive_features=group)
    assert gap < 0.1


def test_metric_frame_takes_model_and_metrics():
    from fairlearn.metrics import MetricFrame, make_derived_metric

    X, y, group = classes()
    site = np.where(X[:, 3] > 0, "north", "south")
    model = FairClassifier("strong_dp", lam=3).fit(X, y, sensitive_features=group)
    scores = model.predict_proba(X)[:, 1]
    frame = MetricFrame(
        metrics={"gap": wasserstein_parity_difference, "ks": ks_parity_difference},
        y_true=y,
        y_pred=scores,
        sensitive_features=site,
        sample_params={"gap": {"sensitive_features": group}, "ks": {"sensitive_features": group}},
    )
    for name in ("north", "south"):
        rows = site == name
        expected = wasserstein_parity_difference(
            y[rows], scores[rows], sensitive_features=group[rows]
        )
        assert frame.by_group["gap"][name] == pytest.approx(expected)
    assert frame.overall["gap"] == pytest.approx(model.gap_)
    derived = make_derived_metric(metric=lambda y, p: np.mean(p), transform="difference")
    own = demographic_parity_difference(y, model.predict(X), sensitive_features=group)
    assert derived(y, model.predict(X), sensitive_features=group) == pytest.approx(own)


X, y, GROUP = classes(n=40)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"constraint": "parity"}, "`constraint` must be one of demographic_parity, strong_dp"),
        ({"lam": -1}, "`lam` must be a number >= 0; got -1"),
        ({"lam": np.nan}, "`lam` must be a number >= 0; got nan"),
        ({"target_gap": 0}, "`target_gap` must be a number > 0; got 0"),
        ({"temperature": 0.0}, "`temperature` must be a number > 0"),
        ({"max_iter": 0}, "`max_iter` must be an integer >= 1"),
        ({"batch_size": 2.5}, "`batch_size` must be an integer >= 1; got 2.5"),
        ({"hidden_layer_sizes": (4, 0)}, "`hidden_layer_sizes` must be an integer >= 1; got 0"),
        (
            {"hidden_layer_sizes": None},
            r"must be a tuple of integers, \(\) for a linear .* got None",
        ),
        ({"constraint": ["strong_dp"]}, r"`constraint` must be one of .* got \['strong_dp'\]"),
        ({"min_group_size": 0}, "`min_group_size` must be an integer >= 1"),
        ({"cost": "std"}, "`cost` must be one of range"),
    ],
)
def test_parameters_that_no_fit_can_use(settings, message):
    with pytest.raises(ValueError, match=message):
        FairClassifier(**settings).fit(X, y, sensitive_features=GROUP)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (GROUP[:-1], "must have one row for each of the 40 samples; got 39"),
        (np.where(GROUP == 0, np.nan, GROUP), "must not have missing values; got"),
        ([None, *["a", "b"] * 19, "a"], "must not have missing values; got 1; drop these rows"),
        (pd.array([pd.NA, *[1] * 39]), "must not have missing values; got 1"),
        (np.linspace(0, 1, 40), "must be labels; got numbers that are not whole"),
        (np.zeros((40, 2, 1)), r"must have shape \(N,\) or \(N, q\)"),
        (np.zeros((40, 0)), "got no column"),
    ],
)
def test_sensitive_features_that_are_refused(features, message):
    for estimator in (FairClassifier(), FairRegressor()):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, y, sensitive_features=features)


def test_targets_that_are_refused():
    with pytest.raises(ValueError, match="Only binary classification is supported"):
        FairClassifier().fit(X, GROUP, sensitive_features=y)
    with pytest.raises(ValueError, match="two classes; got one class"):
        FairClassifier().fit(X, y * 0, sensitive_features=GROUP)
    with pytest.raises(ValueError, match="must be one of demographic_parity, strong_dp; got 'equ"):
        FairRegressor("equalized_odds").fit(X, y, sensitive_features=GROUP)


def test_what_cannot_be_asked_for_is_said():
    with pytest.warns(FairnessWarning, match="no `sensitive_features`: the fit is unconstrained"):
        model = FairClassifier(max_iter=3).fit(X, y)
    assert np.isnan(model.gap_)
    with pytest.warns(FairnessWarning, match="the constraint compares groups; got 1"):
        model = FairClassifier(max_iter=3).fit(X, y, sensitive_features=np.zeros(40))
    assert model.gap_ == 0
    single = np.array(["only", *["a", "b"] * 19, "a"])
    with pytest.warns(FairnessWarning, match=r"take no part in the constraint: only \(1\)"):
        model = FairClassifier("strong_dp", max_iter=3).fit(X, y, sensitive_features=single)
    assert model.groups_ == ("a", "b", "only")
    lacking = np.where(y == 1, "a", np.where(np.arange(40) % 2, "a", "b"))  # b has no positives
    with pytest.warns(FairnessWarning) as caught:
        FairClassifier("equal_opportunity", max_iter=3).fit(X, y, sensitive_features=lacking)
    assert any("rows of class 1" in str(w.message) for w in caught)


def test_tiny_groups_do_not_move_the_others():
    """A group below min_group_size is as if its rows had no group."""
    X, y, group = classes()
    group = group.astype(str)
    group[:3] = "tiny"
    with pytest.warns(FairnessWarning, match="tiny"):
        model = FairClassifier("strong_dp", lam=5, min_group_size=5).fit(
            X, y, sensitive_features=group
        )
    assert model.gap_ < 0.05  # of the others; three rows alone would show more


def test_ctrl_c_keeps_the_model(monkeypatch):
    from ml_apps.fairness import _training

    X, y, group = classes(n=60)
    calls = []

    def step(self, *args, **kwargs):
        calls.append(1)
        if len(calls) > 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(_training.torch.optim.Adam, "step", step)
    with pytest.warns(FairnessWarning, match="stopped after 6 of 200 steps; the model is kept"):
        model = FairClassifier(lam=0).fit(X, y, sensitive_features=group)
    assert model.predict(X).shape == (60,)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float64", 1e160), ("float64", 1e300), ("float64", 1e-170), ("float32", 1e25),
     ("float32", 1e-30)],
)  # fmt: skip
def test_numbers_whose_squares_are_lost_are_refused(dtype, scale):
    rest = {"sensitive_features": GROUP}
    far = (X * [1, 1, scale, 1]).astype(dtype)
    message = f"`X` must hold numbers whose squares {dtype} can add up; got .* in column 2; change"
    for model in (FairClassifier(), FairRegressor()):
        with pytest.raises(ValueError, match=message):
            model.fit(far, y, **rest)
    with pytest.raises(
        ValueError, match=message.replace("`X`", "`y`").replace("column 2", "column 0")
    ):
        FairRegressor().fit(X.astype(dtype), X[:, 0] * scale, **rest)


def test_an_explosion_is_named():
    with pytest.raises(FloatingPointError, match="the loss became"):
        FairRegressor(learning_rate=1e200).fit(X, y, sensitive_features=GROUP)
