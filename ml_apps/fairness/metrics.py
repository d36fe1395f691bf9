"""Gaps between any number of groups, with the signature of fairlearn's metrics.

All are called as ``metric(y_true, y_pred, sensitive_features=...)``, so they fit into a
``MetricFrame`` with the second attribute in ``sample_params``. Several columns are intersected.
Groups without rows that count (no positives, for example) are left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from . import _gaps
from ._groups import read_groups

__all__ = [
    "NullGap",
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "ks_parity_difference",
    "null_gap",
    "wasserstein_parity_difference",
]


def demographic_parity_difference(y_true, y_pred, *, sensitive_features, sample_weight=None):
    r"""Largest difference between the groups' shares of positive predictions.

    .. math:: \max_k P(\hat y = 1 \mid k) - \min_k P(\hat y = 1 \mid k)

    Parameters
    ----------
    y_true : array_like, shape (N,)
        Not used; None is fine.
    y_pred : array_like, shape (N,)
        Predicted classes: 0 and 1, or two labels of which the larger is the positive one.
    sensitive_features : array_like, shape (N,) or (N, q)
        Labels of groups, none missing; columns are intersected.
    sample_weight : array_like, shape (N,), optional
        Weights >= 0.

    Returns
    -------
    float
        Between 0 and 1; 0 for one group.

    Raises
    ------
    ValueError
        For inputs of different lengths, missing labels, more than two classes, classes of which
        some are text and some numbers, weights < 0.

    Examples
    --------
    >>> from ml_apps.fairness import demographic_parity_difference
    >>> demographic_parity_difference(None, [1, 1, 1, 0], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    function = "demographic_parity_difference"
    _, y_pred, groups, weight = _read(function, y_true, y_pred, sensitive_features, sample_weight)
    _one_kind(function, y_pred=y_pred)
    return _gaps.rate_gap(_positive(function, "y_pred", y_pred), groups.number, weight)


def equal_opportunity_difference(y_true, y_pred, *, sensitive_features, sample_weight=None):
    """Largest difference between the groups' true positive rates; see `equalized_odds_difference`.

    Parameters
    ----------
    y_true, y_pred, sensitive_features, sample_weight
        As in `equalized_odds_difference`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        As in `equalized_odds_difference`.

    Examples
    --------
    >>> from ml_apps.fairness import equal_opportunity_difference
    >>> groups = ["a", "a", "b", "b"]
    >>> equal_opportunity_difference([1, 1, 1, 0], [1, 0, 1, 1], sensitive_features=groups)
    0.5
    """
    return _conditional(
        "equal_opportunity_difference", y_true, y_pred, sensitive_features, sample_weight, (1,)
    )


def equalized_odds_difference(y_true, y_pred, *, sensitive_features, sample_weight=None):
    """Larger of the groups' differences in true and in false positive rates.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (N,)
        True and predicted classes, coded alike: 0 and 1, or two labels of which the larger is the
        positive one.
    sensitive_features : array_like, shape (N,) or (N, q)
        Labels of groups, none missing; columns are intersected.
    sample_weight : array_like, shape (N,), optional
        Weights >= 0.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        As in `demographic_parity_difference`, and without `y_true`.

    Examples
    --------
    >>> from ml_apps.fairness import equalized_odds_difference
    >>> groups = ["a", "a", "b", "b"]
    >>> equalized_odds_difference([1, 0, 1, 0], [1, 0, 1, 1], sensitive_features=groups)
    1.0
    """
    return _conditional(
        "equalized_odds_difference", y_true, y_pred, sensitive_features, sample_weight, (0, 1)
    )


def wasserstein_parity_difference(
    y_true, y_pred, *, sensitive_features, sample_weight=None, cost="range"
):
    r"""Strong demographic parity: how differently the groups' scores are distributed.

    For the cost "range" and scores in [0, 1] it is the demographic parity difference averaged over
    all thresholds,

    .. math:: \int_0^1 \max_k P(s > t \mid k) - \min_k P(s > t \mid k) \, dt,

    and for two groups the Wasserstein distance. For a regressor it is in units of the prediction.

    Parameters
    ----------
    y_true : array_like, shape (N,)
        Not used; None is fine.
    y_pred : array_like, shape (N,)
        Scores, probabilities or predicted numbers, finite.
    sensitive_features : array_like, shape (N,) or (N, q)
        Labels of groups, none missing; columns are intersected.
    sample_weight : array_like, shape (N,), optional
        Weights >= 0.
    cost : str
        A named cost of `otopt.mmot_samples`.

    Returns
    -------
    float
        0 if and only if all groups have the same distribution of scores.

    Raises
    ------
    ValueError
        For inputs of different lengths, missing labels, scores that are not finite, weights < 0.

    Examples
    --------
    >>> from ml_apps.fairness import wasserstein_parity_difference
    >>> groups = ["a", "a", "b", "b"]
    >>> wasserstein_parity_difference(None, [0.1, 0.6, 0.4, 0.9], sensitive_features=groups)
    0.3
    """
    function = "wasserstein_parity_difference"
    _, scores, groups, weight = _read(function, y_true, y_pred, sensitive_features, sample_weight)
    return _gaps.wasserstein(_scores(scores), groups.number, weight, cost)


def ks_parity_difference(y_true, y_pred, *, sensitive_features, sample_weight=None):
    """Largest demographic parity difference over all thresholds (Kolmogorov-Smirnov).

    Parameters
    ----------
    y_true, y_pred, sensitive_features, sample_weight
        As in `wasserstein_parity_difference`.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        As in `wasserstein_parity_difference`.

    Examples
    --------
    >>> from ml_apps.fairness import ks_parity_difference
    >>> ks_parity_difference(None, [0.1, 0.6, 0.4, 0.9], sensitive_features=["a", "a", "b", "b"])
    0.5
    """
    function = "ks_parity_difference"
    _, scores, groups, weight = _read(function, y_true, y_pred, sensitive_features, sample_weight)
    return _gaps.ks(_scores(scores), groups.number, weight)


class NullGap(NamedTuple):
    """What a metric shows for these predictions where groups mean nothing.

    Attributes
    ----------
    mean : float
        Mean over permutations.
    upper : float
        Their 95 % quantile: a gap below it cannot be told from noise.
    draws : ndarray, shape (n_permutations,)
        All of them.

    Examples
    --------
    >>> from ml_apps.fairness import demographic_parity_difference, null_gap
    >>> predicted, groups = [0, 1] * 20, ["a", "b"] * 20
    >>> chance = null_gap(
    ...     demographic_parity_difference, None, predicted, sensitive_features=groups, rng=0
    ... )
    >>> chance.mean < chance.upper < 1, len(chance.draws)  # the predictions above have the gap 1
    (True, 100)
    """

    mean: float
    upper: float
    draws: np.ndarray


def null_gap(metric, y_true, y_pred, *, sensitive_features, n_permutations=100, rng=None):
    """Gap that chance alone produces: groups are permuted among the rows.

    Parameters
    ----------
    metric : callable
        One of this module, or any with its signature.
    y_true, y_pred, sensitive_features
        As for the metric.
    n_permutations : int
        How often, at least once.
    rng : int or numpy.random.Generator, optional
        As in `numpy.random.default_rng`.

    Returns
    -------
    NullGap
        Mean, 95 % quantile, all draws.

    Raises
    ------
    ValueError
        For less than one permutation, and whatever the metric refuses.

    Examples
    --------
    >>> from ml_apps.fairness import demographic_parity_difference, null_gap
    >>> predicted, groups = [1] * 40, ["a", "b"] * 20
    >>> chance = null_gap(
    ...     demographic_parity_difference, None, predicted, sensitive_features=groups, rng=0
    ... )
    >>> chance.mean  # all alike, however groups are drawn
    0.0
    """
    if n_permutations < 1:
        message = f"null_gap: `n_permutations` must be an integer >= 1; got {n_permutations!r}."
        raise ValueError(message)
    rng = np.random.default_rng(rng)
    number = read_groups("null_gap", sensitive_features, len(y_pred)).number
    draws = np.array(
        [
            metric(y_true, y_pred, sensitive_features=rng.permutation(number))
            for _ in range(n_permutations)
        ]
    )
    return NullGap(float(draws.mean()), float(np.quantile(draws, 0.95)), draws)


def _conditional(function, y_true, y_pred, sensitive_features, sample_weight, classes):
    y_true, y_pred, groups, weight = _read(
        function, y_true, y_pred, sensitive_features, sample_weight
    )
    if y_true is None:
        message = f"{function}: `y_true` must be given; got None."
        raise ValueError(message)
    _one_kind(function, y_true=y_true, y_pred=y_pred)
    labels = np.unique(np.concatenate([y_true, y_pred]))
    truth = _positive(function, "y_true", y_true, labels)
    selected = _positive(function, "y_pred", y_pred, labels)
    gaps = []
    for c in classes:
        rows = truth == c
        gaps.append(
            _gaps.rate_gap(
                selected[rows], groups.number[rows], None if weight is None else weight[rows]
            )
        )
    return max(gaps)


def _read(function, y_true, y_pred, sensitive_features, sample_weight):
    y_pred = np.asarray(y_pred)
    if y_pred.ndim == 2 and y_pred.shape[1] == 1:
        y_pred = y_pred[:, 0]
    if y_pred.ndim != 1 or len(y_pred) == 0:
        message = f"{function}: `y_pred` must be a non-empty vector; got shape {y_pred.shape}."
        raise ValueError(message)
    y_true = None if y_true is None else np.asarray(y_true).ravel()
    check_consistent_length(y_true, y_pred, sample_weight)
    groups = read_groups(function, sensitive_features, len(y_pred))
    weight = None
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=float)
        if not (np.isfinite(weight).all() and weight.min() >= 0):
            message = f"{function}: `sample_weight` must be finite and >= 0; got {weight.min():g}."
            raise ValueError(message)
    return y_true, y_pred, groups, weight


