"""Multi-marginal kernels: numba and torch against the plain NumPy reading."""

import functools

import numpy as np
import pytest
import torch

from otopt._kernels import numba_line, reference_line
from otopt._kernels import torch_line as on_torch
from otopt._kernels.monge_costs import (
    HUBER,
    MEDIAN,
    PAIRWISE_L1,
    RANGE,
    VARIANCE,
    monge_cost,
    monge_slope,
)

CUTS, SWEPT = (RANGE, PAIRWISE_L1, MEDIAN), (VARIANCE, HUBER)
SEEDS = range(12)


def histograms(seed):
    """Masses (n, d) with empty bins, gaps with repeated places, weights."""
    rng = np.random.default_rng(seed)
    n, d = rng.integers(1, 8), rng.integers(1, 6)
    A = rng.dirichlet(np.full(n, 0.5), d).T * (rng.random((n, d)) < 0.6)
    A[rng.integers(n)] += 0.1
    gaps = rng.random(n - 1) * (rng.random(n - 1) < 0.8)
    return np.ascontiguousarray(A / A.sum(axis=0)), gaps, rng.random(d) + 0.1


def flat(seed):
    """The same as places, CDFs and so on, marginal after marginal."""
    A, gaps, w = histograms(seed)
    n, d = A.shape
    x = np.tile(np.concatenate([[0.0], np.cumsum(gaps)]), d)
    masses, cdf = A.T.ravel().copy(), np.minimum(np.cumsum(A, axis=0).T.ravel(), 1.0)
    return x, np.arange(d + 1) * n, np.repeat(np.arange(d), n), masses, cdf, w


def as_tensors(*arrays):
    return [torch.as_tensor(x) for x in arrays]


def test_range_grid():
    for seed in SEEDS:
        A, gaps, w = histograms(seed)
        expected, _ = reference_line.lovasz_grid(RANGE, A, gaps, w)
        for kernels in (numba_line, reference_line):
            dual = np.empty(A.shape)
            assert kernels.range_grid(A, gaps, dual) == pytest.approx(expected, abs=1e-14)
            assert (A * dual).sum() == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("kernels", [numba_line, reference_line])
def test_range_grid_says_nan_where_a_rule_is_broken(kernels):
    good = np.array([[0.5, 0.25], [0.5, 0.75]])
    for bad in (
        good * [1, 2], good * 0, good * np.inf, np.array([[-0.5, 0.25], [1.5, 0.75]]),
        np.array([[0.5, 0.25], [np.nan, 0.75]]), np.array([[1.5, 0.25], [-0.5, 0.75]]), good[:0],
    ):  # fmt: skip
        assert np.isnan(kernels.range_grid(bad, None, np.empty(bad.shape)))


@pytest.mark.parametrize("kind", CUTS)
def test_lovasz_grid(kind):
    for seed in SEEDS:
        A, gaps, w = histograms(seed)
        value, dual = reference_line.lovasz_grid(kind, A[None], gaps, w)
        fast, fast_dual = numba_line.lovasz_grid(kind, A[None], gaps, w)
        tensor, tensor_dual = on_torch.lovasz_grid(kind, *as_tensors(A, gaps, w))
        for v, z in (
            (value, dual),
            (fast, fast_dual),
            (tensor[None].numpy(), tensor_dual[None].numpy()),
        ):
            assert v == pytest.approx(value, abs=1e-14)
            assert (A * z[0]).sum() == pytest.approx(value[0], abs=1e-14)
            assert (z[0, 0] == 0).all()


