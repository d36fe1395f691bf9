"""Gradients of entropic transport against finite differences and definitions."""

import numpy as np
import pytest
import torch

import otopt
from otopt.nn import sinkhorn_plan, sinkhorn_value

TOL = 1e-13


def problem(seed=0, n=5, m=6, zeros=False):
    rng = np.random.default_rng(seed)
    a, b = rng.random(n) + 0.2, rng.random(m) + 0.2
    if zeros:
        a[1] = b[2] = 0.0
    a, b = a / a.sum(), b / b.sum()
    tensors = [torch.from_numpy(x) for x in (a, b, rng.random((n, m)))]
    return [x.requires_grad_() for x in tensors]


def balanced(a, b):
    """Masses of equal sum as functions of free numbers: the constraint is differentiated too."""
    return a * 1.0, b * (a.sum() / b.sum())


@pytest.mark.parametrize("reg", [0.05, 0.5])
@pytest.mark.parametrize("zeros", [False, True])
def test_value_against_finite_differences(reg, zeros):
    a, b, C = problem(zeros=zeros)
    reg = torch.tensor(reg, dtype=torch.float64, requires_grad=True)

    def value(a, b, C, reg):
        return sinkhorn_value(*balanced(a, b), C, reg=reg, tol=TOL)

    leaves = (C, reg) if zeros else (a, b, C, reg)
    function = (lambda C, reg: value(a, b, C, reg)) if zeros else value
    assert torch.autograd.gradcheck(function, leaves, eps=1e-5, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("reg", [0.1, 0.5])
@pytest.mark.parametrize("zeros", [False, True])
def test_plan_against_finite_differences(reg, zeros):
    a, b, C = problem(1, zeros=zeros)
    weights = torch.from_numpy(np.random.default_rng(2).normal(size=C.shape))
    reg = torch.tensor(reg, dtype=torch.float64, requires_grad=True)

    def functional(a, b, C, reg):
        plan = sinkhorn_plan(*balanced(a, b), C, reg=reg, tol=TOL)
        return (weights * plan).sum(), (plan**2).sum()

    leaves = (C, reg) if zeros else (a, b, C, reg)
    function = (lambda C, reg: functional(a, b, C, reg)) if zeros else functional
    assert torch.autograd.gradcheck(function, leaves, eps=1e-5, atol=1e-6, rtol=1e-6)


def test_masses_that_are_zero_have_one_sided_gradients():
    a, b, C = problem(3, zeros=True)
    weights = torch.from_numpy(np.random.default_rng(4).normal(size=C.shape))

    def functionals(a, b):
        masses = balanced(a, b)
        plan = sinkhorn_plan(*masses, C, reg=0.3, tol=TOL)
        return torch.stack([(weights * plan).sum(), sinkhorn_value(*masses, C, reg=0.3, tol=TOL)])

    for k in range(2):
        gradients = torch.autograd.grad(functionals(a, b)[k], (a, b))
        h = 1e-6
        for which, index in ((0, 1), (1, 2)):
            moved = [a.detach().clone(), b.detach().clone()]
            moved[which][index] += h
            found = (functionals(*moved)[k] - functionals(a, b)[k]) / h
            assert gradients[which][index].item() == pytest.approx(found.item(), abs=2e-5)


def test_value_by_cost_is_the_plan_and_by_masses_the_potentials():
    a, b, C = problem(5)
    result = otopt.sinkhorn(*(x.detach().numpy() for x in (a, b, C)), reg=0.1)
    value = sinkhorn_value(a, b, C, reg=0.1)
    value.backward()
    assert value.item() == result.value
    np.testing.assert_array_equal(C.grad, result.plan)
    np.testing.assert_array_equal(a.grad, result.potentials.source)
    np.testing.assert_array_equal(b.grad, result.potentials.target)


@pytest.mark.parametrize("function", [sinkhorn_value, sinkhorn_plan])
def test_dtype_is_kept(function):
    a, b, C = (x.detach().float() for x in problem(6))
    C.requires_grad_()
    out = function(a, b, C, reg=0.1)
    assert out.dtype == torch.float32
    out.sum().backward()
    assert C.grad.dtype == torch.float32
    assert torch.isfinite(C.grad).all()


def test_small_regularisation_has_finite_gradients():
    a, b, C = problem(7, 40, 30)
    plan = sinkhorn_plan(a, b, C, reg=1e-3)
    (plan * C.detach() ** 2).sum().backward()
    assert all(torch.isfinite(x.grad).all() for x in (a, b, C))


def test_bad_input_is_refused_as_in_numpy():
    a, b, C = problem(8)
    with pytest.raises(ValueError, match="`reg`"):
        sinkhorn_value(a, b, C, reg=0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_cost_that_changes_before_the_backward_pass_is_refused(dtype):
    a, b, C = (x.detach().to(dtype) for x in problem(9))
    leaf = C.requires_grad_()
    cost = leaf * 1.0
    value = sinkhorn_value(a, b, cost, reg=0.1)
    with torch.no_grad():
        cost.mul_(0.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.backward()


def test_a_plan_that_changes_leaves_its_gradient():
    a, b, C = problem(9)
    weights = torch.from_numpy(np.random.default_rng(1).normal(size=C.shape))
    (expected,) = torch.autograd.grad((2 * weights * sinkhorn_plan(a, b, C, reg=0.1)).sum(), C)
    plan = sinkhorn_plan(a, b, C, reg=0.1)
    plan.mul_(2.0)
    (found,) = torch.autograd.grad((weights * plan).sum(), C)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("function", [sinkhorn_value, sinkhorn_plan])
@pytest.mark.parametrize("name", ["marginal_penalty", "metric", "warm_start", "tolerance"])
def test_settings_that_would_change_the_derivatives_are_refused(function, name):
    a, b, C = problem(10)
    with pytest.raises(TypeError, match=rf"{function.__name__}\(\) got an unexpected .*'{name}'"):
        function(a, b, C, reg=0.1, **{name: None})


@pytest.mark.parametrize("function", [sinkhorn_value, sinkhorn_plan])
def test_settings_reach_the_solver(function):
    a, b, C = problem(10)
    seen = []
    settings = {"tol": 1e-3, "maxiter": 50, "workers": 2, "options": {"anneal_factor": 3.0}}
    function(a, b, C, reg=0.1, callback=seen.append, **settings)
    assert 1e-9 < seen[-1].marginal_error <= 1e-3
    with pytest.raises(ValueError, match="`maxiter`"):
        function(a, b, C, reg=0.1, maxiter=0)
    with pytest.raises(ValueError, match="`workers`"):
        function(a, b, C, reg=0.1, workers=0)
    with pytest.raises(TypeError, match="anneal_factor"):
        function(a, b, C, reg=0.1, options={"anneal_facto": 3.0})
