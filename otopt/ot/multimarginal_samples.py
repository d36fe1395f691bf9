"""Multi-marginal optimal transport between samples on a line: no histogram, exact gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from otopt._backend import as_numpy, is_tensor, torch_kernels, torch_module
from otopt._core.validation import as_array, as_floats
from otopt._oracles.monge import MongeCost

from ._groups import read_membership
from ._multimarginal_samples import solve_on_device, solve_samples
from .multimarginal_result import MMOTSamplesResult

__all__ = ["mmot_samples"]

NAME = "mmot_samples"


def mmot_samples(x, groups=None, *, cost="range", sample_weight=None, weights=None, delta=1.0):
    r"""Multi-marginal transport between groups of samples on a line, with its gradient.

    .. math:: \phi = \int_0^1 c\big(Q_1(u), \dots, Q_d(u)\big)\, du

    where :math:`Q_k` is the quantile function of group k. For two groups and the cost "range" it is
    the Wasserstein distance; for any number of groups of scores in [0, 1] and that cost it is the
    largest difference between the shares of groups above a threshold, averaged over thresholds.

    Parameters
    ----------
    x : array_like or tensor, shape (N,), or list of vectors
        The samples; a list without `groups` holds one vector for each group, none empty.
    groups : array_like or tensor, shape (N,) or (N, d), optional
        Labels (integers, strings, anything that sorts, none missing), or shares of each sample in d
        groups: one-hot or soft, >= 0, of any column sums. Groups without samples are left out.
    cost : str or callable
        As in `mmot_1d`; a callable needs tensors, whose gradients it inherits.
    sample_weight : array_like, shape (N,), optional
        Weights >= 0 of the samples; in a group only their ratios count.
    weights : array_like, shape (d,), optional
        As in `mmot_1d`: one for each group that has samples, by ascending label.
    delta : float
        As in `mmot_1d`.

    Returns
    -------
    MMOTSamplesResult
        `value`, `gradient` (shaped as `x`) and `groups`. For a tensor ``value.backward()`` gives
        `x` the gradient; both have its dtype, but float16 and bfloat16 become float32.

    Raises
    ------
    ValueError, TypeError
        For NaN or infinite samples, missing labels, empty groups in a list, negative weights or
        shares, groups of zero weight, and a callable that is not Monge on the samples.

    Notes
    -----
    For "range", "pairwise_l1" and "median", with the samples sorted and the groups' CDFs F after
    the r-th, :math:`\phi = \sum_r (x_{(r+1)} - x_{(r)})\, c(F_r)`: one sort and one pass. Other
    costs sort the groups and merge their quantile functions.

    :math:`\phi` is piecewise smooth in the samples. Where samples tie the gradient is the mean over
    two neighbouring pieces (the groups at that place moved apart in ascending and in descending
    order of their labels), and samples of one group at one place share it by weight: it does not
    depend on the order of the samples, and sums to zero. If everything ties, "range" gives zero.
    One group, or one place, gives zero.

    There is no certificate in the result. `mmot_1d` with every sample as a bin of its own has the
    same value, and a dual that proves it.

    References
    ----------
    .. [1] R. Mehta, J. Kline, V. S. Lokhande, G. Fung, V. Singh, "Efficient Discrete
       Multi-Marginal Optimal Transport Regularization", ICLR 2023.

    Examples
    --------
    >>> import otopt
    >>> result = otopt.mmot_samples([0.1, 0.4, 0.5, 0.9], ["a", "b", "a", "b"])
    >>> round(result.value, 6)
    0.35
    >>> result.gradient
    array([-0.5,  0.5, -0.5,  0.5])
    """
    parts = None
    if groups is None:
        x, groups, parts = _join(x)
    places = as_floats(NAME, "x", as_numpy(x))
    if places.ndim != 1 or len(places) == 0:
        message = f"{NAME}: `x` must be a non-empty vector of samples; got shape {places.shape}."
        raise ValueError(message)
    if not np.isfinite(places).all():
        message = f"{NAME}: `x` must be finite; got {places[~np.isfinite(places)][0]}."
        raise ValueError(message)
    members = read_membership(NAME, as_numpy(groups), len(places), as_numpy(sample_weight))
    rule = MongeCost.resolve(NAME, cost, len(members.labels), as_numpy(weights), delta)
    if is_tensor(x):
        value, gradient = _solve_tensor(x, places, members, rule)
    else:
        if rule.function is not None:
            message = (
                f"{NAME}: a callable `cost` needs tensors, whose gradient it inherits; got arrays; "
                "pass torch.as_tensor(x), or mmot_1d for the value alone."
            )
            raise TypeError(message)
        value, gradient = solve_samples(places, members, rule)
    if parts is not None:
        gradient = _split(gradient, parts)
    return MMOTSamplesResult(value, gradient, members.labels)


def _join(x):
    if not isinstance(x, (list, tuple)) or any(np.ndim(as_numpy(part)) != 1 for part in x):
        message = (
            f"{NAME}: without `groups`, `x` must be a list with one vector of samples for each "
            f"group; got {type(x).__name__}."
        )
        raise ValueError(message)
    sizes = [len(part) for part in x]
    if not sizes or min(sizes) == 0:
        message = f"{NAME}: `x` must hold no empty group; got sizes {sizes}; leave those out."
        raise ValueError(message)
    if any(is_tensor(part) for part in x):
        torch = torch_module()

        joined = torch.cat(list(x))
    else:
        joined = np.concatenate([as_array(NAME, "x", part) for part in x])
    return joined, np.repeat(np.arange(len(sizes)), sizes), sizes


def _split(gradient: Any, parts):
    if is_tensor(gradient):
        return list(gradient.split(parts))
    return np.split(gradient, np.cumsum(parts)[:-1])


def _solve_tensor(x, places, members, rule):
    """Value, attached to x, and gradient; named costs on the CPU run in numba."""
    torch = torch_module()
    like = x.detach()
    like = like if like.dtype in (torch.float32, torch.float64) else like.float()
    if like.device.type == "cpu" and rule.function is None:
        value, gradient = solve_samples(places, members, rule)
    elif members.sample is None:
        value, gradient = solve_on_device(like, members, rule)
    else:
        sample = torch.as_tensor(members.sample, device=like.device)
        value, events = solve_on_device(like[sample], members, rule)
        gradient = torch.zeros_like(like).index_add_(0, sample, events)
    value = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    gradient = torch.as_tensor(gradient, device=like.device).to(like.dtype)
    return torch_kernels("line").with_gradient(value, [x], [gradient]), gradient
