"""Intervals over repeated splits of one data set."""

from __future__ import annotations

import numpy as np

__all__ = ["interval"]


def interval(values, test_over_train):
    """Mean and half width of a 95 % interval; half width None for fewer than two values.

    Splits share rows, so their results are correlated and the usual t-interval is too narrow: the
    corrected one of C. Nadeau, Y. Bengio, "Inference for the generalization error", Machine
    Learning 52, 2003, doi 10.1023/A:1024068626366.
    """
    from scipy.stats import t

    values = np.asarray(values, dtype=float)
    count = len(values)
    if count < 2:
        return (float(values.mean()) if count else None), None
    spread = values.std(ddof=1) * np.sqrt(1 / count + test_over_train)
    return float(values.mean()), float(t.ppf(0.975, count - 1) * spread)
