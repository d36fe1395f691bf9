"""emd, assignment and sinkhorn on torch tensors: the NumPy answer, in tensors."""

import numpy as np
import pytest
import torch

import otopt

RNG = np.random.default_rng(0)
N, M = 12, 9
A, B, COST = RNG.dirichlet(np.full(N, 3.0)), RNG.dirichlet(np.full(M, 3.0)), RNG.random((N, M))


def tensors(*arrays, dtype=torch.float64):
    return tuple(torch.tensor(x, dtype=dtype) for x in arrays)


def assert_same(tensor, array, dtype=torch.float64):
    """Bit for bit, up to the rounding to `dtype`."""
    assert tensor.dtype is dtype
    expected = torch.as_tensor(array, dtype=dtype)
    torch.testing.assert_close(tensor, expected, rtol=0, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_emd(dtype):
    given = tensors(A, B, COST, dtype=dtype)
    result, judge = otopt.emd(*given), otopt.emd(*(x.numpy() for x in given))
    assert (result.status, result.gap) == (judge.status, judge.gap)
    assert_same(result.value, judge.value, dtype)
    assert_same(result.mass, judge.mass, dtype)
    assert_same(result.rows, judge.rows, torch.int64)
    assert_same(result.plan.to_dense(), judge.plan.toarray(), dtype)
    for x, y in zip(result.potentials, judge.potentials, strict=True):
        assert_same(x, y, dtype)
    again = otopt.emd(*given, warm_start=result)
    assert_same(again.value, judge.value, dtype)


def test_a_warm_start_in_tensors_still_proves_its_plan():
    given = tensors(A, B, COST)
    again = otopt.emd(*given, warm_start=otopt.emd(*given))
    assert again.method == "warm start, certified"
    assert again.nit == 0


def test_assignment():
    C = torch.tensor(RNG.random((8, 8)))
    result = otopt.assignment(C)
    assert_same(result.permutation, otopt.assignment(C.numpy()).permutation, torch.int64)
    assert C[torch.arange(8), result.permutation].sum() == pytest.approx(float(result.value))


def test_batches():
    costs = torch.tensor(RNG.random((3, N, M)))
    a, b = tensors(A, B)
    batch = otopt.emd_batch(a, b, costs)
    for result, C in zip(batch, costs, strict=True):
        assert_same(result.plan.to_dense(), otopt.emd(a, b, C).plan.to_dense())
    entropic = otopt.sinkhorn_batch(a, b, costs, reg=0.1)
    judge = otopt.sinkhorn_batch(A, B, costs.numpy(), reg=0.1)
    assert_same(entropic.value, judge.value)
    assert_same(entropic.plan, judge.plan)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_sinkhorn(dtype):
    given = tensors(A, B, COST, dtype=dtype)
    result = otopt.sinkhorn(*given, reg=0.05)
    judge = otopt.sinkhorn(*(x.numpy() for x in given), reg=0.05)
    assert (result.status, result.nit) == (judge.status, judge.nit)
    assert_same(result.value, judge.value, dtype)
    assert_same(result.plan, judge.plan, dtype)
    assert_same(result.log_plan, judge.log_plan, dtype)
    assert_same(result.rounded(), judge.rounded(), dtype)
    for x, y in zip(result.potentials, judge.potentials, strict=True):
        assert_same(x, y, dtype)
    assert otopt.sinkhorn(*given, reg=0.05, warm_start=result).nit < judge.nit
    assert "OPTIMAL" in repr(result)


def test_sinkhorn_of_points():
    X, Y = torch.tensor(RNG.normal(size=(N, 2))), torch.tensor(RNG.normal(size=(M, 2)))
    a, b = tensors(A, B)
    result = otopt.sinkhorn(a, b, X=X, Y=Y, reg=0.5)
    judge = otopt.sinkhorn(A, B, X=X.numpy(), Y=Y.numpy(), reg=0.5)
    assert_same(result.plan, judge.plan)


@pytest.mark.parametrize("function", [otopt.emd, lambda *x: otopt.sinkhorn(*x, reg=0.1)])
def test_what_would_lose_something_is_refused(function):
    a, b, C = tensors(A, B, COST)
    with pytest.raises(TypeError, match="one library"):
        function(a, b, COST)
    with pytest.raises(TypeError, match="one dtype"):
        function(a.float(), b, C)
    with pytest.raises(TypeError, match="gradient"):
        function(a, b, C.clone().requires_grad_())
