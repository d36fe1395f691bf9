"""Two gloo processes with half the batch each have the value and gradients of one with all."""

from functools import partial

import pytest
import torch
import torch.distributed as dist

from ml_apps.ssl import losses
from ml_apps.ssl.centering import CENTERS
from ml_apps.ssl.queue import MomentumQueue
from tests.apps.ssl.cases import DIM, PROTOTYPES, TWO_VIEWS, dino, patches, two_views
from tests.distributed.processes import on_processes


def psco(assignment, **settings):
    queue = MomentumQueue(19, DIM, generator=torch.Generator().manual_seed(5)).double()
    return losses.PsCoLoss(queue, num_shots=2, assignment=assignment, **settings)


JOBS = {
    **TWO_VIEWS,
    **{f"DINO {kind} {c}": partial(dino, kind, c) for kind, c in PROTOTYPES},
    **{f"PsCo {a}": partial(psco, a) for a in ("sinkhorn", "bmatch", "cosine")},
    "iBOT prob": partial(dino, "vmf", "prob", losses.IBOTPatchLoss),
    "iBOT sinkhorn": partial(dino, "vmf", "sinkhorn", losses.IBOTPatchLoss),
    **{
        f"iBOT {center}, second half masked": partial(dino, "vmf", center, losses.IBOTPatchLoss)
        for center in CENTERS
    },
}


def run(name, rank=0, size=1):
    """Three steps; values, gradients of all parameters averaged over processes, and buffers.

    The queue of PsCo wraps in them.
    """
    loss = JOBS[name](gather_distributed=True)
    generator = torch.Generator().manual_seed(7)
    weight = torch.randn(DIM, DIM, generator=generator, dtype=torch.float64, requires_grad=True)
    values = []
    for seed in range(3):
        inputs = patches(seed=seed) if name.startswith("iBOT") else two_views(seed=seed)
        if name.endswith("second half masked"):
            inputs[2][: len(inputs[2]) // 2] = False
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


def run_all(rank, size):
    return {name: run(name, rank, size) for name in JOBS}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    return on_processes(2, run_all, tmp_path_factory.mktemp("group"))


@pytest.mark.parametrize("name", JOBS)
def test_two_processes_are_one(answers, name):
    for expected, *found in zip(run(name), *(rank[name] for rank in answers), strict=True):
        for one in found:
            torch.testing.assert_close(one, expected, rtol=1e-6, atol=1e-9)