@pytest.mark.parametrize("kind", CUTS)
@pytest.mark.parametrize("with_mass", [True, False])
def test_lovasz_pooled(kind, with_mass):
    for seed in SEEDS:
        x, start, group, masses, _, w = flat(seed)
        unit = np.ones(len(w)) if with_mass else 1 / np.diff(start)
        mass = masses if with_mass else None
        order = np.random.default_rng(seed).permutation(len(x))
        args = x[order], group[order], None if mass is None else mass[order], unit, w
        value, grad, dual = reference_line.lovasz_pooled(kind, *args, True)
        fast, fast_grad, fast_dual = numba_line.lovasz_pooled(kind, *args, True)
        tensors = [None if a is None else torch.as_tensor(a) for a in args]
        tensor, tensor_grad, _ = on_torch.lovasz_pooled(kind, *tensors)
        assert fast == pytest.approx(value, abs=1e-13)
        assert tensor.item() == pytest.approx(value, abs=1e-13)
        np.testing.assert_allclose(fast_grad, grad, atol=1e-13)
        np.testing.assert_allclose(tensor_grad.numpy(), grad, atol=1e-13)
        carried = unit[args[1]] if mass is None else args[2]
        assert dual @ carried == pytest.approx(value, abs=1e-13)
        assert fast_dual @ carried == pytest.approx(value, abs=1e-13)
        assert numba_line.lovasz_pooled(kind, *args)[2] is None


@pytest.mark.parametrize("kind", SWEPT)
def test_sweep(kind):
    for seed in SEEDS:
        x, start, _, masses, cdf, w = flat(seed)
        value, dual, grad = reference_line.sweep(kind, x, start, cdf, w, 0.3, 1.0)
        fast, fast_dual, fast_grad = numba_line.sweep(kind, x, start, cdf, w, 0.3, 1.0)
        places, levels, weights, one = as_tensors(x, cdf, w, 1.0)
        cost = functools.partial(monge_cost, kind, w=weights, delta=0.3)
        tensor, tensor_dual, tensor_grad = on_torch.path_sweep(
            cost, places, start, levels, one.double(), True
        )
        for v, z, g in (
            (value, dual, grad), (fast, fast_dual, fast_grad),
            (tensor.item(), tensor_dual.numpy(), tensor_grad.numpy()),
        ):  # fmt: skip
            assert v == pytest.approx(value, abs=1e-13)
            assert z @ masses == pytest.approx(value, abs=1e-13)
            np.testing.assert_allclose(g, grad, atol=1e-12)


@pytest.mark.parametrize("kind", [*CUTS, *SWEPT])
def test_slopes_are_those_of_the_costs_for_both_libraries(kind):
    rng = np.random.default_rng(kind)
    X, w, h = rng.normal(size=(20, 4)), rng.random(4) + 0.1, 1e-6
    slope = monge_slope(kind, X, w, 0.5)
    for k in range(4):
        step = h * np.eye(4)[k]
        numeric = monge_cost(kind, X + step, w, 0.5) - monge_cost(kind, X - step, w, 0.5)
        np.testing.assert_allclose(numeric / (2 * h), slope[:, k], atol=1e-8)
    places, weights = as_tensors(X, w)
    np.testing.assert_allclose(monge_cost(kind, places, weights, 0.5), monge_cost(kind, X, w, 0.5))
    np.testing.assert_allclose(monge_slope(kind, places, weights, 0.5), slope)


def test_gradients_of_known_numbers_reach_their_inputs():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.ones(2, 3, requires_grad=True)
    value = on_torch.with_gradient(torch.tensor([5.0, 7.0]), [y], [torch.full((2, 3), 2.0)])
    (value * torch.tensor([1.0, 10.0])).sum().backward()
    assert y.grad.tolist() == [[2.0] * 3, [20.0] * 3]
    assert value.tolist() == [5.0, 7.0]
    number = on_torch.with_gradient(3.0, [x], [torch.tensor([4.0, 6.0])])
    (number * number).backward()
    assert x.grad.tolist() == [24.0, 36.0]
    (first,) = torch.autograd.grad(on_torch.with_gradient(3.0, [x], [x.detach()]), x,
                                   create_graph=True)  # fmt: skip
    with pytest.raises(RuntimeError):
        first.sum().backward()  # a second derivative is not pretended
