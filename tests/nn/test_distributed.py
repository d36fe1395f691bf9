"""Two processes: the loss is that of the global batch, and so are averaged gradients."""

import os

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from otopt.nn import MMOTLoss, _events

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


class Together:
    """Stands in for `torch.distributed`: two ranks that run one after the other."""

    def __init__(self, rank, others):
        self.rank, self.others, self.calls = rank, others, 0

    def get_rank(self):
        return self.rank

    def get_world_size(self):
        return 2

    def all_gather(self, parts, mine):
        theirs = self.others[self.calls]
        self.calls += 1
        parts[self.rank].copy_(mine)
        other = parts[1 - self.rank]
        other.zero_()
        other[: len(theirs)] = theirs


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_events_of_two_processes_are_joined(monkeypatch, rank, weighted):
    x = [torch.tensor([0.1, 0.2, 0.3], requires_grad=True), torch.tensor([0.4, 0.5])]
    g = [torch.tensor([0, 1, 0]), torch.tensor([1, 1])]
    w = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0])]
    if rank == 1:
        x = [x[1].requires_grad_(), x[0].detach()]
        g, w = g[::-1], w[::-1]
    # What the other rank says, in the order of the calls: its size, places, masses, groups.
    others = [torch.tensor([len(x[1])]), x[1].detach(),
              w[1] if weighted else torch.ones(len(x[1])), g[1]]  # fmt: skip
    monkeypatch.setattr(_events, "dist", Together(rank, others))
    joined = _events.gather(_events.Events(x[0], g[0], w[0] if weighted else None))
    order = slice(None) if rank == 0 else slice(None, None, -1)
    torch.testing.assert_close(joined.places, torch.cat(x[order]))
    torch.testing.assert_close(joined.group, torch.cat(g[order]))
    torch.testing.assert_close(joined.mass, torch.cat(w[order]) if weighted else torch.ones(5))
    joined.places.sum().backward()
    torch.testing.assert_close(x[0].grad, torch.full((len(x[0]),), 2.0))  # averaging halves it


@pytest.mark.slow
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
