"""MMOTLoss: exact values, every kind of group, memory, targets, mixed precision."""

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

import otopt
from otopt._oracles.monge import COSTS
from otopt.nn import MMOTLoss

RNG = np.random.default_rng(0)


def batch(N=60, G=4, seed=0, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    scores = torch.tensor(rng.random(N), dtype=dtype, requires_grad=True)
    return scores, torch.tensor(rng.permutation(np.arange(N) % G))


@pytest.mark.parametrize("cost", COSTS)
def test_it_is_mmot_samples(cost):
    x, g = batch()
    w = None if cost == "range" else np.array([0.5, 1.0, 2.0, 3.0])
    sw = torch.tensor(RNG.uniform(0.5, 2, 60))
    loss = MMOTLoss(cost, groups=4, weights=w, delta=0.1)(x, g, sw)
    loss.backward()
    expected = otopt.mmot_samples(
        x.detach().numpy(), g.numpy(), cost=cost, sample_weight=sw.numpy(), weights=w, delta=0.1
    )
    assert loss.item() == pytest.approx(expected.value, rel=1e-12)
    np.testing.assert_allclose(x.grad, expected.gradient, atol=1e-14)


@pytest.mark.parametrize("bins", [None, 7])
def test_every_kind_of_membership(bins):
    x, g = batch()
    names = np.array(["d", "a", "c", "b"])

    def loss_and_grad(labels, **settings):
        x.grad = None
        loss = MMOTLoss(bins=bins, **settings)(x, labels)
        loss.backward()
        return loss.item(), x.grad.clone()

    value, grad = loss_and_grad(g)
    eye = torch.eye(4)
    for groups, settings in (
        (g.numpy(), {}), (g.tolist(), {}), (g.int(), {}), (g.double(), {}), (g, {"groups": 4}),
        (g[:, None], {}), (names[g], {}), (list(names[g]), {"groups": list(names)}),
        (eye[g], {}), (eye[g].long(), {"groups": 4}), (eye[g].numpy(), {}), (g + 3, {}),
        (names[g].astype(object), {"groups": ["x", *names]}),
    ):  # fmt: skip
        other, other_grad = loss_and_grad(groups, **settings)
        assert other == pytest.approx(value, rel=1e-12)
        torch.testing.assert_close(other_grad, grad)


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("bins", [None, 6])
def test_gradcheck_with_soft_groups(cost, bins):
    x, _ = batch(N=9)
    shares = torch.tensor(RNG.uniform(0.1, 1, (9, 3)))
    loss = MMOTLoss(cost, bins=bins, delta=0.1)
    assert torch.autograd.gradcheck(lambda x: loss(x, shares), x)


def test_columns_add_up():
    x, g = batch()
    both = torch.stack([x, 1 - x**2], dim=1)
    for bins in (None, 5):
        loss = MMOTLoss(bins=bins)
        separate = loss(both[:, 0], g) + loss(both[:, 1], g)
        assert loss(both, g).item() == pytest.approx(separate.item())
        assert loss(both[:, :1], g).item() == pytest.approx(loss(both[:, 0], g).item())


def test_saturated_scores_are_seen_by_both_forms():
    x = torch.cat([torch.full((150,), 0.5), torch.full((50,), 0.9997)]).double().requires_grad_()
    g = torch.arange(200) // 100
    expected = wasserstein_distance(x[:100].detach(), x[100:].detach())
    for bins in (None, 2, 10, 64):
        loss = MMOTLoss(bins=bins)(x, g)
        assert loss.item() == pytest.approx(expected, abs=1e-6)
        x.grad = None
        loss.backward()
        assert (x.grad[150:] > 0).all()  # and pushed back


def test_bins_keep_masses_and_means_and_clamp():
    x, g = batch(N=400, G=3)
    fine = MMOTLoss(bins=400)(x, g).item()
    assert fine == pytest.approx(MMOTLoss()(x, g).item(), abs=2e-3)
    wide = MMOTLoss(bins=5, score_range=(-2.0, 2.0))
    out = torch.tensor([-9.0, 0.5, 0.5, 9.0], requires_grad=True)
    loss = wide(out, [0, 0, 1, 1])
    assert loss.item() == pytest.approx((2.5 + 1.5) / 2)
    loss.backward()
    assert out.grad[[0, 3]].tolist() == [0, 0]
    assert (out.grad[[1, 2]] != 0).all()


def test_missing_groups_and_small_ones():
    x, g = batch()
    for groups in (torch.zeros(60, dtype=torch.int64), torch.eye(4)[torch.zeros(60).long()]):
        x.grad = None
        loss = MMOTLoss()(x, groups)
        loss.backward()
        assert loss.item() == 0
        assert (x.grad == 0).all()
    w = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    gaps = g * 1
    gaps[g == 1] = 4  # nobody is in group 1
    expected = otopt.mmot_samples(x.detach().numpy(), gaps.numpy(), cost="median",
                                  weights=w[[0, 2, 3, 4]])  # fmt: skip
    loss = MMOTLoss("median", groups=5, weights=w)(x, gaps)
    assert loss.item() == pytest.approx(expected.value)
    lone = g.clone()
    lone[0] = 4  # a group of one score
    x.grad = None
    loss = MMOTLoss(min_group_size=2)(x, lone)
    loss.backward()
    assert loss.item() == pytest.approx(MMOTLoss()(x[1:], g[1:]).item())
    assert x.grad[0] == 0
    assert MMOTLoss()(x[:0], g[:0]).item() == 0


def test_mixed_precision():
    x, g = batch(dtype=torch.float32)
    exact = MMOTLoss()(x, g).item()
    linear = torch.nn.Linear(1, 1)
    for dtype in (torch.float16, torch.bfloat16):
        for bins in (None, 10):
            half = x.detach().to(dtype).requires_grad_()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                loss = MMOTLoss(bins=bins)(half, g)
            loss.backward()
            assert loss.dtype == torch.float32
            assert half.grad.dtype == dtype
            assert loss.item() == pytest.approx(exact, abs=0.03)
        with torch.autocast("cpu", dtype=dtype):
            scores = linear(x.detach()[:, None]).sigmoid()
            MMOTLoss()(scores, g).backward()
        assert linear.weight.grad.isfinite().all()


def test_memory_enlarges_the_groups_and_keeps_the_strength():
    G = 3
    loss = MMOTLoss(groups=G, memory=90)
    past = [batch(N=45, G=G, seed=s) for s in (1, 2)]
    for x, g in past:
        loss(x, g)
    live, g = batch(N=15, G=G, seed=3)
    value = loss(live, g)
    value.backward()
    everything = torch.cat([live, *(x for x, _ in past)]).detach().numpy()
    labels = torch.cat([g, *(h for _, h in past)]).numpy()
    pooled = otopt.mmot_samples(everything, labels)
    assert value.item() == pytest.approx(pooled.value, rel=1e-12)
    # 5 live scores of each group stand for 35.
    np.testing.assert_allclose(live.grad, 7 * pooled.gradient[:15], rtol=1e-10)
    # The memory is bounded, and evaluation neither reads nor writes it.
    assert len(loss.past.places) == 90
    loss.eval()
    assert loss(live, g).item() == pytest.approx(MMOTLoss()(live, g).item())
    loss.train()
    loss.forget()
    assert loss(live, g).item() == pytest.approx(MMOTLoss()(live, g).item())


@pytest.mark.parametrize("bins", [None, 8])
def test_strength_does_not_depend_on_the_size_of_the_memory(bins):
    """Two groups a shift apart: the pull on the mean score is the same with any memory."""
    pulls = []
    for memory in (0, 200, 2000):
        rng = np.random.default_rng(0)
        loss = MMOTLoss(groups=2, memory=memory, bins=bins)
        for _ in range(30):
            x = torch.tensor(0.3 + 0.1 * rng.random(100), requires_grad=True)
            g = torch.arange(100) % 2
            value = loss(x + 0.4 * g, g)
            x.grad = None
            value.backward()
        pulls.append(x.grad[g == 1].sum().item())
    np.testing.assert_allclose(pulls, 1.0, atol=1e-6)


def test_memory_holds_soft_and_weighted_samples_and_columns():
    loss = MMOTLoss(groups=3, memory=50)
    x = torch.rand(8, 2, dtype=torch.float64, requires_grad=True)
    shares = torch.rand(8, 3, dtype=torch.float64)
    loss(x, shares, torch.rand(8))
    value = loss(x, torch.arange(8) % 3)
    value.backward()
    assert len(loss.past.places) == 8 * 3 + 8
    assert x.grad.isfinite().all()
    with pytest.raises(ValueError, match=r"columns of those in memory.*forget"):
        loss(x[:, 0], torch.arange(8) % 3)


def test_memory_is_a_copy():
    """Whatever happens to the batch, to a state that was saved, or to one that was loaded."""
    loss, other = (MMOTLoss(groups=2, memory=50) for _ in range(2))
    given = torch.rand(10, dtype=torch.float64), torch.arange(10) % 2, torch.rand(10).double()
    expected = [x.clone() for x in given]
    loss(*given)
    state = loss.state_dict()
    other.load_state_dict(state)
    for x in (*given, *state["_extra_state"]):
        x.zero_()
    for memory in (loss.past, other.past):
        for found, kept in zip(memory, expected, strict=True):
            assert torch.equal(found, kept)


def test_memory_lowers_what_a_fair_model_pays():
    """The trap of small batches: eight unequal groups, scores without any difference."""
    counts = np.array([300, 160, 27, 25, 12, 10, 5, 4]) // 4 + 1
    labels = torch.tensor(np.repeat(np.arange(8), counts))
    rng = np.random.default_rng(0)
    plain, memory = MMOTLoss(groups=8), MMOTLoss(groups=8, memory=4000)
    shown = {plain: [], memory: []}
    for _ in range(60):
        x = torch.tensor(rng.random(len(labels)))
        for loss, values in shown.items():
            values.append(loss(x, labels).item())
    naive, remembered = (np.mean(values[-20:]) for values in shown.values())
    assert naive == pytest.approx(plain.null_level(counts, rng=0).mean, abs=0.05)
    assert remembered < naive / 3


def test_slack_and_null_level():
    x, g = batch()
    value = MMOTLoss()(x, g).item()
    assert MMOTLoss(slack=0.05)(x, g).item() == pytest.approx(value - 0.05)
    loss = MMOTLoss(slack=2 * value)
    out = loss(x, g)
    out.backward()
    assert out.item() == 0
    assert (x.grad == 0).all()
    assert loss.value.item() == pytest.approx(value)
    level = loss.null_level([15] * 4, scores=x, rng=1)
    expected = otopt.mmot_null_level([15] * 4, scores=x.detach().numpy(), rng=1)
    np.testing.assert_array_equal(level.draws, expected.draws)


def test_the_multiplier_reaches_the_target():
    """Least squares between groups a gap apart, for three targets."""
    for target in (0.1, 1.0):
        torch.manual_seed(0)
        g = torch.arange(200) % 2
        wish = torch.randn(200, dtype=torch.float64) * 0.1 + 0.5 * g
        x = wish.clone().requires_grad_()
        optimizer = torch.optim.SGD([x], lr=20.0)
        loss = MMOTLoss(target=target, penalty=1.0)
        free = MMOTLoss()(wish, g).item()
        for _ in range(40):
            for _ in range(8):
                optimizer.zero_grad()
                (((x - wish) ** 2).mean() + loss(x, g)).backward()
                optimizer.step()
            loss.update_multiplier()
        reached = MMOTLoss()(x, g).item()
        assert reached == pytest.approx(min(target, free), abs=0.01)
        # Dual and primal agree: the slope of the least cost of the task is minus the multiplier.
        slope = max(free - target, 0) / 2
        assert loss.multiplier.item() == pytest.approx(slope, abs=0.02)


def test_state_travels_with_the_model():
    loss = MMOTLoss(groups=3, memory=20, target=0.1)
    x, g = batch(N=30, G=3)
    loss(x, g)
    loss.update_multiplier()
    copy = MMOTLoss(groups=3, memory=20, target=0.1)
    copy.load_state_dict(loss.state_dict())
    assert copy(x, g).item() == pytest.approx(loss(x, g).item(), rel=1e-6)
    assert "memory=20" in repr(loss)


X, G = torch.rand(4), torch.tensor([0, 1, 0, 1])
BAD = {
    "cost": (lambda: MMOTLoss("l3"), "`cost`"),
    "callable": (lambda: MMOTLoss(max), "`cost`"),
    "bins one": (lambda: MMOTLoss(bins=1), "`bins`"),
    "bins text": (lambda: MMOTLoss(bins="many"), "`bins`"),
    "range": (lambda: MMOTLoss(score_range=(1, 0)), "`score_range`"),
    "memory": (lambda: MMOTLoss(memory=9), "`memory` and `weights` need `groups`"),
    "weights": (lambda: MMOTLoss("median", weights=[1, 1]), "need `groups`"),
    "weights short": (lambda: MMOTLoss("median", groups=3, weights=[1, 1]), "`weights`"),
    "groups zero": (lambda: MMOTLoss(groups=0), "`groups`"),
    "slack": (lambda: MMOTLoss(slack=-1), "`slack`"),
    "target": (lambda: MMOTLoss(target=-1), "`target`"),
    "no target": (lambda: MMOTLoss().update_multiplier(), "needs `target`"),
    "array": (lambda: MMOTLoss()(X.numpy(), G), "`scores` must be a tensor"),
    "integers": (lambda: MMOTLoss()(G, G), "`scores` must be a tensor of floats"),
    "cube": (lambda: MMOTLoss()(X[:, None, None], G), "`scores` must have shape"),
    "no columns": (lambda: MMOTLoss()(X[:, None][:, :0], G), r"one column; got shape \(4, 0\)"),
    "nan": (lambda: MMOTLoss()(X * torch.nan, G), "`scores` must be finite"),
    "inf": (lambda: MMOTLoss()(X / 0, G), "`scores` must be finite"),
    "labels short": (lambda: MMOTLoss()(X, G[:3]), "`groups`"),
    "labels negative": (lambda: MMOTLoss()(X, -G), "`groups` must be 0"),
    "labels too many": (lambda: MMOTLoss(groups=1)(X, G), "`groups` must be 0..0"),
    "labels nan": (lambda: MMOTLoss()(X, G * torch.nan), "integers"),
    "labels none": (lambda: MMOTLoss()(X, ["a", None, "a", "b"]), "missing"),
    "labels unknown": (lambda: MMOTLoss(groups=["a"])(X, ["a", "b", "a", "b"]), r"\['b'\]"),
    "shares negative": (lambda: MMOTLoss()(X, -torch.eye(4)), "shares"),
    "shares too many": (lambda: MMOTLoss(groups=2)(X, torch.eye(4)), "one column"),
    "weight short": (lambda: MMOTLoss()(X, G, torch.ones(3)), "`sample_weight`"),
    "weight negative": (lambda: MMOTLoss()(X, G, -torch.ones(4)), "`sample_weight`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_name(case):
    call, text = BAD[case]
    with pytest.raises((TypeError, ValueError), match=f"^MMOTLoss: .*{text}"):
        call()


@pytest.mark.gpu
@pytest.mark.parametrize("bins", [None, 9])
def test_on_a_gpu(bins):
    x, g = batch()
    loss = MMOTLoss(bins=bins, groups=4, memory=100)
    there = MMOTLoss(bins=bins, groups=4, memory=100).cuda()
    y = x.detach().cuda().requires_grad_()
    for _ in range(2):
        value, other = loss(x, g), there(y, g.cuda())
        assert other.item() == pytest.approx(value.item(), rel=1e-10)
    value.backward()
    other.backward()
    torch.testing.assert_close(y.grad.cpu(), x.grad)
