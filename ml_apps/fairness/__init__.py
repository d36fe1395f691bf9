"""Predictions that are distributed alike in all groups: estimators, metrics, trade-offs."""

from ._groups import FairnessWarning
from .estimators import FairClassifier, FairRegressor
from .frontier import TradeOff, trade_off
from .metrics import (
    NullGap,
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    ks_parity_difference,
    null_gap,
    wasserstein_parity_difference,
)

__all__ = [
    "FairClassifier",
    "FairRegressor",
    "FairnessWarning",
    "NullGap",
    "TradeOff",
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "ks_parity_difference",
    "null_gap",
    "trade_off",
    "wasserstein_parity_difference",
]
