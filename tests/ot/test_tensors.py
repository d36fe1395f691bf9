"""sparse_ot on torch tensors: the NumPy answer in tensors; what does not fit is refused."""

import os
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import block_array
from scipy.sparse.csgraph import connected_components

import otopt
from otopt.testing import transport_problems

RNG = np.random.default_rng(0)
N, M, K = 12, 9, 4
A, B, COST = RNG.dirichlet(np.full(N, 3.0)), RNG.dirichlet(np.full(M, 3.0)), RNG.random((N, M))


def tensors(*arrays, dtype=torch.float64):
    return tuple(torch.tensor(x, dtype=dtype) for x in arrays)


def solve(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return otopt.sparse_ot(*args, **kwargs)


@st.composite
def any_cardinality(draw):
    """Adversarial problems; k = 1 and k >= n more often than they would come."""
    a, b, C, k, reg = draw(transport_problems(8, 8, scales=(-3, 3)))
    k = draw(st.sampled_from([1, k, len(a), len(a) + 3, None]))
    return a, b, C, k, draw(st.sampled_from([reg, reg, None, 0.0]))


@given(any_cardinality())
def test_tensors_give_the_answer_of_arrays(problem):
    a, b, C, k, reg = problem
    array = solve(a, b, C, k, reg=reg)
    # Integers have no dtype to return to: float64, as for arrays.
    cost = torch.tensor(C)
    masses = tensors(a, b, dtype=cost.dtype if cost.is_floating_point() else torch.float64)
    if cost.dtype == torch.float32:
        a, b = (x.numpy() for x in masses)
        array = solve(a, b, C, k, reg=reg)
    tensor = solve(*masses, cost, k, reg=reg)
    assert tensor.status is array.status
    assert tensor.message == array.message
    assert (tensor.dual_bound, tensor.gap, tensor.nit) == (array.dual_bound, array.gap, array.nit)
    expected = torch.as_tensor(array.mass, dtype=masses[0].dtype)
    torch.testing.assert_close(tensor.mass, expected, rtol=0, atol=0)
    np.testing.assert_array_equal(tensor.rows.numpy(), array.rows)
    for x, y in zip(tensor.potentials, array.potentials, strict=True):
        torch.testing.assert_close(x, torch.as_tensor(y, dtype=x.dtype), rtol=0, atol=0)
    assert tensor.value == torch.tensor(array.value, dtype=masses[0].dtype)


@given(any_cardinality())
@settings(max_examples=25)  # the reference is slow
def test_compiled_kernels_give_the_answer_of_the_reference(problem):
    """Where a heuristic decides (FEASIBLE), values may differ by the luck of ties."""
    a, b, C, k, reg = problem
    C = np.asarray(C, float)
    unit = (np.ptp(C) or np.abs(C).max() or 1.0) * a.sum()
    compiled = solve(*tensors(a, b, C), k, reg=reg)
    assume(abs(compiled.dual_bound) > 1e-3 * unit)  # at value 0 a relative gap decides by rounding
    before = os.environ.get("OTOPT_KERNELS")
    os.environ["OTOPT_KERNELS"] = "reference"
    try:
        judge = solve(a, b, C, k, reg=reg)
    finally:
        os.environ.pop("OTOPT_KERNELS")
        if before is not None:
            os.environ["OTOPT_KERNELS"] = before
    assert compiled.dual_bound == pytest.approx(judge.dual_bound, rel=0, abs=1e-10 * unit)
    assert compiled.status == judge.status
    if judge.status is otopt.Status.OPTIMAL:
        assert float(compiled.value) == pytest.approx(judge.value, rel=0, abs=1e-10 * unit)
        if judge.reg > 0 and is_connected(judge.plan):
            # The bound is flat at its top: it holds 1e-15 where potentials hold 1e-8, and it
            # hardly feels the price of a row of little mass.
            shares = [
                a * (alpha - a @ alpha / a.sum())
                for alpha in (compiled.potentials.source.numpy(), judge.potentials.source)
            ]
            np.testing.assert_allclose(*shares, rtol=0, atol=1e-8 * unit)


def is_connected(plan):
    """Whether a plan determines its potentials up to one constant."""
    return connected_components(block_array([[None, plan], [plan.T, None]]))[0] == 1


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_everything_comes_back_in_the_dtype_of_the_problem(dtype):
    result = otopt.sparse_ot(*tensors(A, B, COST, dtype=dtype), K)
    assert result.success
    reals = (result.mass, result.value, *result.potentials, result.plan, result.relaxed.plan)
    assert all(x.dtype == dtype for x in reals)
    assert result.rows.dtype == result.relaxed.excess_columns.dtype == torch.int64
    assert all(x.device.type == "cpu" for x in (*reals, result.rows))
    assert not any(x.requires_grad for x in reals)
    assert result.value.shape == ()
    assert f"value: {float(result.value):.9g}" in repr(result)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_costs_are_solved_in_single_precision(dtype):
    a, b, C = tensors(A, B, COST, dtype=torch.float32)
    half = otopt.sparse_ot(a, b, C.to(dtype), K)
    assert half.mass.dtype == half.value.dtype == torch.float32
    rounded = otopt.sparse_ot(a, b, C.to(dtype).float(), K)
    assert half.dual_bound == rounded.dual_bound
    assert torch.equal(half.mass, rounded.mass)


def test_layouts_hold_the_same_plan():
    array, tensor = otopt.sparse_ot(A, B, COST, K), otopt.sparse_ot(*tensors(A, B, COST), K)
    expected = array.plan.toarray()
    assert (array.plan.format, array.to_plan("coo").format) == ("csc", "coo")
    np.testing.assert_array_equal(array.to_plan("coo").toarray(), expected)
    np.testing.assert_array_equal(array.to_plan("dense"), expected)
    assert tensor.plan.layout is tensor.to_plan("coo").layout is torch.sparse_coo
    assert tensor.plan.is_coalesced()
    assert tensor.to_plan("csc").layout is torch.sparse_csc
    for plan in (tensor.plan, tensor.to_plan("csc")):
        np.testing.assert_array_equal(plan.to_dense().numpy(), expected)
    np.testing.assert_array_equal(tensor.to_plan("dense").numpy(), expected)
    np.testing.assert_allclose(
        tensor.relaxed.plan.to_dense().numpy(), array.relaxed.plan.toarray(), atol=0
    )
    with pytest.raises(ValueError, match="`layout`"):
        array.to_plan("csr")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_result_of_tensors_is_a_warm_start(dtype):
    problem = tensors(A, B, COST, dtype=dtype)
    first = otopt.sparse_ot(*problem, K)
    again = otopt.sparse_ot(*problem, K, warm_start=first)
    assert again.nit < first.nit
    assert again.dual_bound == pytest.approx(first.dual_bound, rel=1e-6)
    assert otopt.sparse_ot(A, B, COST, K, warm_start=first).success
    assert otopt.sparse_ot(*problem, K, warm_start=otopt.sparse_ot(A, B, COST, K)).success


FREE = tensors(A, B, COST)
MIXED = {
    "array and tensor": ((A, FREE[1], FREE[2]), TypeError, r"`b`.*`a`.*torch.Tensor.*numpy"),
    "tensor and array": ((FREE[0], FREE[1], COST), TypeError, r"`a`.*`C`.*torch.Tensor.*numpy"),
    "dtypes": ((FREE[0].float(), *FREE[1:]), TypeError, r"`a`.*`b`.*float32.*float64"),
    "masses too wide": ((*FREE[:2], FREE[2].half()), TypeError, r"`a`.*`C`.*float64.*float16"),
    "devices": ((*FREE[:2], FREE[2].to("meta")), ValueError, r"`a`.*`C`.*cpu.*meta"),
    "other device": (tuple(x.to("meta") for x in FREE), ValueError, r"`a`.*CPU.*meta"),
    "complex": ((*FREE[:2], FREE[2] + 0j), TypeError, r"`C`.*complex128"),
    "sparse": ((*FREE[:2], FREE[2].to_sparse()), TypeError, r"`C`.*dense"),
    "gradient": (
        (*FREE[:2], FREE[2].clone().requires_grad_()), TypeError, r"`C`.*otopt.nn",
    ),
    "half masses": (tuple(x.bfloat16() for x in FREE), ValueError, r"`a` and `b`.*normalise"),
    "negative": ((-FREE[0], *FREE[1:]), ValueError, r"`a`.*negative"),
}  # fmt: skip


@pytest.mark.parametrize("case", MIXED)
def test_what_does_not_go_together_is_refused_by_name(case):
    args, error, text = MIXED[case]
    with pytest.raises(error, match=f"^sparse_ot: .*{text}"):
        otopt.sparse_ot(*args, K)


def test_gradients_may_be_ignored_on_purpose():
    a, b, C = (x.clone().requires_grad_() for x in FREE)
    with torch.no_grad():
        assert not otopt.sparse_ot(a, b, C, K).value.requires_grad
    assert otopt.sparse_ot(a.detach(), b.detach(), C.detach(), K).success


def transposed_storage(x):
    return x.mT.contiguous().mT if x.ndim == 2 else x


@pytest.mark.parametrize("rearrange", [torch.clone, lambda x: x.flip(0), transposed_storage])
def test_inputs_are_neither_modified_nor_kept(rearrange):
    problem = [rearrange(x) for x in FREE]
    before = [x.clone() for x in problem]
    result = otopt.sparse_ot(*problem, K)
    for x in (result.mass, result.plan.coalesce().values(), *result.potentials):
        x.add_(1.0)
    for x, y in zip(problem, before, strict=True):
        assert torch.equal(x, y)


def test_lists_and_integers_go_with_tensors():
    result = otopt.sparse_ot([1, 2], torch.tensor([2, 1]), torch.tensor([[0.0, 1.0], [1, 0]]), 2)
    assert result.mass.dtype == torch.float32
    assert otopt.sparse_ot([1, 1], [1, 1], torch.eye(2).long(), 1).mass.dtype == torch.float64
