"""`MMOTLoss`: how differently the scores of groups are distributed, as a part of training."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from otopt._core.validation import (
    as_choice,
    as_flag,
    as_floats,
    as_integer,
    as_positive_int,
    as_real,
)
from otopt._kernels.torch_line import with_gradient
from otopt._oracles.monge import COSTS, MongeCost
from otopt._uncompiled import uncompiled
from otopt.ot._groups import Membership
from otopt.ot._multimarginal_samples import solve_events, solve_on_device
from otopt.ot.multimarginal import mmot_1d
from otopt.ot.multimarginal_null import mmot_null_level

from ._events import (
    Events,
    gather,
    joins_processes,
    read_events,
    read_scores,
    scale_gradient,
    soft_histogram,
)

__all__ = ["MMOTLoss"]

NAME = "MMOTLoss"


class MMOTLoss(torch.nn.Module):
    r"""Multi-marginal transport cost between the groups of a batch of scores.

    .. math:: \phi = \int_0^1 c\big(Q_1(u), \dots, Q_d(u)\big)\, du

    with the quantile functions of the groups' scores. Add a multiple of it to the loss of the task.
    For scores in [0, 1] and the cost "range" it is the largest difference between the shares of
    groups above a threshold (demographic parity), averaged over all thresholds.

    Parameters
    ----------
    cost : {"range", "pairwise_l1", "median", "pairwise_l2", "variance", "huber"}
        As in `otopt.mmot_1d`.
    groups : int or sequence, optional
        Number of groups, or their labels in order. Needed with `memory` and `weights`, and for
        string labels in distributed training; otherwise the groups are those of the batch.
    bins : int, optional
        None: exact, by quantiles. Otherwise soft histograms on that many bins (>= 2) with centres
        at both ends of `score_range`: each score is split between the two centres around it, so
        that masses and means are kept and no score is lost.
    score_range : (float, float)
        First and last centre for `bins`; scores beyond them count as theirs, without gradient.
    weights : array_like, shape (d,), optional
        As in `otopt.mmot_1d`, one for each of `groups`.
    delta : float
        As in `otopt.mmot_1d`.
    memory : int
        How many past scores, without gradients, enlarge the batch while training: small groups are
        noisy (see `null_level`). The gradients of the scores at hand are scaled by the mass of
        their group over what they have in it, so the size of the memory does not change the
        strength of the loss.
    min_group_size : int
        Groups with fewer scores, memory included, are left out.
    slack : float
        The loss is ``max(value - slack, 0)``: no pressure below.
    target : float, optional
        Instead of `slack`: an augmented Lagrangian for ``value <= target``, to be added to the loss
        of the task with factor one. Call `update_multiplier` once an epoch.
    penalty : float
        Quadratic factor of the augmented Lagrangian, > 0, in units of task loss per value squared.
    distributed : bool, optional
        Whether to join the batches of all processes; by default where `torch.distributed` is
        initialised. Gradients are right where they are averaged over processes, as
        `DistributedDataParallel` does. All processes must call the loss together.

    Attributes
    ----------
    value : Tensor
        The value of the last call, before slack or target, without gradient.
    multiplier : Tensor
        The multiplier of the augmented Lagrangian.

    Raises
    ------
    ValueError, TypeError
        For arguments that break the rules above, here and when called.

    Notes
    -----
    Fewer than two groups in a batch give zero, with a zero gradient. half-precision scores are
    computed in float32, also under autocast. Cost: a sort and a pass on the CPU. On CUDA the scores
    stay on the device while group labels pass through the host.

    References
    ----------
    .. [1] R. Mehta, J. Kline, V. S. Lokhande, G. Fung, V. Singh, "Efficient Discrete
       Multi-Marginal Optimal Transport Regularization", ICLR 2023.

    Examples
    --------
    >>> import torch
    >>> from otopt.nn import MMOTLoss
    >>> scores = torch.tensor([0.1, 0.4, 0.5, 0.9], requires_grad=True)
    >>> loss = MMOTLoss()(scores, torch.tensor([0, 1, 0, 1]))
    >>> loss.backward()
    >>> round(loss.item(), 6), scores.grad
    (0.35, tensor([-0.5000,  0.5000, -0.5000,  0.5000]))
    """

    def __init__(
        self,
        cost="range",
        *,
        groups=None,
        bins=None,
        score_range=(0.0, 1.0),
        weights=None,
        delta=1.0,
        memory=0,
        min_group_size=1,
        slack=0.0,
        target=None,
        penalty=10.0,
        distributed=None,
    ):
        super().__init__()
        as_choice(NAME, "cost", cost, COSTS)
        if isinstance(groups, (int, np.integer)):
            groups = range(as_positive_int(NAME, "groups", groups))
        self.cost = cost
        self.delta = as_real(NAME, "delta", delta, low=0.0, strict=True, sized=True)
        self.labels: Any = None if groups is None else list(groups)
        self.bins: Any = None if bins is None else as_positive_int(NAME, "bins", bins)
        if self.bins == 1:
            message = f"{NAME}: `bins` must be at least 2, one at each end; got 1."
            raise ValueError(message)
        ends = as_floats(NAME, "score_range", score_range)
        if ends.shape != (2,) or not (np.isfinite(ends).all() and ends[0] < ends[1]):
            message = f"{NAME}: `score_range` must be two ascending numbers; got {score_range}."
            raise ValueError(message)
        self.score_range = tuple(ends.tolist())
        self.memory = as_integer(NAME, "memory", memory, low=0)
        if self.labels is None and (self.memory or weights is not None):
            message = (
                f"{NAME}: `memory` and `weights` need `groups`, the number of groups or their "
                "labels; got None."
            )
            raise ValueError(message)
        self.weights = weights
        if self.labels is not None:  # a wrong length is better found before training
            rule = MongeCost.resolve(NAME, cost, len(self.labels), weights, delta)
            self.weights = None if weights is None else rule.weights
        self.min_group_size = as_positive_int(NAME, "min_group_size", min_group_size)
        self.slack = as_real(NAME, "slack", slack, low=0.0)
        self.target = None if target is None else as_real(NAME, "target", target, low=0.0)
        self.penalty = as_real(NAME, "penalty", penalty, low=0.0, strict=True)
        self.distributed = as_flag(NAME, "distributed", distributed, optional=True)
        self._rules = {}  # by number of groups
        self.value = torch.zeros(())
        self.past: Any = None  # Events; not a buffer, whose shape a checkpoint would have to meet
        self.multiplier: torch.Tensor
        self._seen: torch.Tensor
        self.register_buffer("multiplier", torch.zeros(()))
        self.register_buffer("_seen", torch.zeros(2))  # sum and number of values

    @uncompiled
    def forward(self, scores, groups, sample_weight=None):
        """Return the loss.

        Parameters
        ----------
        scores : Tensor, shape (N,) or (N, C)
            Scores; the losses of C columns are added up.
        groups : Tensor or array_like, shape (N,) or (N, G)
            Labels 0, 1, ... or strings; or one-hot or soft membership.
        sample_weight : Tensor, shape (N,), optional
            Weights >= 0.

        Returns
        -------
        Tensor, shape ()
            The loss, float32 or float64.
        """
        scores = read_scores(NAME, scores)
        events = read_events(NAME, scores, groups, sample_weight, self.labels)
        if joins_processes(NAME, self.distributed):
            events = gather(events)
        if self.training and self.memory:
            events, factor = self._with_memory(events)
            value = self._value(events, factor)
        else:
            value = self._value(events)
        self.value = value.detach()
        if not math.isfinite(self.value):  # so is any score, or the value of finite ones
            message = f"{NAME}: `scores` must be finite; got NaN or inf; look at the model."
            raise ValueError(message)
        if self.training and self.memory:
            self._remember(events)
        if self.target is None:
            return torch.relu(value - self.slack) if self.slack else value
        if self.training:
            self._seen += torch.stack([self.value, torch.ones_like(self.value)]).to(self._seen)
        pressure = torch.relu(self.multiplier.to(value) + self.penalty * (value - self.target))
        return (pressure**2 - self.multiplier.to(value) ** 2) / (2 * self.penalty)

    def update_multiplier(self):
        """Raise the pressure if `value` was above `target` since the last call, else lower it.

        Returns
        -------
        float
            The mean value since the last call.
        """
        if self.target is None:
            message = f"{NAME}: `update_multiplier` needs `target`; got None."
            raise ValueError(message)
        mean = self._seen[0] / self._seen[1].clamp(min=1)
        if self._seen[1] > 0:
            pressure = self.multiplier + self.penalty * (mean - self.target)
            self.multiplier.copy_(pressure.clamp(min=0))
        self._seen.zero_()
        return float(mean)

    def null_level(self, counts, *, scores=None, n_draws=200, rng=None):
        """Simulate the value that groups of these sizes show by chance; see `mmot_null_level`.

        Parameters
        ----------
        counts : array_like of int, shape (d,)
            Numbers of scores in the groups of a batch, memory included.
        scores : array_like, optional
            Scores to draw from; uniform by default.
        n_draws : int
            Number of simulated groupings.
        rng : int or numpy.random.Generator, optional
            As in `numpy.random.default_rng`.

        Returns
        -------
        NullLevel
            Mean, 95 % quantile and all draws.

        Raises
        ------
        ValueError, TypeError
            As `mmot_null_level`.
        """
        return mmot_null_level(
            counts, scores=scores, cost=self.cost, weights=self.weights,
            delta=self.delta, n_draws=n_draws, rng=rng,
        )  # fmt: skip

    def forget(self):
        """Empty the memory, for example where the scale of the scores has changed."""
        self.past = None

    def get_extra_state(self):
        """Return the memory, for `state_dict`.

        Returns
        -------
        tuple or None
            Places, groups and masses.
        """
        return None if self.past is None else tuple(x.clone() for x in self.past)

    def set_extra_state(self, state):
        """Take over the memory of a `state_dict`.

        Parameters
        ----------
        state : tuple or None
            What `get_extra_state` returned.
        """
        self.past = None if state is None else Events(*(x.clone() for x in state))

    def extra_repr(self):
        """Show settings that differ from the usual ones, for `print(model)`.

        Returns
        -------
        str
            The settings.
        """
        shown = {"bins": None, "memory": 0, "slack": 0.0, "target": None}
        settings = [f"{n}={getattr(self, n)}" for n, usual in shown.items()
                    if getattr(self, n) != usual]  # fmt: skip
        return ", ".join([f"cost={self.cost!r}", *settings])

    def _value(self, events, factor=None):
        """Sum over columns of the cost between groups; gradients of group k times factor[k]."""
        members, rule, kept = self._members(events)
        places = events.places
        if members is None:
            return (places * 0.0).sum()
        if factor is not None:
            scale = torch.as_tensor(factor, device=places.device).to(places.dtype)[events.group]
            places = scale_gradient(places, scale if places.ndim == 1 else scale[:, None])
        if kept is not None:
            places = places[torch.as_tensor(kept, device=places.device)]
        if places.ndim == 1:
            return self._cost(places, members, rule)
        return torch.stack([self._cost(x, members, rule) for x in places.unbind(1)]).sum()

    def _members(self, events):
        """Groups that count, numbered anew; their rule; and which events they keep, if not all."""
        group = np.ascontiguousarray(events.group.cpu().numpy())
        mass = None if events.mass is None else events.mass.double().cpu().numpy()
        counts = np.bincount(group)
        if mass is None and len(counts) > 1 and counts.min() >= self.min_group_size:
            labels = np.arange(len(counts))  # the usual case, which has to be quick
            return Membership(group, None, None, 1.0 / counts, labels), self._rule(labels), None
        totals = counts if mass is None else np.bincount(group, mass)
        labels = np.flatnonzero((counts >= self.min_group_size) & (totals > 0))
        if len(labels) < 2:
            return None, None, None
        kept = None
        if len(labels) < len(counts):
            number = np.full(len(counts), -1)
            number[labels] = np.arange(len(labels))
            kept = np.flatnonzero(number[group] >= 0)
            group = number[group[kept]]
            mass = None if mass is None else mass[kept]
        if mass is not None:
            mass = mass / totals[labels][group]
        unit = 1.0 / counts[labels] if mass is None else np.ones(len(labels))
        return Membership(group, None, mass, unit, labels), self._rule(labels), kept

    def _rule(self, labels):
        if self.weights is not None:
            return MongeCost.resolve(NAME, self.cost, len(labels), self.weights[labels], self.delta)
        if len(labels) not in self._rules:
            rule = MongeCost.resolve(NAME, self.cost, len(labels), None, self.delta)
            self._rules[len(labels)] = rule
        return self._rules[len(labels)]

    def _cost(self, places, members, rule):
        if self.bins is not None:
            return self._binned_cost(places, members, rule)
        x = places.detach()
        if x.device.type == "cpu":  # by way of NumPy, which is quicker on small arrays
            x = x.numpy()
            value, gradient = solve_events(x.astype(np.float64), members, rule)
            gradient = torch.from_numpy(gradient.astype(x.dtype, copy=False))
        else:
            value, gradient = solve_on_device(x, members, rule)
        return with_gradient(value, [places], [gradient])

    def _binned_cost(self, places, members, rule):
        A = soft_histogram(places, members, self.score_range, self.bins)
        low, high = self.score_range
        centres = np.linspace(low, high, self.bins)
        weights = None if rule.name == "range" else rule.weights
        return mmot_1d(
            A, cost=rule.name, support=centres, weights=weights, delta=self.delta, normalize=True
        ).value

    def _with_memory(self, events):
        """Events of now and before, and how much of a group's mass one of now stands for."""
        if self.past is None:
            return events, None
        places, group, mass = self.past
        if places.shape[1:] != events.places.shape[1:]:
            message = (
                f"{NAME}: `scores` must have the columns of those in memory; got shape "
                f"{tuple(events.places.shape)}; call forget() first."
            )
            raise ValueError(message)
        live = events.masses()
        both = Events(
            torch.cat([events.places, places.to(live)]),
            torch.cat([events.group, group.to(events.group)]),
            torch.cat([live, mass.to(live)]),
        )
        count = len(self.labels)
        here = torch.bincount(events.group, live, count)
        factor = torch.bincount(both.group, both.mass, count) / here
        return both, torch.where(here > 0, factor, 1.0)

    def _remember(self, both):
        """Keep copies of the newest: those of now come first, and the caller may change them."""
        kept = both.places.detach(), both.group, both.masses()
        self.past = Events(*(x[: self.memory].clone() for x in kept))
