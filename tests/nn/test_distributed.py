"""Two processes: the loss is that of the global batch, and so are averaged gradients."""

import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from otopt.nn import MMOTLoss

SETTINGS = ({}, {"bins": 6}, {"groups": 4, "memory": 30}, {"cost": "variance"})


def data():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(33, 5, generator=generator, dtype=torch.float64)
    return features, torch.arange(33) % 4


def model():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(5, 1), torch.nn.Sigmoid()).double()


def two_steps(net, settings, features, groups):
    """Gradients after two calls, the second with a memory if there is one."""
    loss, value = MMOTLoss(**settings), None
    for _ in range(2):
        net.zero_grad()
        value = loss(net(features), groups)
        value.backward()
    return value.item(), torch.cat([p.grad.flatten() for p in net.parameters()])


def work(rank, port, queue):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    features, groups = data()
    mine = slice(0, 20) if rank == 0 else slice(20, 33)  # batches of unequal size
    net = torch.nn.parallel.DistributedDataParallel(model())
    answers = []
    for settings in SETTINGS:
        for kind in (groups, torch.eye(4)[groups]):
            value, grad = two_steps(net, settings, features[mine], kind[mine])
            answers.append((value, grad.tolist()))
    queue.put((rank, answers))
    dist.barrier()
    dist.destroy_process_group()


def free_port():
    import socket

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.skipif(not dist.is_available(), reason="torch was built without distributed")
def test_two_processes_train_as_one():
    context = mp.get_context("spawn")
    queue = context.Queue()
    arguments = (free_port(), queue)
    processes = [context.Process(target=work, args=(rank, *arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    answers = dict(queue.get(timeout=120) for _ in processes)
    for process in processes:
        process.join(timeout=60)
        assert process.exitcode == 0
    features, groups = data()
    expected = [
        two_steps(model(), settings, features, kind)
        for settings in SETTINGS
        for kind in (groups, torch.eye(4)[groups])
    ]
    for rank in range(2):
        for (value, grad), (one, one_grad) in zip(answers[rank], expected, strict=True):
            assert value == pytest.approx(one, rel=1e-10)
            torch.testing.assert_close(torch.tensor(grad, dtype=torch.float64), one_grad)
