"""`FairClassifier` and `FairRegressor`: scikit-learn estimators, blind at prediction."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import validate_data

from . import _gaps
from ._estimator import FairEstimator
from ._fitting import Problem, check_parameters, check_weight
from ._training import without_level

__all__ = ["FairClassifier", "FairRegressor"]

GIVEN = {  # within which classes groups are compared
    "demographic_parity": (None,),
    "strong_dp": (None,),
    "equal_opportunity": (1,),
    "equalized_odds": (0, 1),
}


class FairClassifier(ClassifierMixin, FairEstimator):
    r"""Binary classifier whose predictions are distributed alike in all groups.

    .. math:: \min_\theta \; \frac1N \sum_i \log(1 + e^{-y_i f_\theta(x_i)})
        + \lambda \, \phi\big(s(f_\theta) \text{ by group}\big)

    with the multi-marginal transport cost :math:`\phi` (`otopt.nn.MMOTLoss`) between the groups'
    scores :math:`s = \sigma(f / \tau)`. The sensitive attribute is used while fitting only.

    Parameters
    ----------
    constraint : {"demographic_parity", "strong_dp", "equal_opportunity", "equalized_odds"}
        What has to be alike, and what `target_gap` and `gap_` mean: the shares of positive
        predictions; the whole distributions of probabilities; the true positive rates; those and
        the false positive rates. Gaps are those of `ml_apps.fairness.metrics`, on the training
        data: for strong_dp ``wasserstein_parity_difference``.
    lam : float
        Strength >= 0. Not used with `target_gap`.
    target_gap : float, optional
        Find the smallest strength whose gap on the training data is at most this, by continuation:
        some eight short fits, each starting from the one before. If none is found the closest model
        is kept, with a `FairnessWarning`.
    cost : str
        A cost of `otopt.nn.MMOTLoss`. But for "range" groups are weighted by their shares.
    hidden_layer_sizes : tuple of int
        () for a linear model, (64, 64) for a network with two hidden layers.
    temperature : float
        :math:`\tau > 0` above. At 1 scores are the probabilities; below 1 the penalty looks closer
        at the decision threshold and less at the rest of the distribution.
    alpha : float, optional
        Factor >= 0 of half the squared weights, on standardised features; by default 1e-4 for
        linear models, 3e-3 otherwise.
    learning_rate : float, optional
        First step size of Adam; it falls to zero along a cosine. By default 0.1 for linear models,
        0.005 otherwise.
    max_iter : int, optional
        Steps. By default 200, or more where batches need them for ten passes over the data.
    batch_size : int, optional
        Rows of a step. By default all for linear models and up to 2048 rows; otherwise 512, or more
        with many groups.
    min_per_group : int
        Batches hold at least so many rows of each group (of each group and class for the last two
        constraints), reweighted in the loss of the task: small groups are noisy, and a penalty on
        noise costs accuracy. 0 draws plain batches.
    memory : int
        Past scores that enlarge the batch in the penalty; as in `otopt.nn.MMOTLoss`.
    slack : float
        No pressure where :math:`\phi` is below this.
    min_group_size : int
        Groups with fewer rows (in a class, for the last two constraints) take no part in the
        constraint, with a `FairnessWarning`.
    random_state : int, RandomState instance or None
        First weights and batches of networks. A linear model on all rows does not depend on it.

    Attributes
    ----------
    classes_ : ndarray, shape (2,)
        The second is the positive one.
    gap_ : float
        The gap on the training data; NaN without `sensitive_features`.
    lam_ : float
        The strength that was used.
    groups_ : tuple of str
        Labels of the groups.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of the layers, for features as they are given.
    loss_curve_, n_iter_, n_features_in_, feature_names_in_
        As usual.

    Notes
    -----
    The penalty has no say in the level that all scores share: probabilities differ less near 0 and
    1, so it would gain by lowering those of everybody. The level is left to the loss of the task,
    and the mean probability stays that of the target.

    O(N p + N log N) a step for linear models. The gap is that of the training data: small groups
    show more on new data, see `null_gap`. Ctrl-C keeps the model as it is, with a warning.

    References
    ----------
    .. [1] R. Mehta, J. Kline, V. S. Lokhande, G. Fung, V. Singh, "Efficient Discrete
       Multi-Marginal Optimal Transport Regularization", ICLR 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from ml_apps.fairness import FairClassifier
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(2, size=400)
    >>> X = rng.normal(size=(400, 3)) + group[:, None] * [1, 0, 0]
    >>> y = X.sum(axis=1) + rng.normal(size=400) > 0.5
    >>> plain = FairClassifier(lam=0).fit(X, y, sensitive_features=group)
    >>> fair = FairClassifier(target_gap=0.02).fit(X, y, sensitive_features=group)
    >>> plain.gap_ > 0.2, fair.gap_ <= 0.02
    (True, True)
    """

    def __init__(
        self,
        constraint="demographic_parity",
        *,
        lam=1.0,
        target_gap=None,
        cost="range",
        hidden_layer_sizes=(),
        temperature=1.0,
        alpha=None,
        learning_rate=None,
        max_iter=None,
        batch_size=None,
        min_per_group=32,
        memory=0,
        slack=0.0,
        min_group_size=2,
        random_state=None,
    ):
        super().__init__(
            constraint, lam=lam, target_gap=target_gap, cost=cost,
            hidden_layer_sizes=hidden_layer_sizes, alpha=alpha, learning_rate=learning_rate,
            max_iter=max_iter, batch_size=batch_size, min_per_group=min_per_group, memory=memory,
            slack=slack, min_group_size=min_group_size, random_state=random_state,
        )  # fmt: skip
        self.temperature = temperature

    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Features, finite; standardised within. The sensitive attribute does not belong here.
        y : array_like, shape (N,)
            Two classes, of any kind.
        sensitive_features : array_like, Series or DataFrame, shape (N,) or (N, q)
            Labels of groups, none missing; columns are intersected. None leaves the model
            unconstrained, with a `FairnessWarning` unless `lam` is 0.
        sample_weight : array_like, shape (N,), optional
            Weights >= 0: w is w copies of a row, and 0 is none.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For parameters, classes, groups or weights that break the rules above, before any work.
        FloatingPointError
            The loss exploded: the learning rate is too large.

        Warns
        -----
        FairnessWarning
            Groups that take no part, a gap that was not reached, or a fit that was stopped.
        """
        check_parameters(self, GIVEN)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        weight = check_weight(self, X, sample_weight)
        counted = y if weight is None else y[weight > 0]
        kind = type_of_target(counted, input_name="y", raise_unknown=True)
        if kind != "binary":
            message = (
                f"FairClassifier: Only binary classification is supported. The type of the target "
                f"is {kind}; fit one model for each class against the others."
            )
            raise ValueError(message)
        self.classes_ = np.unique(counted)
        if len(self.classes_) < 2:
            where = "" if weight is None else " among the rows of positive weight"
            message = (
                f"FairClassifier: `y` must have two classes{where}; got one class, "
                f"{self.classes_[0]!r}."
            )
            raise ValueError(message)
        strong = self.constraint == "strong_dp"
        given = GIVEN[self.constraint]

        def gap(output, target, number, weight):
            if strong:
                return _gaps.wasserstein(_sigmoid(output), number, weight)
            gaps = []
            for c in given:
                rows = slice(None) if c is None else target == c
                part = None if weight is None else weight[rows]
                gaps.append(_gaps.rate_gap(1.0 * (output[rows] > 0), number[rows], part))
            return max(gaps)

        problem = Problem(
            given=given,
            task=_logistic,
            squash=lambda output, importance: torch.sigmoid(
                without_level(output, importance) / self.temperature
            ),
            gap=gap,
        )
        code = (y == self.classes_[1]).astype(X.dtype)
        return self._fit(X, code, sensitive_features, weight, problem)

    def decision_function(self, X):
        """Log-odds of the second class.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Features.

        Returns
        -------
        ndarray, shape (N,)
        """
        return self._output(X)

    def predict_proba(self, X):
        """Probabilities of the classes.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Features.

        Returns
        -------
        ndarray, shape (N, 2)
        """
        p = _sigmoid(self._output(X))
        return np.stack([1 - p, p], axis=1)

    def predict(self, X):
        """Classes.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Features.

        Returns
        -------
        ndarray, shape (N,)
        """
        positive = self._output(X) > 0  # first: it checks that the model is fitted
        return self.classes_[positive.astype(int)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class FairRegressor(RegressorMixin, FairEstimator):
    r"""Regressor whose predictions are distributed alike in all groups.

    .. math:: \min_\theta \; \frac1N \sum_i (y_i - f_\theta(x_i))^2
        + \lambda \, \phi\big(f_\theta \text{ by group}\big)

    for a target of mean 0 and variance 1, to which it is scaled within. Gaps are in units of the
    target. The sensitive attribute is used while fitting only.

    Parameters
    ----------
    constraint : {"demographic_parity", "strong_dp"}
        The same for a regressor: whole distributions of predictions. Gaps are those of
        `wasserstein_parity_difference`.
    lam, target_gap, cost, hidden_layer_sizes, alpha, learning_rate, max_iter, batch_size
        As for `FairClassifier`.
    min_per_group, memory, slack, min_group_size, random_state
        As for `FairClassifier`; slack is in units of the target's standard deviation.

    Attributes
    ----------
    gap_ : float
        The gap on the training data, in units of the target; NaN without `sensitive_features`.
    lam_ : float
        The strength that was used.
    groups_ : tuple of str
        Labels of the groups.
    coefs_, intercepts_ : list of ndarray
        Weights and biases of the layers, for features as they are given.
    loss_curve_, n_iter_, n_features_in_, feature_names_in_
        As usual.

    Examples
    --------
    >>> import numpy as np
    >>> from ml_apps.fairness import FairRegressor
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(2, size=400)
    >>> X = rng.normal(size=(400, 3)) + group[:, None] * [1, 0, 0]
    >>> y = X.sum(axis=1) + rng.normal(size=400)
    >>> plain = FairRegressor(lam=0).fit(X, y, sensitive_features=group)
    >>> fair = FairRegressor(target_gap=0.1).fit(X, y, sensitive_features=group)
    >>> plain.gap_ > 0.8, fair.gap_ <= 0.1
    (True, True)
    """

    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Features, finite; standardised within. The sensitive attribute does not belong here.
        y : array_like, shape (N,)
            Numbers.
        sensitive_features : array_like, Series or DataFrame, shape (N,) or (N, q)
            Labels of groups, none missing; columns are intersected. None leaves the model
            unconstrained, with a `FairnessWarning` unless `lam` is 0.
        sample_weight : array_like, shape (N,), optional
            Weights >= 0: w is w copies of a row, and 0 is none.

        Returns
        -------
        self

        Raises
        ------
        ValueError, FloatingPointError
            As in `FairClassifier.fit`, whose warnings it gives too.
        """
        check_parameters(self, ("demographic_parity", "strong_dp"))
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], y_numeric=True)
        problem = Problem(
            given=(None,),
            task=_squares,
            squash=lambda output, importance: output,
            gap=lambda output, target, number, weight: _gaps.wasserstein(output, number, weight),
            scales_target=True,
        )
        weight = check_weight(self, X, sample_weight)
        return self._fit(X, y.astype(X.dtype), sensitive_features, weight, problem)

    def predict(self, X):
        """Predicted numbers.

        Parameters
        ----------
        X : array_like, shape (N, p)
            Features.

        Returns
        -------
        ndarray, shape (N,)
        """
        return self._output(X)


def _sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x.astype(float)))


def _logistic(output, target):
    return torch.nn.functional.binary_cross_entropy_with_logits(output, target, reduction="none")


def _squares(output, target):
    return (output - target) ** 2
