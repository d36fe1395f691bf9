"""mmot_1d on tensors: the same numbers, dtypes kept, and the dual as gradient."""

import numpy as np
import pytest
import torch

import otopt
from otopt._oracles.monge import COSTS
from otopt.ot._multimarginal_torch import solve_tensors

RNG = np.random.default_rng(0)
A = RNG.dirichlet(np.ones(7), (3, 4)).swapaxes(-1, -2)
X = RNG.normal(size=7)


@pytest.mark.parametrize("cost", COSTS)
def test_value_dual_and_gradient(cost):
    expected = otopt.mmot_1d(A, cost=cost, support=X)
    for dtype, tolerance in ((torch.float64, 1e-13), (torch.float32, 1e-5)):
        tensor = torch.tensor(A, dtype=dtype, requires_grad=True)
        result = otopt.mmot_1d(tensor, cost=cost, support=X)
        assert result.value.dtype == result.dual.dtype == dtype
        np.testing.assert_allclose(result.value.detach(), expected.value, rtol=tolerance)
        np.testing.assert_allclose(result.dual, expected.dual, atol=10 * tolerance)
        outer = torch.tensor([1.0, 2.0, -3.0], dtype=dtype)
        (result.value * outer).sum().backward()
        assert torch.equal(tensor.grad, result.dual * outer[:, None, None])
        assert result.gap <= 10 * tolerance
        np.testing.assert_allclose(result.plan.mass.sum(axis=-1), 1, atol=1e-6)


@pytest.mark.parametrize("cost", COSTS)
def test_gradcheck_through_a_softmax(cost):
    logits = torch.tensor(RNG.normal(size=(2, 5, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda z: otopt.mmot_1d(z.softmax(-2), cost=cost, support=X[:5]).value, logits
    )


def test_gradcheck_through_normalisation_and_a_list():
    masses = torch.tensor(RNG.uniform(0.5, 1, (5, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: otopt.mmot_1d(a, normalize=True).value, masses)
    parts = [torch.tensor(RNG.uniform(0.5, 1, n), requires_grad=True) for n in (3, 1, 4)]
    supports = [RNG.normal(size=n) for n in (3, 1, 4)]
    for cost in COSTS:
        assert torch.autograd.gradcheck(
            lambda *a, cost=cost: (
                otopt.mmot_1d(list(a), cost=cost, support=supports, normalize=True).value
            ),
            tuple(parts),
        )


@pytest.mark.parametrize("cost", COSTS)
def test_device_code_gives_the_same(cost):
    """What runs on a GPU, run on the CPU."""
    for support in (None, X, torch.tensor(X)):
        tensor = torch.tensor(A, requires_grad=True)
        value, dual = solve_tensors(tensor, cost, support, None, 1.0, False, on_device=True)
        expected = otopt.mmot_1d(A, cost=cost, support=support)
        np.testing.assert_allclose(value.detach(), expected.value, rtol=1e-12)
        np.testing.assert_allclose(dual, expected.dual, atol=1e-12)
        value.sum().backward()
        assert torch.equal(tensor.grad, dual)
    listed = [torch.tensor(a) for a in A[0].T]
    value, dual = solve_tensors(listed, cost, [X] * 4, None, 1.0, False, on_device=True)
    expected = otopt.mmot_1d(list(A[0].T), cost=cost, support=[X] * 4)
    assert value.item() == pytest.approx(expected.value, rel=1e-12)
    paired = sum(float(a @ z) for a, z in zip(listed, dual, strict=True))
    assert paired == pytest.approx(expected.value, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "text"),
    [(lambda a: a * 2 * torch.eye(4)[0], "positive"), (lambda a: -a, "non-negative"),
     (lambda a: a * torch.nan, "finite"), (lambda a: a[..., :0], "`A` must have shape"),
     (lambda a: a * torch.arange(1, 5), "equal sums"), (lambda a: a.int(), "floating-point")],
)  # fmt: skip
def test_bad_tensors_are_refused_on_every_device(change, text):
    for on_device in (False, True):
        with pytest.raises((TypeError, ValueError), match=f"^mmot_1d: .*{text}"):
            solve_tensors(
                change(torch.tensor(A)), "range", None, None, 1.0, False, on_device=on_device
            )


def test_a_callable_sees_tensors():
    def squared_range(X):
        assert isinstance(X, torch.Tensor)
        return (X.amax(-1) - X.amin(-1)) ** 2

    tensor = torch.tensor(A, requires_grad=True)
    result = otopt.mmot_1d(tensor, cost=squared_range)
    expected = otopt.mmot_1d(A, cost=lambda X: np.ptp(X, axis=-1) ** 2)
    np.testing.assert_allclose(result.value.detach(), expected.value, rtol=1e-12)
    np.testing.assert_allclose(result.dual, expected.dual, atol=1e-12)


@pytest.mark.gpu
@pytest.mark.parametrize("cost", COSTS)
def test_on_a_gpu(cost):
    tensor = torch.tensor(A, device="cuda", requires_grad=True)
    result = otopt.mmot_1d(tensor, cost=cost, support=X)
    expected = otopt.mmot_1d(A, cost=cost, support=X)
    assert result.value.device == result.dual.device == tensor.device
    np.testing.assert_allclose(result.value.detach().cpu(), expected.value, rtol=1e-12)
    result.value.sum().backward()
    assert torch.equal(tensor.grad, result.dual)
    x, g = (
        torch.rand(500, device="cuda", dtype=torch.float64, requires_grad=True),
        np.arange(500) % 7,
    )
    samples = otopt.mmot_samples(x, g, cost=cost)
    host = otopt.mmot_samples(x.detach().cpu(), g, cost=cost)
    assert samples.value.item() == pytest.approx(host.value.item(), rel=1e-12)
    np.testing.assert_allclose(samples.gradient.cpu(), host.gradient, atol=1e-12)
