"""The table of "Which function do I need?" says what the library does, no more and no less."""

import functools
import importlib
import inspect
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

import otopt
from tests.api.fuzz.entries import ENTRIES

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = runpy.run_path(str(DOCS / "capabilities.py"))
TABLE, LEADING = SOURCE["TABLE"], SOURCE["LEADING"]
NO_PROBLEM = {"show_config"}  # solves none
NO_LOSS = {"SparsePlan", "StratifiedBatchSampler"}  # of otopt.nn: a record and a sampler
PROOFS = {"dual_bound", "gap", "certified"}
every_row = pytest.mark.parametrize("name", TABLE)


def quietly(call, arrays, settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return call(**arrays, **settings)


def tensors(arrays, device="cpu", **more):
    """Arrays as tensors; `more` goes to those that hold floats."""
    return {
        name: torch.tensor(x, device=device, **(more if x.dtype.kind == "f" else {}))
        for name, x in arrays.items()
    }


@functools.cache
def answer(name, kind=np.asarray):
    """The first result of the call of an entry, with its arrays as they are or as tensors."""
    entry = ENTRIES[f"otopt.{name}"]
    arrays = tensors(entry.arrays) if kind is torch.tensor else entry.arrays
    result = quietly(entry.call, arrays, entry.settings)
    return result[0] if isinstance(result, list) else result


def holds_tensors(result):
    fields = (n for n in dir(result) if not n.startswith("_"))
    return any(isinstance(getattr(result, field), torch.Tensor) for field in fields)


def test_every_public_function_has_a_row():
    functions = {n for n in otopt.__all__ if inspect.isfunction(getattr(otopt, n))}
    assert set(TABLE) == functions - NO_PROBLEM


def test_every_loss_and_every_distributed_function_is_named():
    named = {name for can in TABLE.values() for name in can.differentiable}
    assert {f"nn.{n}" for n in otopt.nn.__all__ if n not in NO_LOSS} == {
        name for name in named if name.startswith("nn.")
    }
    assert {name: f"distributed.{name}" for name in otopt.distributed.__all__} == {
        name: can.distributed for name, can in TABLE.items() if can.distributed
    }


def test_the_page_is_up_to_date():
    written = SOURCE["PAGE"].read_text(encoding="utf-8")
    assert SOURCE["END"] in written
    assert written == SOURCE["page"](), "run: python docs/capabilities.py"


@every_row
def test_numpy_and_torch(name):
    assert not holds_tensors(answer(name))
    assert holds_tensors(answer(name, torch.tensor)) == (TABLE[name].torch == "yes")
    assert TABLE[name].torch in ("yes", "read")


@every_row
def test_other_devices_are_refused_where_there_is_no_kernel_for_them(name):
    if TABLE[name].cuda:
        assert TABLE[name].torch == "yes"
        assert importlib.import_module(f"otopt._kernels.{TABLE[name].cuda}")
    entry = ENTRIES[f"otopt.{name}"]
    with pytest.raises((ValueError, TypeError)) as refusal:
        quietly(entry.call, tensors(entry.arrays, "meta"), entry.settings)
    refused = "on the CPU, where this function runs" in str(refusal.value)
    assert refused == (TABLE[name].torch == "yes" and not TABLE[name].cuda)


@pytest.mark.gpu
@every_row
def test_on_a_gpu(name):
    entry = ENTRIES[f"otopt.{name}"]
    arrays = tensors(entry.arrays, "cuda")
    if TABLE[name].cuda:
        result = quietly(entry.call, arrays, entry.settings)
        fields = (getattr(result, n) for n in dir(result) if not n.startswith("_"))
        assert any(isinstance(x, torch.Tensor) and x.is_cuda for x in fields)
    elif TABLE[name].torch == "yes":
        with pytest.raises(ValueError, match="on the CPU"):
            quietly(entry.call, arrays, entry.settings)


@pytest.mark.parametrize("name", [n for n, can in TABLE.items() if can.batched])
def test_batches(name):
    how = TABLE[name].batched
    if how == LEADING:
        A = ENTRIES[f"otopt.{name}"].arrays["A"]
        assert getattr(otopt, name)(np.stack([A, A[::-1]])).value.shape == (2,)
        return
    entry = ENTRIES[f"otopt.{how}"]
    result = quietly(entry.call, entry.arrays, entry.settings)
    assert len(result if isinstance(result, list) else result.value) == len(entry.arrays["C"])


@every_row
def test_a_batch_function_is_named(name):
    assert hasattr(otopt, f"{name}_batch") <= (TABLE[name].batched == f"{name}_batch")


def gradients(call, arrays, settings):
    """Norms of the gradients of all arrays by some number made of the answer."""
    inputs = tensors(arrays, requires_grad=True)
    result = quietly(call, inputs, settings)
    result = getattr(result, "mass", getattr(result, "value", result))
    (result * torch.linspace(1, 2, result.numel()).reshape(result.shape)).sum().backward()
    return [x.grad.norm().item() for x in inputs.values() if x.grad is not None]


@pytest.mark.parametrize(
    ("name", "by"), [(n, by) for n, can in TABLE.items() for by in can.differentiable]
)
def test_gradients_flow(name, by):
    entry = ENTRIES[f"otopt.{by}"]
    stacked = name.endswith("_batch")
    arrays = ENTRIES[f"otopt.{name}"].arrays if stacked else entry.arrays
    if not by.startswith("nn."):  # weights and places are data there
        arrays = {"A": arrays["A"]} if "A" in arrays else {k: arrays[k] for k in ("x", "groups")}
    found = gradients(entry.call, arrays, {} if not by.startswith("nn.") else entry.settings)
    assert np.isfinite(found).all()
    assert max(found) > 0


@every_row
def test_no_gradient_is_lost_in_silence(name):
    can = TABLE[name]
    if can.torch != "yes" or name in can.differentiable:
        return
    entry = ENTRIES[f"otopt.{name}"]
    with pytest.raises(TypeError, match="grad"):
        quietly(entry.call, tensors(entry.arrays, requires_grad=True), entry.settings)


@every_row
def test_certificates(name):
    result, promised = answer(name), set(TABLE[name].certificate)
    for field in promised:
        values = np.asarray(getattr(result, field), dtype=float)
        assert np.isfinite(values).all()
    assert {field for field in PROOFS if hasattr(result, field)} == promised & PROOFS