def _scores(y_pred):
    return check_array(y_pred, ensure_2d=False, input_name="y_pred").astype(float)


def _one_kind(function, **classes):
    """Refuse text beside numbers: "1" and 1 would be two classes, and no prediction right."""
    if len({isinstance(value, str) for y in classes.values() for value in y.tolist()}) > 1:
        names = " and ".join(f"`{name}`" for name in classes)
        dtypes = " and ".join(str(y.dtype) for y in classes.values())
        message = (
            f"{function}: {names} must hold classes of one kind, text or numbers; got {dtypes}; "
            "code all alike, for example as 0 and 1."
        )
        raise ValueError(message)


def _positive(function, name, y, labels=None):
    """1.0 for the positive class, else 0.0."""
    labels = np.unique(y) if labels is None else labels
    if set(labels.tolist()) <= {0, 1} or labels.dtype == bool:
        return y.astype(float)
    if len(labels) > 2 or (len(labels) == 1 and not set(labels.tolist()) <= {-1, 1}):
        message = (
            f"{function}: `{name}` must hold classes, 0 and 1 or two labels; got "
            f"{', '.join(map(repr, labels[:3].tolist()))}{', ...' if len(labels) > 3 else ''}; "
            "for scores use wasserstein_parity_difference or ks_parity_difference."
        )
        raise ValueError(message)
    return (y == max(labels.tolist())).astype(float) if len(labels) == 2 else (y > 0).astype(float)
