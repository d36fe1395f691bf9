"""The value of exact transport as a differentiable function."""

import numpy as np
import pytest
import torch

import otopt
from otopt.nn import emd_value


def problem(seed, n=7, m=5):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.full(n, 3.0)), rng.dirichlet(np.full(m, 3.0))
    return tuple(torch.tensor(x, requires_grad=True) for x in (a, b, rng.random((n, m))))


def balanced(a, b, C):
    """Masses of free parameters: only directions that keep the balance exist."""
    return emd_value(a, b * (a.sum() / b.sum()), C)


@pytest.mark.parametrize("seed", range(5))
def test_gradcheck(seed):
    torch.autograd.gradcheck(balanced, problem(seed), eps=1e-7, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("seed", range(50))
def test_gradient_matches_central_differences(seed):
    a, b, C = problem(seed, 9, 6)
    gradients = torch.autograd.grad(balanced(a, b, C), (a, b, C))
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for index, gradient in enumerate(gradients):
            step = torch.randn(gradient.shape, generator=rng, dtype=torch.float64)
            step *= 1e-7
            plus, minus = [a, b, C], [a, b, C]
            plus[index], minus[index] = plus[index] + step, minus[index] - step
            measured = (balanced(*plus) - balanced(*minus)) / 2
            assert float(measured) == pytest.approx(float((gradient * step).sum()), abs=1e-13)


def test_the_gradient_is_the_solution():
    a, b, C = problem(0)
    emd_value(a, b, C).backward()
    result = otopt.emd(*(x.detach() for x in (a, b, C)))
    torch.testing.assert_close(C.grad, result.plan.to_dense(), rtol=0, atol=1e-15)
    u, v = result.potentials
    assert float((a.grad - u).std()) < 1e-13
    assert float((b.grad - v).std()) < 1e-13
    sides = (x.detach() @ x.grad for x in (a, b))
    torch.testing.assert_close(*sides, rtol=0, atol=1e-13)


def test_half_precision_and_batches():
    a, b, C = (x.detach() for x in problem(1))
    costs = torch.stack([C, 2 * C]).requires_grad_()
    values = emd_value(a, b, costs)
    assert values.shape == (2,)
    assert float(values.detach()[1]) == pytest.approx(2 * float(values.detach()[0]), rel=1e-12)
    values.sum().backward()
    torch.testing.assert_close(costs.grad[0], costs.grad[1])
    low = emd_value(a.float(), b.float(), C.bfloat16())
    assert low.dtype is torch.float32
    assert float(low) == pytest.approx(float(values[0].detach()), rel=1e-2)


def test_a_value_that_is_not_optimal_is_not_differentiated():
    a, b, C = problem(2, 60, 60)
    with pytest.raises(otopt.errors.NotConvergedError, match=r"^emd_value: "):
        emd_value(a, b, C, maxiter=1)
    costs = torch.stack([torch.zeros(60, 60, dtype=torch.float64), C.detach()])
    with pytest.raises(otopt.errors.NotConvergedError, match=r"problem \[1\] of the batch: "):
        emd_value(a, b, costs, maxiter=100)
