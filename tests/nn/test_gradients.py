"""Derivatives of values and plans against finite differences and one another."""

import warnings
from functools import cache

import numpy as np
import pytest
import torch
from torch.autograd import grad, gradcheck, gradgradcheck

import otopt
from otopt.errors import FeasibilityWarning
from otopt.nn import SparseOTLoss, SparseOTMatching, sparse_ot_plan, sparse_ot_value
from otopt.nn._functions import Solution


def draw(seed, n=None, m=None, high=6):
    """A problem whose masses are a softmax: every perturbation stays balanced."""
    rng = np.random.default_rng(seed)
    n, m = (int(rng.integers(3, high)) for _ in range(2)) if n is None else (n, m)
    arrays = 0.5 * rng.normal(size=n), 0.5 * rng.normal(size=m), rng.random((n, m))
    smallest = min(n, 1 + -(-(n + m - 1) // m))  # one above the count: found without a long search
    k = int(rng.integers(smallest, n + 1))
    reg = float(rng.choice([0.1, 1.0, 5.0]))
    return [torch.tensor(x, requires_grad=True) for x in arrays], k, reg


@cache
def solvable(count, start=0, **size):
    """Seeds of problems with a k-sparse plan whose support does not change near by."""
    seeds = []
    seed = start
    while len(seeds) < count:
        (u, v, C), k, reg = draw(seed, **size)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", FeasibilityWarning)
            result = otopt.sparse_ot(u.softmax(0), v.softmax(0), C, k, reg=reg)
        if result.success and float(result.mass[result.rows >= 0].min()) > 1e-3:
            seeds.append(seed)
        seed += 1
    return seeds


def value(u, v, C, k, reg, **kwargs):
    return sparse_ot_value(u.softmax(0), v.softmax(0), C, k, reg=reg, **kwargs)


def functional(u, v, C, k, reg):
    """A smooth function of the plan that no symmetry makes constant."""
    plan = sparse_ot_plan(u.softmax(0), v.softmax(0), C, k, reg=reg).to_dense()
    weights = torch.sin(1.0 + torch.arange(plan.numel(), dtype=plan.dtype)).reshape(plan.shape)
    return (weights * plan).sum() + (plan**2).sum()


@pytest.mark.parametrize("index", range(5))
@pytest.mark.parametrize("function", [value, functional])
def test_gradcheck(function, index):
    inputs, k, reg = draw(solvable(5, high=5)[index], high=5)
    assert gradcheck(lambda *x: function(*x, k, reg), inputs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("function", [value, functional])
def test_second_derivatives(function, index):
    inputs, k, reg = draw(solvable(3, start=100)[index])
    assert gradgradcheck(lambda *x: function(*x, k, reg), inputs, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize("block", range(5))
def test_gradients_match_central_differences_of_sparse_ot(block):
    """50 problems, a quarter of them not certified; along random balanced directions."""
    for seed in solvable(10, start=1000 * (block + 1), high=12):
        (u, v, C), k, reg = draw(seed, high=12)
        rng = np.random.default_rng(seed)
        a, b, C = u.softmax(0).detach().numpy(), v.softmax(0).detach().numpy(), C.detach().numpy()
        da, db, dC = (rng.normal(size=x.shape) for x in (a, b, C))
        da, db = a * (da - a @ da), b * (db - b @ db)
        tensors = [torch.tensor(x, requires_grad=True) for x in (a, b, C)]
        sparse_ot_value(*tensors, k, reg=reg).backward()
        h = 1e-5
        for direction in [(da, 0, 0), (0, db, 0), (0, 0, dC), (da, db, dC)]:
            up, down = (
                otopt.sparse_ot(
                    *(x + s * h * dx for x, dx in zip((a, b, C), direction, strict=True)),
                    k, reg=reg,
                ).value
                for s in (1, -1)
            )  # fmt: skip
            slope = sum(
                float((x.grad.numpy() * dx).sum()) for x, dx in zip(tensors, direction, strict=True)
            )
            assert slope == pytest.approx((up - down) / (2 * h), rel=1e-8, abs=1e-8), seed


def test_both_masses_may_grow():
    """The level of the potentials is right where the total mass changes."""
    (u, v, C), k, reg = draw(solvable(1)[0])
    a, b, C = u.softmax(0).detach(), v.softmax(0).detach(), C.detach()
    scale = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda s: sparse_ot_value(s * a, s * b, C, k, reg=reg), [scale])


def test_the_level_of_the_potentials():
    (u, v, C), k, reg = draw(solvable(1)[0])
    a, b = (x.softmax(0).detach().requires_grad_() for x in (u, v))
    sparse_ot_value(a, b, C, k, reg=reg).backward()
    assert (a @ a.grad).item() == pytest.approx((b @ b.grad).item(), abs=1e-12)
    # Euler: V(ca, cb, C; reg/c) = c V.
    result = otopt.sparse_ot(a.detach(), b.detach(), C.detach(), k, reg=reg)
    quadratic = 0.5 * reg * float((result.mass**2).sum())
    total = (a @ a.grad + b @ b.grad).item()
    assert total == pytest.approx(float(result.value) + quadratic, rel=1e-9)


@pytest.mark.reference
@pytest.mark.parametrize("seed", range(4))
def test_certified_gradients_are_the_potentials_and_the_plan(seed):
    (u, v, C), _, reg = draw(seed)
    a, b, C = (x.detach().requires_grad_() for x in (u.softmax(0), v.softmax(0), C))
    sparse_ot_value(a, b, C, None, reg=reg).backward()
    result = otopt.sparse_ot(*(x.detach() for x in (a, b, C)), None, reg=reg, tol=1e-10)
    assert result.status is otopt.Status.OPTIMAL
    torch.testing.assert_close(C.grad, result.to_plan("dense"), rtol=0, atol=1e-7)
    for x, potential in zip((a, b), result.potentials, strict=True):
        torch.testing.assert_close(
            x.grad - x.grad.mean(), potential - potential.mean(), rtol=0, atol=1e-6
        )


@pytest.mark.parametrize("seed", [3, 4, 5, 6])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_bound_is_differentiable_for_every_k(seed, k):
    """Also where no k-sparse plan exists; central differences of the dual bound."""
    (u, v, C), _, reg = draw(seed, 6, 5)
    reg = 5.0 * reg

    def bound(*x):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FeasibilityWarning)
            return value(*x, k, reg, objective="bound", tol=1e-10)

    grads = grad(bound(u, v, C), [u, v, C])
    rng = np.random.default_rng(seed)
    directions = [torch.tensor(rng.normal(size=x.shape)) for x in (u, v, C)]
    h = 1e-5
    with torch.no_grad():
        up, down = (
            float(bound(*(x + s * h * d for x, d in zip((u, v, C), directions, strict=True))))
            for s in (1, -1)
        )
    slope = sum(float((g * d).sum()) for g, d in zip(grads, directions, strict=True))
    assert slope == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-5)


def test_the_bound_has_no_second_derivative():
    (u, v, C), _, reg = draw(3, 6, 5)
    (first,) = grad(value(u, v, C, 4, reg, objective="bound"), [C], create_graph=True)
    with pytest.raises(NotImplementedError, match="objective='value'"):
        first.square().sum().backward()


@pytest.mark.parametrize("seed", range(3))
def test_linear_programmes(seed):
    """reg = 0: values are differentiable, the plan follows the masses and not the cost."""
    inputs, _, _ = draw(seed)
    assert gradcheck(lambda *x: value(*x, None, 0.0), inputs, atol=1e-6)
    *_, by_cost = grad(functional(*inputs, None, 0.0), inputs)
    assert not by_cost.any()
    u, v, C = inputs
    assert gradcheck(lambda u, v: functional(u, v, C.detach(), None, 0.0), (u, v), atol=1e-6)


def test_support_in_several_parts():
    """Two separate markets: a move of mass between them is projected out of the plan's answer."""
    C = torch.tensor([[0.0, 9.0], [9.0, 0.0]], dtype=torch.float64, requires_grad=True)
    a, b = (torch.tensor([0.5, 0.5], dtype=torch.float64, requires_grad=True) for _ in range(2))
    plan = sparse_ot_plan(a, b, C, 1, reg=1.0)
    plan.mass.sum().backward()
    torch.testing.assert_close(a.grad, torch.tensor([0.5, 0.5], dtype=torch.float64))
    torch.testing.assert_close(b.grad, torch.tensor([0.5, 0.5], dtype=torch.float64))
    assert not C.grad.any()  # one edge a part: no cycle for mass to move along


def test_ties_give_one_of_the_one_sided_derivatives():
    """At a kink of the value, both orders of the rows are optimal."""
    weights = torch.full((2,), 0.5, dtype=torch.float64)
    C = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    sparse_ot_value(weights, weights, C, 1, reg=1.0).backward()
    straight = 0.5 * torch.eye(2, dtype=torch.float64)
    assert torch.equal(C.grad, straight) or torch.equal(C.grad, straight.flip(0))


def test_masses_of_zero():
    """The price of the cheapest entry, by which the value rises with the first bit of mass."""
    rng = np.random.default_rng(0)
    C = torch.tensor(rng.random((4, 3)))
    a = torch.tensor([0.0, 0.3, 0.3, 0.4], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    sparse_ot_value(a, b, C, None, reg=1.0).backward()
    h = 1e-7
    moved = a.detach() + h * torch.tensor([1.0, 0.0, 0.0, -1.0])
    slope = (otopt.sparse_ot(moved, b, C, None, reg=1.0).value
             - otopt.sparse_ot(a.detach(), b, C, None, reg=1.0).value) / h  # fmt: skip
    assert float(a.grad[0] - a.grad[3]) == pytest.approx(float(slope), abs=1e-5)
    plan = sparse_ot_plan(a, b, C, None, reg=1.0)
    (by_mass,) = grad(plan.mass.square().sum(), [a])
    assert by_mass[0] == 0


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
def test_point_clouds(metric):
    rng = np.random.default_rng(1)
    x, y = (torch.tensor(rng.normal(size=(size, 3)), requires_grad=True) for size in (7, 6))
    loss = SparseOTLoss(3, reg=1.0, metric=metric)
    assert gradcheck(loss, (x, y), atol=1e-6)
    assert gradgradcheck(loss, (x, y), atol=1e-5, fast_mode=True)
    matching = SparseOTMatching(3, reg=1.0, metric=metric)
    weights = torch.tensor(rng.random((7, 6)))
    assert gradcheck(lambda x, y: (matching(x, y).to_dense() * weights).sum(), (x, y), atol=1e-6)


def test_points_and_their_cost_matrix_agree():
    rng = np.random.default_rng(2)
    x, y = (torch.tensor(rng.normal(size=(size, 2)), requires_grad=True) for size in (8, 8))
    weights = torch.full((8,), 0.125, dtype=torch.float64)
    by_points = SparseOTLoss(2, reg=1.0, metric="sqeuclidean")(x, y)
    C = (x[:, None] - y).square().sum(dim=-1)
    by_cost = SparseOTLoss(2, reg=1.0)(weights, weights, C)
    torch.testing.assert_close(by_points, by_cost)
    for one, two in zip(grad(by_points, [x, y]), grad(by_cost, [x, y]), strict=True):
        torch.testing.assert_close(one, two)


def test_masses_are_exact_on_the_support():
    """The layer's masses solve the optimality system: marginals and prices to the last digit."""
    for seed in solvable(5):
        (u, v, C), k, reg = draw(seed)
        a, b, C = u.softmax(0).detach(), v.softmax(0).detach(), C.detach()
        plan = sparse_ot_plan(a, b, C, k, reg=reg)
        dense = plan.to_dense()
        torch.testing.assert_close(dense.sum(1), a, rtol=0, atol=1e-14)
        torch.testing.assert_close(dense.sum(0), b, rtol=0, atol=1e-14)
        solution = Solution.of_plan(plan.results[0])
        cost = C[solution.graph.rows, solution.graph.columns]
        alpha, beta, _ = solution.optimality(a, b, cost)
        support = dense > 0
        priced = (alpha[:, None] + beta - C) / reg
        torch.testing.assert_close(priced[support], dense[support], rtol=0, atol=1e-11)


@pytest.mark.parametrize("reg", [1e-5, 1e-10])
def test_small_regularisation_loses_no_digits(reg):
    for seed in range(5):
        (u, v, C), *_ = draw(seed, 30, 20)
        a, b = u.softmax(0).detach(), v.softmax(0).detach()
        dense = sparse_ot_plan(a, b, C.detach(), 5, reg=reg).to_dense()
        torch.testing.assert_close(dense.sum(1), a, rtol=0, atol=1e-14)
        torch.testing.assert_close(dense.sum(0), b, rtol=0, atol=1e-14)
