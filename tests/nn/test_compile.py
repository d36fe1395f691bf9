"""Models with transport in them can be compiled; transport is left to its own kernels."""

import subprocess
import sys

import pytest
import torch

import otopt
from otopt.nn import (
    MMOTLoss,
    SparseOTLoss,
    SparseOTMatching,
    capped_simplex,
    emd_value,
    sinkhorn_plan,
    sinkhorn_value,
    sparse_ot_plan,
    sparse_ot_value,
)

N = 6
A = torch.full((N,), 1.0 / N, dtype=torch.float64)
Y = torch.rand(N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
GROUPS = torch.arange(N) % 2

FUNCTIONS = {
    "SparseOTLoss": lambda: SparseOTLoss(2, metric="sqeuclidean"),
    "SparseOTMatching": lambda: SparseOTMatching(2, metric="cosine"),
    "MMOTLoss": lambda: MMOTLoss(groups=2, memory=10),
    "MMOTLoss bins": lambda: MMOTLoss(bins=5),
    "emd_value": lambda: lambda C, _: emd_value(A, A, C),
    "sinkhorn_value": lambda: lambda C, _: sinkhorn_value(A, A, C, reg=0.1),
    "sinkhorn_plan": lambda: lambda C, _: sinkhorn_plan(A, A, C, reg=0.1),
    "sparse_ot_value": lambda: lambda C, _: sparse_ot_value(A, A, C, 2),
    "sparse_ot_plan": lambda: lambda C, _: sparse_ot_plan(A, A, C, 2),
    "capped_simplex": lambda: lambda C, _: capped_simplex(C, 2),
    "mmot_1d": lambda: lambda C, _: otopt.mmot_1d(C.softmax(0)).value,
}


@pytest.mark.filterwarnings("ignore")  # PyTorch's compiler causes them itself as it looks around
@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_is_eager(name):
    torch.compiler.reset()

    def two_steps(compiled):
        transport = FUNCTIONS[name]()
        other = GROUPS if "MMOT" in name else Y

        def step(x):
            out = transport(2.0 * x, other)
            out = out.mass if hasattr(out, "mass") else out
            return (out**2).sum() + x.mean()

        run = torch.compile(step, backend="eager") if compiled else step
        seen = []
        for seed in range(2):
            x = torch.rand(N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
            x.requires_grad_()
            value = run(x)
            value.backward()
            seen += [value.detach(), x.grad]
        return seen

    for found, expected in zip(two_steps(True), two_steps(False), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-15)


COLD = """
import sys, torch, otopt.nn
assert "torch._dynamo" not in sys.modules, "the compiler is for those who use it"
loss = otopt.nn.SparseOTLoss(2, metric="sqeuclidean")
x = torch.arange(12.0).reshape(6, 2).requires_grad_()
torch.compile(lambda x: loss(2 * x, x.flip(1)), backend="eager")(x).backward()
print(x.grad.isfinite().all().item())
"""


def test_the_first_call_can_be_the_compiled_one():
    done = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True"], done.stderr


def test_functions_keep_their_names_and_signatures():
    for function in (emd_value, sinkhorn_value, sinkhorn_plan, sparse_ot_value, sparse_ot_plan):
        assert getattr(otopt.nn, function.__name__) is function
        assert function.__module__.startswith("otopt.nn.")
    with pytest.raises(TypeError, match=r"^emd_value\(\) missing 1 required"):
        emd_value(A, A)
