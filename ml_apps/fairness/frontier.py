"""`trade_off`: what parity costs, by strength, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import _safe_indexing, check_random_state

from . import metrics
from ._groups import read_groups
from ._intervals import interval

__all__ = ["TradeOff", "trade_off"]

GAPS = {
    "demographic_parity": metrics.demographic_parity_difference,
    "equal_opportunity": metrics.equal_opportunity_difference,
    "equalized_odds": metrics.equalized_odds_difference,
    "strong_dp": metrics.wasserstein_parity_difference,
}


@dataclass(frozen=True)
class TradeOff:
    """Scores and gaps on unseen rows.

    Attributes
    ----------
    lams : ndarray, shape (L,)
        Strengths.
    scores, gaps : ndarray, shape (L, S)
        By strength and split.
    null : NullGap
        The gap that chance alone shows, for the model without constraint.
    gap_name : str
    test_over_train : float
        Ratio of the sizes of the splits, which the intervals need.

    Examples
    --------
    >>> import numpy as np
    >>> from ml_apps.fairness import NullGap, TradeOff
    >>> scores, gaps = np.array([[0.9, 0.8], [0.7, 0.6]]), np.array([[0.4, 0.4], [0.2, 0.0]])
    >>> chance = NullGap(0.05, 0.1, np.full(100, 0.05))
    >>> found = TradeOff(np.array([0.0, 1.0]), scores, gaps, chance, "strong_dp", 0.25)
    >>> [(row["lam"], round(row["score"], 2), round(row["gap"], 2)) for row in found.rows()]
    [(0.0, 0.85, 0.4), (1.0, 0.65, 0.1)]
    """

    lams: np.ndarray
    scores: np.ndarray
    gaps: np.ndarray
    null: metrics.NullGap
    gap_name: str
    test_over_train: float

    def rows(self):
        """Means and half widths of 95 % intervals.

        Returns
        -------
        list of dict
            With keys lam, score, score_half, gap, gap_half; half widths are None for one split.
        """
        return [
            {
                "lam": float(lam),
                **dict(zip(("score", "score_half"), self._interval(score), strict=True)),
                **dict(zip(("gap", "gap_half"), self._interval(gap), strict=True)),
            }
            for lam, score, gap in zip(self.lams, self.scores, self.gaps, strict=True)
        ]

    def plot(self, ax=None):
        """Score against gap, with intervals, and the range of chance in grey.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure by default.

        Returns
        -------
        matplotlib.axes.Axes
        """
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.figure(layout="constrained").subplots()
        rows = self.rows()
        x, y = ([row[name] for row in rows] for name in ("gap", "score"))
        wx, wy = ([row[name] or 0.0 for row in rows] for name in ("gap_half", "score_half"))
        ax.axvspan(0, self.null.upper, color="0.92", zorder=0, label="within chance (95 %)")
        ax.errorbar(x, y, wy, wx, fmt="o-", ms=4, lw=1, elinewidth=0.6, label="mean, 95 % interval")
        for row in rows:
            ax.annotate(f"{row['lam']:g}", (row["gap"], row["score"]), xytext=(4, 4),
                        textcoords="offset points", fontsize=8)  # fmt: skip
        ax.set(xlabel=self.gap_name.replace("_", " "), ylabel="score on unseen rows")
        ax.legend()
        return ax

    def _interval(self, values):
        return interval(values, self.test_over_train)


def trade_off(
    estimator,
    X,
    y,
    *,
    sensitive_features,
    lams=(0.0, 0.1, 0.3, 1.0, 3.0),
    metric=None,
    n_splits=5,
    test_size=0.3,
    random_state=None,
):
    """Score and gap on unseen rows for a path of strengths, over random splits.

    Parameters
    ----------
    estimator : FairClassifier or FairRegressor
        Cloned, with `lam` replaced and `target_gap` removed.
    X : array_like or DataFrame, shape (N, p)
        Features.
    y : array_like, shape (N,)
        Target.
    sensitive_features : array_like, Series or DataFrame, shape (N,) or (N, q)
        Labels of groups; splits are stratified by them.
    lams : sequence of float
        Strengths >= 0.
    metric : callable, optional
        A gap of `ml_apps.fairness.metrics`, by default that of the estimator's constraint. Gaps of
        distributions are given probabilities, or numbers from a regressor; others are given
        classes.
    n_splits : int
        Random splits.
    test_size : float
        Share of the rows that are kept from the fit.
    random_state : int, RandomState instance or None
        Source of the splits.

    Returns
    -------
    TradeOff
        Use its `rows` and `plot`. Choosing a strength from it and reporting that point's score is
        optimistic: keep other rows for the report.

    Raises
    ------
    ValueError
        For less than one strength or split, and whatever fit refuses.

    Examples
    --------
    >>> import numpy as np
    >>> from ml_apps.fairness import FairRegressor, trade_off
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat(["a", "b"], 60)
    >>> X = rng.normal(size=(120, 2)) + (group == "a")[:, None]
    >>> found = trade_off(
    ...     FairRegressor(), X, X.sum(axis=1), sensitive_features=group,
    ...     lams=(0.0, 3.0), n_splits=2, random_state=0,
    ... )
    >>> plain, fair = found.rows()
    >>> plain["score"] > fair["score"]  # what the smaller gap costs
    True
    """
    lams = np.asarray(list(lams), dtype=float)
    if len(lams) == 0 or n_splits < 1:
        message = (
            f"trade_off: `lams` and `n_splits` must give one fit at least; got {len(lams)} "
            f"strengths and n_splits={n_splits}."
        )
        raise ValueError(message)
    number = read_groups("trade_off", sensitive_features, len(y)).number
    estimator = clone(estimator).set_params(target_gap=None)
    if metric is None:
        strong = "strong_dp" if not is_classifier(estimator) else estimator.constraint
        metric = GAPS[strong]
    kind = StratifiedShuffleSplit if np.bincount(number).min() > 1 else ShuffleSplit
    splits = kind(n_splits, test_size=test_size, random_state=check_random_state(random_state))
    scores, gaps = np.empty((2, len(lams), n_splits))
    null = None
    for s, (train, test) in enumerate(splits.split(np.zeros(len(y)), number)):
        parts = [_safe_indexing(data, rows) for data in (X, y) for rows in (train, test)]
        X_train, X_test, y_train, y_test = parts
        for i, lam in enumerate(lams):
            model = clone(estimator).set_params(lam=float(lam))
            model.fit(X_train, y_train, sensitive_features=number[train])
            scores[i, s] = model.score(X_test, y_test)
            prediction = _prediction(model, X_test, metric)
            gaps[i, s] = metric(y_test, prediction, sensitive_features=number[test])
            if null is None:
                null = metrics.null_gap(
                    metric, y_test, prediction, sensitive_features=number[test], rng=0
                )
    ratio = len(test) / len(train)
    return TradeOff(lams, scores, gaps, null, getattr(metric, "__name__", "gap"), ratio)


def _prediction(model, X, metric):
    of_scores = (metrics.wasserstein_parity_difference, metrics.ks_parity_difference)
    if is_classifier(model) and getattr(metric, "func", metric) in of_scores:
        return model.predict_proba(X)[:, 1]
    return model.predict(X)
