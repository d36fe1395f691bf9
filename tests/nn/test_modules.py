"""The modules as parts of a model: types, batches, failures, training."""

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

import otopt
from otopt.errors import FeasibilityWarning, InfeasibleError, NotConvergedError
from otopt.nn import (
    SparseOTLoss,
    SparseOTMatching,
    emd_value,
    sinkhorn_value,
    sparse_ot_plan,
    sparse_ot_value,
)
from otopt.testing import check_plan

N, M, K = 8, 6, 4


def problems(*batch, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    a, b, C = (
        torch.rand(*batch, *shape, generator=generator, dtype=torch.float64)
        for shape in ((N,), (M,), (N, M))
    )
    a, b = (x + 0.5 for x in (a, b))
    a, b = (x / x.sum(-1, keepdim=True) for x in (a, b))
    return a.to(dtype), b.to(dtype), C.to(dtype)


@pytest.mark.parametrize("objective", ["value", "bound"])
def test_forward_is_sparse_ot(objective):
    a, b, C = problems()
    loss = SparseOTLoss(K, reg=1.0, objective=objective)
    out = loss(a, b, C)
    result = otopt.sparse_ot(a, b, C, K, reg=1.0)
    expected = result.value if objective == "value" else result.dual_bound
    assert out.item() == pytest.approx(float(expected), rel=1e-6)
    assert out.shape == ()
    assert len(loss.results) == 1
    plan = SparseOTMatching(K, reg=1.0)(a, b, C)
    assert torch.equal(plan.rows, result.rows)
    torch.testing.assert_close(plan.mass, result.mass, rtol=0, atol=1e-8)
    torch.testing.assert_close(plan.to_dense(), result.to_plan("dense"), rtol=0, atol=1e-8)
    check_plan(plan.results[0], a.numpy(), b.numpy(), C.numpy(), K)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_dtype_in_is_dtype_out(dtype):
    a, b, C = (x.requires_grad_() for x in problems(dtype=dtype))
    value = sparse_ot_value(a, b, C, K)
    plan = sparse_ot_plan(a, b, C, K)
    assert value.dtype == plan.mass.dtype == plan.to_dense().dtype == dtype
    (value + plan.mass.square().sum()).backward()
    assert all(x.grad.dtype == dtype and x.grad.isfinite().all() for x in (a, b, C))
    points = [torch.rand(5, 2, dtype=dtype, requires_grad=True) for _ in range(2)]
    SparseOTLoss(2, metric="euclidean")(*points).backward()
    assert points[0].grad.dtype == dtype


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    a, b, C = problems(dtype=torch.float32)
    cost = C.to(dtype).requires_grad_()
    value = sparse_ot_value(a, b, cost, K, reg=1.0)
    value.backward()
    assert value.dtype == torch.float32
    assert cost.grad.dtype == dtype
    points = torch.rand(5, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert SparseOTLoss(2, metric="sqeuclidean")(points, points.flip(0)).isfinite()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_masses_in_half_precision_agree_up_to_its_rounding(dtype):
    """As the outputs of softmax do."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        logits = [torch.randn(2, size, generator=generator) for size in (10, 7)]
        a, b = (x.softmax(-1).to(dtype).requires_grad_() for x in logits)
        C = torch.rand(10, 7, generator=generator).to(dtype)
        values = sparse_ot_value(a, b, C, None, reg=0.1), emd_value(a, b, C)
        plan = sparse_ot_plan(a, b, C, None, reg=0.1).to_dense()
        torch.testing.assert_close(plan.sum(-1), a.float(), rtol=1e-5, atol=1e-6)
        entropic = sinkhorn_value(a[0], b[0], C, reg=0.1)
        (sum(x.sum() for x in values) + plan[0, 0, 0] + entropic).backward()
        assert a.grad.dtype == b.grad.dtype == dtype
        assert a.grad.isfinite().all()
        assert b.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_masses_in_half_precision_that_differ_by_more_are_refused(dtype):
    a, b, C = problems(dtype=dtype)
    for function in (
        lambda b: sparse_ot_value(a, b, C, K),
        lambda b: emd_value(a, b, C),
        lambda b: sinkhorn_value(a, b, C, reg=0.1),
    ):
        with pytest.raises(ValueError, match="normalise"):
            function(b * 1.02)


def test_batches_are_their_members():
    a, b, C = (x.requires_grad_() for x in problems(2, 3))
    values = SparseOTLoss(K, reg=1.0, reduction="none")(a, b, C)
    assert values.shape == (2, 3)
    loss = SparseOTLoss(K, reg=1.0)
    mean = loss(a, b, C)
    total = SparseOTLoss(K, reg=1.0, reduction="sum")(a, b, C)
    torch.testing.assert_close(mean, values.mean())
    torch.testing.assert_close(total, values.sum())
    assert len(loss.results) == 6
    assert all(result.success for result in loss.results)
    (gradient,) = torch.autograd.grad(total, [C])
    plan = SparseOTMatching(K, reg=1.0)(a, b, C)
    assert plan.rows.shape == plan.mass.shape == (2, 3, M, K)
    torch.testing.assert_close(plan.to_dense(), gradient, rtol=0, atol=1e-8)
    one = sparse_ot_value(a[1, 2], b[1, 2], C[1, 2], K, reg=1.0)
    assert one.item() == values[1, 2].item()
    assert loss.results[5].value == one.item()


def test_batch_dimensions_broadcast():
    a, b, C = problems()
    costs = torch.stack([C, C + 1.0, 2.0 * C]).requires_grad_()
    a.requires_grad_()
    values = sparse_ot_value(a, b, costs, K, reg=1.0)
    assert values.shape == (3,)
    assert values[1].item() == pytest.approx(values[0].item() + 1.0)
    values.sum().backward()
    assert a.grad.shape == a.shape
    x, y = torch.rand(4, 7, 2), torch.rand(5, 2)
    assert SparseOTLoss(3, metric="sqeuclidean", reduction="none")(x, y).shape == (4,)


def test_without_limit_members_may_differ_in_width():
    a, b, C = problems(3)
    plan = SparseOTMatching(None, reg=1.0)(a, b, C)
    torch.testing.assert_close(plan.to_dense().sum(-1), a)
    torch.testing.assert_close(plan.to_dense().sum(-2), b)
    assert (plan.mass[plan.rows < 0] == 0).all()


def test_a_member_that_fails_is_named():
    a, b, C = problems(2)
    a[1], b[1] = 1 / N, torch.tensor([0.5, 0.3, 0.05, 0.05, 0.05, 0.05], dtype=a.dtype)
    with pytest.raises(InfeasibleError, match=r"^SparseOTLoss: problem \[1\] of the batch: Proven"):
        SparseOTLoss(3)(a, b, C)
    with pytest.raises(InfeasibleError, match=r"^sparse_ot_plan: Proven infeasible"):
        sparse_ot_plan(a[1], b[1], C[1], 3)
    points = torch.rand(2, 40, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(NotConvergedError, match="Raise maxiter"):
        SparseOTLoss(4, reg=20.0, maxiter=1, metric="sqeuclidean")(*points)
    loss = SparseOTLoss(3, objective="bound", reduction="none")
    with pytest.warns(FeasibilityWarning, match="Proven infeasible"):
        values = loss(a, b, C)
    assert values.isfinite().all()
    assert loss.results[1].status is otopt.Status.INFEASIBLE


A0, B0, C0 = problems()
BAD = {
    "numpy": (lambda: sparse_ot_value(A0.numpy(), B0, C0, K), TypeError, "`a`.*ndarray"),
    "dtypes": (lambda: sparse_ot_value(A0.float(), B0, C0, K), TypeError, "`a`.*`b`.*float32"),
    "device": (lambda: sparse_ot_plan(*(x.to("meta") for x in (A0, B0, C0)), K), ValueError, "CPU"),
    "vector cost": (lambda: sparse_ot_value(A0, B0, C0[0], K), ValueError, "`C`.*2 dimension"),
    "batches": (lambda: sparse_ot_value(A0.expand(2, N), B0.expand(3, M), C0, K),
                ValueError, "broadcast"),
    "empty batch": (lambda: sparse_ot_value(*(x.expand(0, *x.shape) for x in (A0, B0, C0)), K),
                    ValueError, "empty"),
    "objective": (lambda: sparse_ot_value(A0, B0, C0, K, objective="dual"),
                  ValueError, "objective"),
    "reg": (lambda: sparse_ot_value(A0, B0, C0, K, reg=torch.tensor(1.0, requires_grad=True)),
            TypeError, "`reg`"),
    "k": (lambda: sparse_ot_value(A0, B0, C0, 0), ValueError, "`k`"),
    "unbalanced": (lambda: sparse_ot_value(2 * A0, B0, C0, K), ValueError, "normalise"),
    "metric": (lambda: SparseOTLoss(K, metric="manhattan"), ValueError, "`metric`"),
    "reduction": (lambda: SparseOTLoss(K, reduction="max"), ValueError, "`reduction`"),
    "loss objective": (lambda: SparseOTLoss(K, objective="x"), ValueError, "`objective`"),
    "points without metric": (lambda: SparseOTLoss(K)(C0, C0), TypeError, "metric"),
    "costs with metric": (lambda: SparseOTLoss(K, metric="cosine")(A0, B0, C0), TypeError, "x, y"),
    "no points": (lambda: SparseOTLoss(K, metric="euclidean")(C0[:0], C0), ValueError,
                  r"^SparseOTLoss: `x` must not be empty; got shape \(0, 6\)"),
    "no axes": (lambda: SparseOTMatching(K, metric="cosine")(C0, C0[:, :0]), ValueError,
                r"^SparseOTMatching: `y` must not be empty; got shape \(8, 0\)"),
    "no rows": (lambda: sparse_ot_value(A0[:0], B0, C0[:0], K), ValueError,
                r"^sparse_ot_value: `a` must not be empty; got shape \(0,\)"),
    "no columns": (lambda: sparse_ot_value(A0, B0, C0[:, :0], K), ValueError,
                   r"^sparse_ot_value: `C` must not be empty; got shape \(8, 0\)"),
    "dimensions": (lambda: SparseOTLoss(K, metric="cosine")(C0, C0.mT), ValueError, "dimension"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case):
    call, error, text = BAD[case]
    with pytest.raises(error, match=text):
        call()


def test_modules_have_no_state_and_say_what_they_do():
    loss = SparseOTLoss(3, reg=0.5, metric="euclidean", reduction="sum")
    assert repr(loss) == (
        "SparseOTLoss(k=3, metric='euclidean', reg=0.5, objective='value', reduction='sum')"
    )
    assert repr(SparseOTMatching(None, tol=1e-8)) == "SparseOTMatching(k=None, tol=1e-08)"
    assert not loss.state_dict()
    assert not list(loss.parameters())
    x, y = torch.rand(5, 2), torch.rand(5, 2)
    expected = loss(x, y)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(twin(x, y), expected)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    model.loss = loss
    model.load_state_dict(model.state_dict())


def test_inputs_are_not_modified():
    inputs = [x.requires_grad_() for x in problems()]
    before = [x.detach().clone() for x in inputs]
    (sparse_ot_value(*inputs, K) + sparse_ot_plan(*inputs, K).mass.sum()).backward()
    assert all(torch.equal(x.detach(), y) for x, y in zip(inputs, before, strict=True))


@pytest.mark.parametrize("objective", ["value", "bound"])
def test_points_move_and_the_loss_falls(objective):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 2, generator=generator).requires_grad_()
    y = 0.5 * torch.randn(30, 2, generator=generator) + 2.0
    loss = SparseOTLoss(3, reg=0.1, metric="sqeuclidean", objective=objective)
    optimizer = torch.optim.SGD([x], lr=10.0)  # 1/4 of the way to the targets
    seen = []
    for _ in range(10):
        optimizer.zero_grad()
        seen.append(loss(x, y))
        seen[-1].backward()
        optimizer.step()
    values = np.array([v.item() for v in seen])
    assert (np.diff(values) < 0).all()
    assert values[-1] < 0.1 * values[0]


def test_a_layer_learns_costs_from_a_plan():
    """Inverse transport: gradient descent through the plan finds costs that explain it."""
    a, b, C = problems(seed=3)
    with torch.no_grad():
        observed = sparse_ot_plan(a, b, C, None, reg=2.0).to_dense()
    learned = torch.full_like(C, 0.5).requires_grad_()
    optimizer = torch.optim.Adam([learned], lr=0.02)
    matching = SparseOTMatching(None, reg=2.0)
    errors = []
    for _ in range(100):
        optimizer.zero_grad()
        error = (matching(a, b, learned).to_dense() - observed).square().sum()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.02 * errors[0]


def test_training_warns_of_nothing():
    a, b, C = (x.requires_grad_() for x in problems())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sparse_ot_value(a, b, C, K).backward()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_answer_is_the_same(mode):
    inputs = problems()
    free = sparse_ot_value(*(x.clone().requires_grad_() for x in inputs), K)
    with mode():
        value, plan = sparse_ot_value(*inputs, K), SparseOTMatching(K)(*inputs)
    assert not value.requires_grad
    assert not plan.mass.requires_grad
    assert value.item() == free.item()


def test_only_what_is_asked_for_gets_gradients():
    a, b, C = problems()
    for index in range(3):
        inputs = [x.clone().requires_grad_(i == index) for i, x in enumerate((a, b, C))]
        sparse_ot_value(*inputs, K).backward()
        assert [x.grad is not None for x in inputs] == [i == index for i in range(3)]


def test_without_torch_the_room_says_how_to_open_it():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import otopt\n"
        "assert otopt.sparse_ot([1.0], [1.0], [[2.0]], 1).value > 2\n"
        "try: otopt.nn.SparseOTLoss\n"
        "except otopt.errors.MissingDependencyError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "otopt[torch]" in done.stdout


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cosine"])
@pytest.mark.parametrize("objective", ["value", "bound"])
def test_autocast_changes_nothing_in_single_precision(metric, objective):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(8, 3, generator=generator) for _ in range(2))
    loss = SparseOTLoss(2, reg=0.1, metric=metric, objective=objective)

    def value_and_gradient():
        leaf = x.clone().requires_grad_()
        value = loss(leaf, y)
        value.backward()
        return value.detach(), leaf.grad

    expected = value_and_gradient()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = value_and_gradient()
    for one, two in zip(found, expected, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("both", [False, True])
def test_the_origin_under_cosine_costs_one_and_has_no_gradient(dtype, both):
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=dtype, requires_grad=True)
    y = torch.tensor([[0.0, 0.0] if both else [0.0, 2.0], [6.0, 8.0]], dtype=dtype)
    value = SparseOTLoss(1, reg=0.0, metric="cosine")(x, y)
    assert value.item() == pytest.approx(0.5, rel=1e-6)  # half of the mass is at no cost
    (gradient,) = torch.autograd.grad(value, x, create_graph=True)
    assert torch.equal(gradient[0], torch.zeros_like(x[0]))
    (second,) = torch.autograd.grad(gradient.sum(), x)
    assert torch.isfinite(second).all()
    assert torch.equal(second[0], torch.zeros_like(x[0]))


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_cosine_depends_on_directions_alone(size):
    x, y = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    loss = SparseOTLoss(1, reg=0.0, metric="cosine")
    torch.testing.assert_close(loss(x * size, y), loss(x, y), rtol=1e-6, atol=0)
