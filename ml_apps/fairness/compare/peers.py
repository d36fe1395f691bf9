"""Peers whose penalty is trained by our loop: what differs is the penalty alone."""

from __future__ import annotations

import torch

from ml_apps.fairness.estimators import FairClassifier
from otopt import mmot_1d

__all__ = ["FairretClassifier", "HistogramClassifier"]


class _Penalised(FairClassifier):
    def _penalty(self, given, codes, shares, squash):
        return _Penalty(self.difference(len(codes[0])))


class _Penalty:
    """The interface of `ml_apps.fairness._training.Penalty` around a function of all groups."""

    given = (None,)

    def __init__(self, difference):
        self.difference = difference

    def __call__(self, output, y, number, weight, importance):
        return self.difference(output, number)


class FairretClassifier(_Penalised):
    """The penalty of Buyl, Defrance, De Bie (ICLR 2024): NormLoss on positive rates."""

    def difference(self, count):
        """Penalty of (output, groups)."""
        from fairret.loss import NormLoss
        from fairret.statistic import PositiveRate

        loss = NormLoss(PositiveRate())

        def penalty(output, number):
            one_hot = torch.nn.functional.one_hot(number, count).to(output.dtype)
            return loss(output[:, None], one_hot)

        return penalty


class HistogramClassifier(_Penalised):
    """The layer of Mehta et al. (ICLR 2023): soft histograms on ten bins, max - min.

    Bins start at b / 10, so that scores near 1 lose their mass, as in the published layer; the cost
    is in units of scores instead of bins.
    """

    bins = 10

    def difference(self, count):
        """Penalty of (output, groups)."""

        def penalty(output, number):
            places = torch.arange(self.bins, dtype=output.dtype) / self.bins
            share = torch.relu(1 / self.bins - (torch.sigmoid(output)[:, None] - places).abs())
            masses = share.new_zeros(count, self.bins).index_add_(0, number, share) + 1e-4
            masses = masses[torch.bincount(number, minlength=count) > 0].T
            masses = masses / masses.sum(dim=0, keepdim=True)
            return mmot_1d(masses).value / self.bins

        return penalty
