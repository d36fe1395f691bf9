"""Methods: how to fit one at a strength, and what it predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np

from ml_apps.fairness.estimators import FairClassifier, FairRegressor

__all__ = ["METHODS", "Method", "missing"]

HIDDEN = (64, 64)
LAMS = (0.15, 0.45, 1.5)
FAIRRET_LAMS = (0.01, 0.04, 0.15)  # its violations are relative and added up over groups


@dataclass(frozen=True)
class Method:
    """A family of models by strength: the larger, the smaller the gap.

    `fit` takes (X, y, groups, strength, parity, seed) and returns a function of (X, groups) to
    (share of positive predictions or predicted numbers, scores or None).
    """

    fit: Callable
    strengths: tuple = (0.0,)
    needs: str | None = None  # a package
    sees_groups: bool = False  # at prediction
    is_random: bool = False


def missing(names):
    """Packages that these methods need and that are not installed, with the methods."""
    absent = {}
    for name in names:
        package = METHODS[name].needs
        if package and find_spec(package) is None:
            absent.setdefault(package, []).append(name)
    return absent


def _ours(kind=FairClassifier, constraint=None, **settings):
    def fit(X, y, groups, strength, parity, seed):
        model = kind(constraint or parity, lam=strength, random_state=seed, **settings)
        return _blind(model.fit(X, y, sensitive_features=groups))

    return fit


def _blind(model):
    def predict(X, groups):
        if hasattr(model, "predict_proba"):
            scores = model.predict_proba(X)[:, 1]
            return (scores > 0.5).astype(float), scores
        prediction = model.predict(X).astype(float)
        return prediction, prediction

    return predict


def _peer(name, **settings):
    def fit(X, y, groups, strength, parity, seed):
        from . import peers

        kind = getattr(peers, name)
        model = kind("strong_dp", lam=strength, random_state=seed, **settings)
        return _blind(model.fit(X, y, sensitive_features=groups))

    return fit


def _logistic_regression():
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


def _scaled(X):
    """Scaler and scaled features, in double precision: fairlearn's thresholds need it."""
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(X.astype(float))
    return (lambda X: scaler.transform(X.astype(float))), scaler.transform(X.astype(float))


def _exponentiated_gradient(X, y, groups, strength, parity, seed):
    """Strength is one over the bound on the difference; the mixture is judged by its mean."""
    from fairlearn import reductions

    moment = {"demographic_parity": reductions.DemographicParity,
              "equalized_odds": reductions.EqualizedOdds,
              "equal_opportunity": reductions.TruePositiveRateParity}[parity]  # fmt: skip
    scaler, Z = _scaled(X)
    model = reductions.ExponentiatedGradient(
        _logistic_regression(), moment(difference_bound=1 / strength)
    )
    model.fit(Z, y, sensitive_features=groups)
    return lambda X, groups: (model._pmf_predict(scaler(X))[:, 1], None)


def _threshold_optimizer(X, y, groups, strength, parity, seed):
    """Strength is one over the tolerance."""
    from fairlearn.postprocessing import ThresholdOptimizer

    name = {"equal_opportunity": "true_positive_rate_parity"}.get(parity, parity)
    tolerance = None if parity == "equalized_odds" else 1 / strength  # which knows no tolerance
    scaler, Z = _scaled(X)
    model = ThresholdOptimizer(
        estimator=_logistic_regression().fit(Z, y), constraints=name, prefit=True,
        predict_method="predict_proba", tol=tolerance,
    )  # fmt: skip
    model.fit(Z, y, sensitive_features=groups)
    return lambda X, groups: (
        model._pmf_predict(scaler(X), sensitive_features=groups)[:, 1],
        None,
    )


def _equipy(X, y, groups, strength, parity, seed, model=None):
    """Strength s keeps the share 1 / (1 + s) of the unfair prediction."""
    from equipy.fairness import FairWasserstein

    scaler, Z = _scaled(X)
    model = _logistic_regression() if model is None else model
    model.fit(Z, y)
    is_regression = not hasattr(model, "predict_proba")

    def raw(X):
        Z = scaler(X)
        return model.predict(Z) if is_regression else model.predict_proba(Z)[:, 1]

    fair = FairWasserstein(seed=seed)
    fair.fit(raw(X).astype(float), groups[:, None])

    def predict(X, groups):
        out = np.asarray(
            fair.transform(raw(X).astype(float), groups[:, None], epsilon=1 / (1 + strength))
        ).ravel()
        return (out, out) if is_regression else ((out > 0.5).astype(float), out)

    return predict


def _equipy_regression(X, y, groups, strength, parity, seed):
    model = FairRegressor(lam=0, hidden_layer_sizes=(32,), random_state=seed)
    return _equipy(X, y, groups, strength, parity, seed, model)


BOUNDS = (6.0, 20.0, 80.0)
SHARES = (0.5, 2.0, 1e3)
NET = {"hidden_layer_sizes": HIDDEN}
REGRESSION = {"kind": FairRegressor, "constraint": "strong_dp"}
METHODS = {
    "plain LR": Method(_ours()),
    "plain MLP": Method(_ours(**NET)),
    "otopt LR": Method(_ours(), LAMS),
    "otopt MLP": Method(_ours(**NET), LAMS),
    "otopt MLP, plain batches": Method(_ours(constraint="strong_dp", min_per_group=0, **NET), LAMS),
    "pairwise LR": Method(_ours(constraint="strong_dp", cost="pairwise_l1"), LAMS),
    "histogram LR": Method(_peer("HistogramClassifier"), LAMS),
    "fairret LR": Method(_peer("FairretClassifier"), FAIRRET_LAMS, "fairret"),
    "fairret MLP": Method(
        _peer("FairretClassifier", min_per_group=0, **NET), FAIRRET_LAMS, "fairret"
    ),
    "fairret MLP, stratified": Method(_peer("FairretClassifier", **NET), FAIRRET_LAMS, "fairret"),
    "ExponentiatedGradient": Method(_exponentiated_gradient, BOUNDS, "fairlearn", is_random=True),
    "ThresholdOptimizer": Method(
        _threshold_optimizer, BOUNDS, "fairlearn", sees_groups=True, is_random=True
    ),
    "EquiPy": Method(_equipy, SHARES, "equipy", sees_groups=True),
    "plain LR regression": Method(_ours(**REGRESSION)),
    "otopt LR regression": Method(_ours(**REGRESSION), LAMS),
    "plain MLP regression": Method(_ours(**REGRESSION, hidden_layer_sizes=(32,))),
    "otopt MLP regression": Method(_ours(**REGRESSION, hidden_layer_sizes=(32,)), (0.2, 0.5, 1.0)),
    "EquiPy regression": Method(_equipy_regression, SHARES, "equipy", sees_groups=True),
}
