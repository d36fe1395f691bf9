"""PsCo against formulas written out: labels, queue, loss, networks; and what is refused."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from torch.nn import functional as F

from ml_apps.ssl import assignments, losses, models
from ml_apps.ssl.assignments import assign, overlap
from ml_apps.ssl.centering import sinkhorn_posterior
from ml_apps.ssl.psco import Heads, PsCoNetwork, adapt
from ml_apps.ssl.queue import MomentumQueue
from tests.apps.ssl.cases import two_views


def units(n, d, seed, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(n, d, generator=g, dtype=dtype), dim=1)


def queue(size=12, d=6):
    return MomentumQueue(size, d, generator=torch.Generator().manual_seed(5)).double()


def scaled_by_hand(S, eps, iterations):
    """The plan in the exponential domain, rows of mass 1: by columns, then by rows."""
    with np.errstate(all="ignore"):
        A = np.exp(S / eps)
        A /= A.sum()
        for _ in range(iterations):
            A /= A.sum(axis=0, keepdims=True) * A.shape[1]
            A /= A.sum(axis=1, keepdims=True) * A.shape[0]
        return A * A.shape[0]


@given(
    seed=st.integers(0, 999), n=st.integers(1, 9), m=st.integers(1, 30),
    eps=st.sampled_from([0.01, 0.05, 1.0]), size=st.sampled_from([1.0, 4.0, 40.0]),
)  # fmt: skip
def test_sinkhorn_on_logarithms_is_that_of_the_exponential_domain(seed, n, m, eps, size):
    S = size * np.random.default_rng(seed).normal(size=(n, m))
    found = sinkhorn_posterior(torch.from_numpy(S) / eps, iterations=3).exp().numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-10)
    expected = scaled_by_hand(S, eps, 3)
    if np.isfinite(expected).all():
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_sinkhorn_takes_the_largest_entries_of_the_plan_and_survives_large_logits():
    S = units(7, 5, 0) @ units(40, 5, 1).T
    plan = torch.from_numpy(scaled_by_hand(S.numpy(), 0.05, 3))
    assert torch.equal(assign(S, 3).indices, plan.topk(3, dim=1).indices)
    large = 16 * torch.randn(7, 40, generator=torch.Generator().manual_seed(0))
    assert not np.isfinite(scaled_by_hand(large.numpy(), 0.05, 3)).all()
    assert len(assign(large, 3).indices.unique()) > 3
    # Rows own columns of equal mass then: what is compared is the plan, not the choice among them.
    single, double = (sinkhorn_posterior(x / 0.05).exp() for x in (large, large.double()))
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-3)


@given(seed=st.integers(0, 999), n=st.integers(1, 6), K=st.integers(1, 3), spare=st.integers(0, 9))
def test_matching_is_that_of_scipy(seed, n, K, spare):
    S = units(n, 4, seed) @ units(n * K + spare, 4, seed + 1).T
    found = assign(S, K, "bmatch")
    rows, columns = linear_sum_assignment(np.repeat(S.numpy(), K, axis=0), maximize=True)
    value = np.repeat(S.numpy(), K, axis=0)[rows, columns].sum()
    assert found.certified
    assert S.gather(1, found.indices).sum().item() == pytest.approx(value, abs=1e-9)
    assert overlap(found.indices, torch.zeros(n).long(), torch.zeros(S.shape[1]).long()) == (
        1.0, n * K,
    )  # fmt: skip


def test_cosine_and_callables():
    S = units(5, 4, 0) @ units(9, 4, 1).T
    assert torch.equal(assign(S, 2, "cosine").indices, S.argsort(dim=1, descending=True)[:, :2])
    last = assign(S, 2, lambda S, K: S.argsort(dim=1)[:, :K])
    assert torch.equal(last.indices, S.argsort(dim=1)[:, :2])
    assert last.certified is None
    for wrong in (S[:, :2], S.argsort(dim=1), S.argsort(dim=1)[:, :2] + 9):
        with pytest.raises(ValueError, match="assignment must return"):
            assign(S, 2, lambda S, K, wrong=wrong: wrong)


def test_overlap_counts():
    y, items = torch.tensor([0, 1]), torch.tensor([0, 0, 1, 1])
    assert overlap(torch.tensor([[0, 1], [1, 2]]), y, items) == (0.75, 3)


@given(size=st.integers(1, 9), data=st.data())
def test_queue_holds_the_last_items_whatever_the_batches_are(size, data):
    sizes = data.draw(st.lists(st.integers(1, size), max_size=6))
    ring, start = MomentumQueue(size, 1), 100.0
    seen = ring.items.ravel().tolist()
    for n in sizes:
        z = start + torch.arange(n)[:, None].float()
        ring.enqueue(z)
        seen += z.ravel().tolist()
        start += n
    assert ring.cursor.item() == sum(sizes) % size
    oldest = ring.items.ravel().roll(-ring.cursor.item()).tolist()
    assert oldest == seen[len(seen) - size :]


def by_loops(p, z, Q, indices, tau, tau2):
    """The loss pair by pair."""
    n, K = indices.shape
    few = instance = 0.0
    for i in range(n):
        total = sum(
            math.exp(float(p[i] @ Q[indices[j, k]]) / tau) for j in range(n) for k in range(K)
        )
        own = sum(float(p[i] @ Q[indices[i, k]]) for k in range(K)) / K / tau
        few += math.log(total) - own
        negatives = sum(math.exp(float(p[i] @ q) / tau2) for q in Q)
        positive = float(p[i] @ z[i]) / tau2
        instance += math.log(math.exp(positive) + negatives) - positive
    return few / n, instance / n


@pytest.mark.parametrize("assignment", ["sinkhorn", "bmatch", "cosine"])
def test_loss_is_its_formula(assignment):
    z_a, z_b = two_views(5)
    loss = losses.PsCoLoss(
        queue(), num_shots=2, assignment=assignment, temperature=0.7, weight=0.5,
    )  # fmt: skip
    Q = loss.queue.items.clone()
    p, z = F.normalize(z_a, dim=1), F.normalize(z_b, dim=1)
    indices = assign(z @ Q.T, 2, assignment).indices
    few, instance = by_loops(p, z, Q, indices, 0.7, 0.2)
    found = loss.components(z_a, z_b)
    assert found.few_shot.item() == pytest.approx(few, abs=1e-12)
    assert found.instance.item() == pytest.approx(instance, abs=1e-12)
    assert found.total.item() == pytest.approx(0.5 * few + instance, abs=1e-12)
    single = losses.PsCoLoss(
        queue().float(), num_shots=2, assignment=assignment, temperature=0.7, weight=0.5,
    )(z_a.float(), z_b.float())  # fmt: skip
    assert single.item() == pytest.approx(0.5 * few + instance, rel=1e-6)
    torch.testing.assert_close(loss.queue.items[:5], z)  # in training mode it joined the queue
    torch.testing.assert_close(loss.queue.items[5:], Q[5:])


@pytest.mark.parametrize("assignment", ["sinkhorn", "bmatch", "cosine"])
def test_gradcheck(assignment):
    loss = losses.PsCoLoss(queue(), num_shots=2, assignment=assignment, temperature=0.5).eval()
    z_a, z_b = two_views(4)
    before = loss.queue.items.clone()
    assert torch.autograd.gradcheck(lambda p: loss(p, z_b), (z_a.requires_grad_(),))
    assert torch.equal(loss.queue.items, before)
    z_b.requires_grad_()
    loss.train()(z_a, z_b).backward()
    assert z_b.grad is None
    assert z_a.grad.isfinite().all()


def test_without_weight_it_is_moco():
    def never(S, K):
        raise AssertionError

    z_a, z_b = two_views(5)
    loss = losses.PsCoLoss(queue(), weight=0.0, assignment=never)
    found = loss.components(z_a, z_b)
    p, z = F.normalize(z_a, dim=1), F.normalize(z_b, dim=1)
    logits = torch.cat([(p * z).sum(1, keepdim=True), p @ queue().items.T], 1) / 0.2
    torch.testing.assert_close(found.total, F.cross_entropy(logits, torch.zeros(5).long()))


def network(**settings):
    torch.manual_seed(0)
    loss = losses.PsCoLoss(MomentumQueue(40, 4), num_shots=2, **settings)
    return PsCoNetwork(models.SmallConv(1, 8, dim=8), (8, 4), loss, momentum=0.75)


def test_momentum_network_follows_and_gets_no_gradient():
    net = network()
    online = torch.nn.Sequential(net.encoder, net.heads.projector)
    views = torch.rand(2, 6, 1, 8, 8).unbind()
    net(views).backward()
    assert all(p.grad is None for p in net.average.parameters())
    assert all(p.grad is not None for p in net.heads.predictor.parameters())
    before = [p.clone() for p in net.average.parameters()]
    with torch.no_grad():
        for p in online.parameters():
            p.add_(1.0)
    net.after_step(0.5)
    for old, new, p in zip(before, net.average.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(new, 0.75 * old + 0.25 * p)
    for new, b in zip(net.average.buffers(), online.buffers(), strict=True):
        assert torch.equal(new, b)
    torch.testing.assert_close(net.criterion.queue.items[:6].norm(dim=1), torch.ones(6))


def test_heads_classify_by_prototypes_of_shots_and_queries_of_the_predictor():
    torch.manual_seed(1)
    heads, x = Heads(5, (8, 4)).eval(), torch.randn(9, 5)
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    z = F.normalize(heads.projector(x[:6]), dim=1)
    prototypes = F.normalize(z.view(3, 2, 4).mean(dim=1), dim=1)
    expected = (F.normalize(heads.predictor(heads.projector(x[6:])), dim=1) @ prototypes.T).argmax(
        1
    )
    assert torch.equal(heads.classify(x[:6], labels, x[6:]), expected)


@pytest.mark.parametrize("batch_statistics", [True, False])
def test_adaptation_fits_the_shots_and_leaves_the_network(batch_statistics):
    torch.manual_seed(2)
    heads = Heads(5, (16, 8)).eval()
    labels = torch.arange(4).repeat_interleave(3)
    support = torch.randn(4, 5)[labels] + 0.3 * torch.randn(12, 5)
    before = {k: v.clone() for k, v in heads.state_dict().items()}

    def value(h):
        # Row i and all shots of its class, itself included.
        logits = h.queries(support) @ h.shots(support).T
        return (
            sum(
                torch.logsumexp(logits[i], 0) - logits[i, labels == labels[i]].mean()
                for i in range(12)
            ).item()
            / 12
        )

    with torch.no_grad():  # as the studies call it
        adapted = adapt(heads, support, labels, batch_statistics=batch_statistics)
        assert value(adapted) < value(heads) - 0.1
    assert not adapted.training
    assert all(torch.equal(v, before[k]) for k, v in heads.state_dict().items())
    one = adapt(heads, support, labels, steps=1, momentum=0, weight_decay=0, lr=0.1,
                batch_statistics=False)  # fmt: skip
    copy = Heads(5, (16, 8)).eval()
    copy.load_state_dict(before)
    logits = copy.queries(support) @ copy.shots(support).T
    positives = (labels[:, None] == labels).float()
    loss = (torch.logsumexp(logits, 1) - (logits * positives).sum(1) / 3).mean()
    weight = copy.predictor[0].weight
    (gradient,) = torch.autograd.grad(loss, weight)
    torch.testing.assert_close(one.predictor[0].weight, weight - 0.1 * gradient)


def refusals():
    S, z = torch.rand(3, 4), torch.randn(5, 6)
    nan = z.clone()
    nan[1, 2] = math.nan
    y = torch.zeros(3).long()
    small = MomentumQueue(4, 6)
    return {
        "num_shots must be an integer in 1..4, the size of the queue; got 5": (
            lambda: losses.PsCoLoss(small, num_shots=5)),
        "num_shots must be an integer in 1..4, the size of the queue; got 0": (
            lambda: assign(S, 0)),
        "must hold at least a batch of 5; its size is 4": (
            lambda: losses.PsCoLoss(small)(z, z)),
        "must hold B num_shots = 6 items, as none is taken twice; got 4": (
            lambda: assign(S, 2, "bmatch")),
        "embeddings must be finite; row 1 is not": (
            lambda: losses.PsCoLoss(MomentumQueue(9, 6))(z, nan)),
        r"shape \(n, 6\); got \(5, 3\)": lambda: losses.PsCoLoss(small)(z[:, :3], z[:, :3]),
        "assign: similarity must be finite; got nan at": lambda: assign(S / 0 * 0, 1),
        r"similarity must have shape \(B, M\)": lambda: assign(S[0], 1),
        "assignment must be one of 'cosine', 'sinkhorn', 'bmatch'; got 'greedy'": (
            lambda: losses.PsCoLoss(small, assignment="greedy")),
        "temperature must be > 0": lambda: losses.PsCoLoss(small, temperature=0),
        "weight must be >= 0; got -1": lambda: losses.PsCoLoss(small, weight=-1),
        "size must be an integer >= 1; got 0": lambda: MomentumQueue(0, 3),
        r"momentum must be in \[0, 1\]; got 2": (
            lambda: PsCoNetwork(models.SmallConv(1, 8), (8, 4), None, momentum=2)),
        r"labels must be a tensor with an integer >= 0 for every row \(3\); got None": (
            lambda: overlap(y[:, None], None, y)),
        "item_labels must be .* got None": lambda: overlap(y[:, None], y, None),
        "labels must be .* got -1 for 3 of them": lambda: overlap(y[:, None], y - 1, y),
        "support_labels must be .* got shape": lambda: adapt(Heads(6, (4, 2)), z, y),
        "support must hold at least 2 shots; got 1": (
            lambda: adapt(Heads(6, (4, 2)), z[:1], y[:1])),
    }  # fmt: skip


@pytest.mark.parametrize("message", refusals())
def test_refuses(message):
    with pytest.raises(ValueError, match=message):
        refusals()[message]()


def test_a_refused_batch_leaves_the_queue_as_it_was():
    loss = losses.PsCoLoss(queue(), num_shots=4, assignment="bmatch")
    before = loss.queue.items.clone()
    z_a, z_b = two_views(5)
    with pytest.raises(ValueError, match="enlarge the queue"):
        loss(z_a, z_b)
    with pytest.raises(ValueError, match="finite"):
        loss(z_a, z_b / 0)
    assert torch.equal(loss.queue.items, before)
    assert loss.queue.cursor == 0


def test_a_matching_without_proof_is_not_silent(monkeypatch):
    import otopt

    real = otopt.bmatch
    monkeypatch.setattr(otopt, "bmatch", lambda S, K: real(S, K, candidates=K, certify=False))
    S = torch.rand(20, 60, generator=torch.Generator().manual_seed(0))
    S[:, :25] += 1
    with pytest.warns(UserWarning, match="not proven to be the best"):
        assert not assign(S, 2, "bmatch").certified
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert assignments.assign(S, 2).certified is None
