"""Two gloo processes with half the batch each have the value and gradients of one with all."""

import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from ml_apps.ssl import losses
from tests.apps.ssl.cases import DIM, PROTOTYPES, TWO_VIEWS, dino, patches, two_views

ROOT = Path(__file__).parents[3]
JOBS = {
    **TWO_VIEWS,
    **{f"DINO {kind} {c}": partial(dino, kind, c) for kind, c in PROTOTYPES},
    "iBOT prob": partial(dino, "vmf", "prob", losses.IBOTPatchLoss),
    "iBOT sinkhorn": partial(dino, "vmf", "sinkhorn", losses.IBOTPatchLoss),
}


def run(name, rank=0, size=1):
    """Two steps; values, gradients of all parameters averaged over processes, and buffers."""
    loss = JOBS[name](gather_distributed=True)
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(DIM, DIM, generator=generator, dtype=torch.float64, requires_grad=True)
    values = []
    for seed in range(2):
        inputs = patches(seed=seed) if name.startswith("iBOT") else two_views(seed=seed)
        z_a, z_b, *mask = (x.chunk(size)[rank] for x in inputs)
        value = loss(z_a @ weight, z_b @ weight, *mask)
        value.backward()
        values.append(value.item())
    gradients = [p.grad for p in (weight, *loss.parameters())]
    if size > 1:
        for gradient in gradients:
            dist.all_reduce(gradient)
            gradient.div_(size)
    return values, gradients, list(loss.buffers())


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("group")
    outputs = [folder / f"{rank}.pkl" for rank in range(2)]
    start = sys.executable, "-m", "tests.apps.ssl.worker"
    processes = [
        subprocess.Popen(
            [*start, str(rank), "2", (folder / "meet").as_uri(), output],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=180)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    return [pickle.loads(output.read_bytes()) for output in outputs]


@pytest.mark.parametrize("name", JOBS)
def test_two_processes_are_one(answers, name):
    for expected, *found in zip(run(name), *(rank[name] for rank in answers), strict=True):
        for one in found:
            torch.testing.assert_close(one, expected, rtol=1e-6, atol=1e-9)
