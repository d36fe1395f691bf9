"""From checked data to a trained network: scaling, groups, strength."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from ._groups import FairnessWarning, read_groups, warn_about_size
from ._network import arrays_of, build
from ._training import Schedule, train

__all__ = ["Fitted", "Problem", "check_parameters", "check_weight", "fit"]

FIRST_LAM, GROWTH, LADDER, HALVINGS = 0.1, 3.0, 8, 4  # the continuation of target_gap


@dataclass(frozen=True)
class Problem:
    """What distinguishes the estimators."""

    given: tuple  # classes within which groups are compared
    task: Callable  # (output, target) -> losses
    squash: Callable  # (output, importance of rows or None) -> scores
    gap: Callable  # (output, target, groups, weight) -> gap
    scales_target: bool = False


@dataclass(frozen=True)
class Fitted:
    """A network for features as they are given."""

    weights: list
    biases: list
    lam: float
    gap: float
    losses: list
    groups: tuple


def check_parameters(estimator, constraints):
    """Refuse what no fit can use, before any work."""
    name = type(estimator).__name__
    if estimator.constraint not in tuple(constraints):  # a list has no place in a dictionary
        message = (
            f"{name}: `constraint` must be one of {', '.join(constraints)}; "
            f"got {estimator.constraint!r}."
        )
        raise ValueError(message)
    for parameter in ("lam", "alpha", "slack"):
        value = getattr(estimator, parameter)
        if not (parameter == "alpha" and value is None):
            _refuse(name, parameter, value, numbers.Real, 0)
    for parameter in ("target_gap", "learning_rate", "temperature"):
        value = getattr(estimator, parameter, None)
        if value is not None:
            _refuse(name, parameter, value, numbers.Real, 0, strict=True)
    for parameter in ("max_iter", "batch_size"):
        if getattr(estimator, parameter) is not None:
            _refuse(name, parameter, getattr(estimator, parameter), numbers.Integral, 1)
    for parameter, low in (("min_per_group", 0), ("memory", 0), ("min_group_size", 1)):
        _refuse(name, parameter, getattr(estimator, parameter), numbers.Integral, low)
    for size in _hidden(estimator):
        _refuse(name, "hidden_layer_sizes", size, numbers.Integral, 1)


def _refuse(name, parameter, value, kind, low, *, strict=False):
    good = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    if not good or value < low or (strict and value == low):
        what = "an integer" if kind is numbers.Integral else "a number"
        rule = f"{what} {'>' if strict else '>='} {low}"
        message = f"{name}: `{parameter}` must be {rule}; got {value!r}."
        raise ValueError(message)


def _hidden(estimator):
    sizes = estimator.hidden_layer_sizes
    if isinstance(sizes, numbers.Integral):
        return (sizes,)
    if not np.iterable(sizes):
        message = (
            f"{type(estimator).__name__}: `hidden_layer_sizes` must be a tuple of integers, () for "
            f"a linear model; got {sizes!r}."
        )
        raise ValueError(message)
    return tuple(sizes)


def check_weight(estimator, X, sample_weight):
    """Weights as an array, or None where all rows count alike."""
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, X, dtype=X.dtype, ensure_non_negative=True)
    if not weight.any():
        message = f"{type(estimator).__name__}: `sample_weight` must not be zero everywhere."
        raise ValueError(message)
    return weight


def fit(estimator, X, y, sensitive_features, weight, problem):
    """Train for `lam` or search for the strength of `target_gap`; `weight` is checked."""
    name = type(estimator).__name__
    groups = _groups(estimator, name, sensitive_features, len(X))
    if weight is not None:
        kept = weight > 0
        X, y, weight = X[kept], y[kept], weight[kept]
        groups = None if groups is None else groups._replace(number=groups.number[kept])
    work = _Work(estimator, X, y, weight, groups, problem)
    if estimator.target_gap is None or groups is None:
        lam = 0.0 if groups is None else float(estimator.lam)
        network, losses, _ = work.train(lam)
    else:
        network, losses, lam = _search(estimator, work)
    weights, biases = work.unscaled(network)
    gap = work.gap(network) if groups is not None else math.nan
    labels = () if groups is None else groups.labels
    return Fitted(weights, biases, lam, gap, losses, labels)


def _groups(estimator, name, sensitive_features, length):
    if sensitive_features is not None:
        return read_groups(name, sensitive_features, length)
    if estimator.lam > 0 or estimator.target_gap is not None:
        message = (
            f"{name}: no `sensitive_features`: the fit is unconstrained; pass them to fit, or set "
            "lam=0."
        )
        warnings.warn(message, FairnessWarning, stacklevel=5)
    return None


class _Work:
    """Scaled data, and a fit for any strength."""

    def __init__(self, estimator, X, y, weight, groups, problem):
        self.estimator, self.problem, self.groups = estimator, problem, groups
        self.target, self.weight = y, weight
        name = type(estimator).__name__
        self.shift, self.scale = _moments(name, "X", X, weight)
        self.y_shift, self.y_scale = _moments(name, "y", y[:, None], weight)
        if not problem.scales_target:
            self.y_shift, self.y_scale = self.y_shift * 0, self.y_scale * 0 + 1
        self.X = torch.as_tensor((X - self.shift) / self.scale)
        self.y = torch.as_tensor((y - self.y_shift) / self.y_scale)
        self.mass = None if weight is None else torch.as_tensor(weight / weight.mean())
        number = np.zeros(len(y), int) if groups is None else groups.number
        self.number = torch.as_tensor(number)
        self.codes, self.shares = self._participants(number)
        strata = len(np.unique(number)) * (1 if problem.given == (None,) else 2)
        self.schedule = _schedule(estimator, len(y), strata)
        # One seed for all fits of a search: their order does not matter.
        self.seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))

    def _participants(self, number):
        """For each class the number of each group that takes part, and the shares of these."""
        if self.groups is None:
            return [], []
        name, least = type(self.estimator).__name__, self.estimator.min_group_size
        all_codes, all_shares = [], []
        for c in self.problem.given:
            rows = slice(None) if c is None else self.target == c
            counts = np.bincount(number[rows], minlength=len(self.groups.labels))
            what = "rows" if c is None else f"rows of class {self.estimator.classes_[c]}"
            warn_about_size(name, self.groups.labels, counts, least, what)
            codes = np.where(counts >= least, np.cumsum(counts >= least) - 1, -1)
            all_codes.append(codes)
            weight = None if self.weight is None else self.weight[rows]
            mass = np.bincount(number[rows], weight, len(counts))[counts >= least]
            shares = mass / mass.sum() if len(mass) else mass
            all_shares.append(None if self.estimator.cost == "range" else shares)
        return all_codes, all_shares

    def _penalty(self):
        """A new one: its memory belongs to one fit."""
        usable = [j for j, codes in enumerate(self.codes) if codes.max() > 0]
        if not usable:
            return None
        p = self.problem
        given, codes, shares = (
            [values[j] for j in usable] for values in (p.given, self.codes, self.shares)
        )
        return self.estimator._penalty(tuple(given), codes, shares, p.squash)

    def train(self, lam, start=None, shorter=1):
        """Network, losses, and whether the fit ran to its end."""
        generator = torch.Generator().manual_seed(self.seed)
        widths = [self.X.shape[1], *_hidden(self.estimator), 1]
        network = build(widths, generator, self.X.dtype)
        if self.problem.scales_target and len(widths) == 2:
            # Features and target are centred and the penalty ignores shifts: the best bias is 0.
            # Adam, which rescales gradients, would make noise of its rounding errors.
            network[-1].bias.requires_grad_(False)
        if start is not None:
            network.load_state_dict(start.state_dict())
        s = self.schedule
        schedule = Schedule(max(1, s.steps // shorter), s.learning_rate / shorter, s.alpha,
                            s.batch_size, s.min_per_group)  # fmt: skip
        losses, complete = train(
            network, self.X, self.y, self.mass, self.number, self.problem.task,
            self._penalty(), lam, schedule, generator,
        )  # fmt: skip
        return network, losses, complete

    def gap(self, network):
        """The gap on the training data, in units of the target."""
        with torch.no_grad():
            output = network(self.X)[:, 0].numpy().astype(float)
        number, weight, keep = self.groups.number, self.weight, None
        for codes in self.codes:
            out = codes[number] >= 0
            keep = out if keep is None else keep & out
        if not keep.all():
            output, number = output[keep], number[keep]
            weight = None if weight is None else weight[keep]
        gap = self.problem.gap(output, self.target[keep], number, weight)
        return gap * float(self.y_scale[0])

    def unscaled(self, network):
        """Weights and biases for features and targets as they were given."""
        weights, biases = arrays_of(network)
        weights[0] = weights[0] / self.scale[:, None]
        biases[0] = biases[0] - self.shift @ weights[0]
        weights[-1], biases[-1] = weights[-1] * self.y_scale, biases[-1] * self.y_scale
        biases[-1] = biases[-1] + self.y_shift
        return weights, biases


def _moments(function, name, X, weight):
    """Mean and standard deviation of columns; 1 where a column is constant."""
    with np.errstate(over="ignore", invalid="ignore"):  # said below, as an error
        mean = np.average(X, axis=0, weights=weight)
        std = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    lost = ~np.isfinite(std) | ((std == 0) & (X.min(axis=0) < X.max(axis=0)))
    if lost.any():
        column = int(lost.argmax())
        message = (
            f"{function}: `{name}` must hold numbers whose squares {X.dtype} can add up; got "
            f"absolute values up to {np.abs(X[:, column]).max():.3g} in column {column}; change "
            "their unit."
        )
        raise ValueError(message)
    flat = std <= 10 * np.finfo(X.dtype).eps * np.abs(mean)
    return mean.astype(X.dtype), np.where(flat | (std == 0), 1, std).astype(X.dtype)


def _schedule(estimator, count, strata):
    hidden = bool(_hidden(estimator))
    batch, least = estimator.batch_size, estimator.min_per_group
    if batch is None:
        usual = max(512, 2 * strata * least)
        batch = usual if hidden and count > max(2048, usual) else None
    elif batch >= count:
        batch = None
    if batch is not None:
        least = min(least, batch // strata)
    passes = 0 if batch is None else math.ceil(10 * count / batch)
    steps = estimator.max_iter or max(200, passes)
    rate = estimator.learning_rate or (0.005 if hidden else 0.1)
    alpha = estimator.alpha if estimator.alpha is not None else 3e-3 if hidden else 1e-4
    return Schedule(steps, rate, alpha, batch, least)


def _search(estimator, work):
    """The smallest strength that meets `target_gap`: a ladder, then halvings, warm-started."""
    target = estimator.target_gap
    network, losses, complete = work.train(0.0)
    gap = work.gap(network)
    if gap <= target or not complete:
        return network, losses, 0.0
    best, lam, low, low_gap = (gap, 0.0, network), FIRST_LAM, 0.0, gap
    for _ in range(LADDER):
        network, more, complete = work.train(lam, network, shorter=2)
        losses, gap = losses + more, work.gap(network)
        best = min(best, (gap, lam, network), key=lambda item: item[0])
        if gap <= target or not complete:
            break
        low, low_gap, lam = lam, gap, lam * GROWTH
    if best[0] > target:
        message = (
            f"{type(estimator).__name__}: target_gap={target:g} was not reached; the smallest gap "
            f"was {best[0]:.4g}, at lam={best[1]:.4g}; groups may be too small for it (see "
            "null_gap), or the model too simple."
        )
        warnings.warn(message, FairnessWarning, stacklevel=5)
        return best[2], losses, best[1]
    (high_gap, high, found), low_gap = best, max(low_gap, target)
    for _ in range(HALVINGS):
        # Where a line through the gaps over log(lam) meets the target, but well inside.
        floor = low or high / GROWTH
        part = min(max((low_gap - target) / max(low_gap - high_gap, 1e-12), 0.2), 0.8)
        middle = floor * (high / floor) ** part
        network, more, complete = work.train(middle, found, shorter=2)
        losses, gap = losses + more, work.gap(network)
        if gap <= target:
            high, high_gap, found = middle, gap, network
        else:
            low, low_gap = middle, gap
        if not complete:
            break
    return found, losses, high
