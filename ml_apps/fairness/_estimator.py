"""What the estimators have in common: parameters, the network, how it is fitted."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from ._fitting import fit
from ._network import forward
from ._training import Penalty

__all__ = ["FairEstimator"]


class FairEstimator(BaseEstimator):
    """Parameters of `FairRegressor`, to which `FairClassifier` adds one; network and fit."""

    def __init__(
        self,
        constraint="demographic_parity",
        *,
        lam=1.0,
        target_gap=None,
        cost="range",
        hidden_layer_sizes=(),
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
        self.constraint = constraint
        self.lam = lam
        self.target_gap = target_gap
        self.cost = cost
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.min_per_group = min_per_group
        self.memory = memory
        self.slack = slack
        self.min_group_size = min_group_size
        self.random_state = random_state

    def _fit(self, X, y, sensitive_features, weight, problem):
        network = fit(self, X, y, sensitive_features, weight, problem)
        self.coefs_, self.intercepts_ = network.weights, network.biases
        self.lam_, self.gap_ = network.lam, network.gap
        self.loss_curve_, self.n_iter_ = network.losses, len(network.losses)
        self.groups_ = network.groups
        return self

    def _penalty(self, given, codes, shares, squash):
        """What differences between groups cost; a new one for each fit, whose memory it holds."""
        return Penalty(given, codes, shares, squash, self.cost, self.memory, self.slack)

    def _output(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return forward(X, self.coefs_, self.intercepts_)
