"""One contract for all routers, and what each is known for."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from ml_apps import moe
from ml_apps.moe import losses
from ml_apps.moe.auction import auction
from ml_apps.moe.sbase import log_sinkhorn

N, D, M = 96, 12, 6
MAKERS = {
    "price": lambda: moe.PriceRouter(D, M),
    "price k2": lambda: moe.PriceRouter(D, M, 2, gate="softmax_topk"),
    "price plan": lambda: moe.PriceRouter(D, M, 2, gate="plan"),
    "price lagged": lambda: moe.PriceRouter(
        D, M, causal=True, warmup_steps=1, capacity_factor=None
    ),
    "switch": lambda: moe.TopKRouter(
        D, M, capacity_factor=1.25, switch_weight=0.01, z_weight=1e-3, jitter=0.01
    ),
    "gshard": lambda: moe.TopKRouter(
        D, M, 2, gate="softmax_topk", gshard_weight=0.01, second_threshold=0.2, capacity_factor=1.25
    ),
    "vmoe": lambda: moe.TopKRouter(
        D, M, 2, noise_std=1.0, importance_weight=5e-3, load_weight=5e-3, capacity_factor=1.05,
        policy="bpr",
    ),
    "expert choice": lambda: moe.ExpertChoiceRouter(D, M),
    "base": lambda: moe.BaseRouter(D, M),
    "s-base": lambda: moe.SBaseRouter(D, M, capacity_factor=1.25),
    "sign": lambda: moe.SignBiasRouter(D, M, 2, gate="sigmoid_topk"),
    "quantile": lambda: moe.QuantileBiasRouter(D, M),
    "histogram": lambda: moe.QuantileBiasRouter(D, M, bins=500),
    "paper": lambda: moe.PaperSparseOTRouter(D, M),
    "paper rows": lambda: moe.PaperRowSparseRouter(D, M, 2),
}  # fmt: skip


def tokens(seed=0, n=N):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)) * 2


def make(name, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MAKERS[name]()


def state(router):
    return {name: x.clone() for name, x in router.state_dict().items()}


@pytest.mark.parametrize("name", MAKERS)
def test_contract(name):
    router = make(name)
    layer = moe.MoE(moe.FeedForwardExperts(M, D, 8), router)
    x, padding = tokens(), torch.arange(N) % 5 == 4
    padding = padding if name != "base" else torch.zeros(N, dtype=torch.bool)
    x = torch.where(padding[:, None], torch.nan, x)
    for _ in range(3):
        y, output = layer(torch.nan_to_num(x, nan=9.0).view(4, 24, D), padding.view(4, 24))
        (y.square().mean() + sum(output.losses.values())).backward()
        moe.update(layer)
    k = output.indices.shape[1]
    assert output.indices.shape == output.weights.shape == output.keep.shape == (N, k)
    assert output.position.shape == (N, k)
    assert output.probs.shape == (N, M)
    assert output.weights.dtype == torch.float32
    assert ((output.indices >= 0) & (output.indices < M)).all()
    assert not output.keep[padding].any()
    assert not y.view(N, D)[padding].any()
    assert all(loss.isfinite() for loss in output.losses.values())
    assert router.weight.grad.isfinite().all()
    assert router.weight.grad.abs().max() > 0
    weights, chosen = output.dense()
    torch.testing.assert_close(weights.sum(), output.weights.sum())
    assert chosen.sum() == output.keep.sum()
    places = output.indices * 1000 + output.position
    assert len(places[output.keep].unique()) == output.keep.sum()
    before = state(router)
    layer.eval()
    first = layer(torch.nan_to_num(x, nan=9.0), padding)[1]
    moe.update(layer)
    for key, value in state(router).items():  # evaluation leaves no trace
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    assert not first.losses


# The others assign padding too, or draw noise for it.
@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"base", "vmoe", "gshard", "switch"}))
def test_padding_does_not_matter(name):
    one, other = make(name), make(name)
    x = tokens()
    padded = torch.cat([x, torch.full((7, D), 3.0)])
    mask = torch.arange(N + 7) >= N
    for _ in range(2):
        a, b = one(x), other(padded, mask)
        width = min(a.indices.shape[1], b.indices.shape[1])
        torch.testing.assert_close(a.keep[:, :width], b.keep[:N, :width])
        torch.testing.assert_close(a.weights, b.weights[:N, :width], rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(a.metrics["load"], b.metrics["load"])
        one.update()
        other.update()


@pytest.mark.parametrize("filler", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", [*MAKERS, "soft"])
def test_padding_may_hold_anything(name, filler):
    padding = (torch.arange(N) % 5 == 4).view(4, 24)

    def outputs_and_gradients(filler):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            experts = moe.FeedForwardExperts(M, D, 8)
            if name == "soft":
                layer = moe.SoftMoE(experts, D, M, 2)
            else:
                layer = moe.MoE(experts, MAKERS[name]())
        x = tokens().view(4, 24, D).masked_fill(padding[..., None], filler).requires_grad_()
        y, output = layer(x, padding)
        found = [] if name == "soft" else output.losses.values()
        (y[~padding].square().sum() + sum(found)).backward()
        return [y, x.grad, *(p.grad for p in layer.parameters())]

    for a, b in zip(outputs_and_gradients(filler), outputs_and_gradients(0.0), strict=True):
        assert a.isfinite().all()
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", MAKERS)
def test_all_padding_and_no_tokens(name):
    router = make(name)
    x = tokens()
    if name != "base":
        output = router(x, torch.ones(N, dtype=torch.bool))
        assert not output.keep.any()
    layer = moe.MoE(moe.FeedForwardExperts(M, D, 8), router)
    for empty in (x[:0], x[:0].view(3, 0, D)):
        y, output = layer(empty)
        assert y.shape == empty.shape
        assert len(output.indices) == 0
    router.update()
    assert all(value.isfinite().all() for value in router.state_dict().values())


@pytest.mark.parametrize("name", MAKERS)
def test_half_precision_keeps_state_in_single(name):
    router = make(name)
    for _ in range(2):
        router(tokens())
        router.update()
    before = state(router)
    router = router.bfloat16()
    for key, value in state(router).items():
        assert value.dtype == before[key].dtype
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)
    again = make(name, 1)
    again.load_state_dict(router.state_dict())
    torch.testing.assert_close(again.eval()(tokens(2)).indices, router.eval()(tokens(2)).indices)
    assert router(tokens(2).bfloat16()).weights.dtype == torch.float32


@pytest.mark.filterwarnings("ignore")  # PyTorch's compiler causes them itself as it looks around
@pytest.mark.parametrize("name", ["price", "price plan", "switch", "sign", "paper rows"])
def test_layers_can_be_compiled(name):
    """Up to the selection, which is left to its own kernels."""
    torch.compiler.reset()
    x = tokens()

    def two_steps(compiled):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            layer = moe.MoE(moe.FeedForwardExperts(M, D, 8), MAKERS[name]())
        run = torch.compile(layer, backend="eager") if compiled else layer
        for _ in range(2):
            y, output = run(x)
            (y.square().mean() + sum(output.losses.values())).backward()
            moe.update(layer)
        return [y, *(p.grad for p in layer.parameters()), *layer.buffers()]

    for found, expected in zip(two_steps(True), two_steps(False), strict=True):
        torch.testing.assert_close(found, expected)


def test_dispatch_and_combine_are_gather_and_weighted_sum():
    router = make("price k2")
    x = tokens()
    output = router(x)
    buffers = moe.dispatch(x, output, M)
    assert buffers.shape[1] == 32  # exactly n k / m
    torch.testing.assert_close(
        moe.combine(buffers, output), x * output.weights.sum(dim=1, keepdim=True)
    )
    torch.testing.assert_close(buffers[output.indices[5, 1], output.position[5, 1]], x[5])


def test_losses_at_perfect_balance():
    probs = torch.full((M, M), 1.0 / M, requires_grad=True)
    valid, indices = torch.ones(M, dtype=torch.bool), torch.arange(M)[:, None]
    assert losses.switch_loss(probs, indices, valid).item() == pytest.approx(1)
    assert losses.gshard_loss(probs, indices, valid).item() == pytest.approx(1)
    loss = losses.importance_loss(probs, valid)
    loss.backward()
    assert loss.item() == pytest.approx(0)
    assert probs.grad.isfinite().all()  # a standard deviation would give NaN


def test_switch_loss_by_hand():
    probs = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    valid = torch.tensor([True, True, True, False])
    indices = probs.argmax(dim=1, keepdim=True)
    expected = 2 * (2 / 3 * 0.5 + 1 / 3 * 0.5)
    assert losses.switch_loss(probs, indices, valid).item() == pytest.approx(expected)
    logits = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    expected = (np.log(2) ** 2 + np.log(np.e + np.e**2) ** 2) / 2
    assert losses.z_loss(logits, torch.ones(2)).item() == pytest.approx(expected)


def test_single_choices_are_never_scaled():
    for gate in ("softmax_topk", "sigmoid_topk"):
        with pytest.raises(ValueError, match="constant"):
            moe.PriceRouter(D, M, 1, gate=gate)
    output = make("price")(tokens())
    torch.testing.assert_close(output.weights[:, 0], output.probs.gather(1, output.indices)[:, 0])


def test_the_auction_is_close_to_the_optimum():
    rng = np.random.default_rng(0)
    S = rng.normal(size=(96, 6)) * 2
    expert = auction(torch.from_numpy(S))
    assert (torch.bincount(expert) == 16).all()
    copies = np.repeat(S, 16, axis=1)
    best = copies[linear_sum_assignment(copies, maximize=True)].sum()
    assert 0.98 * best <= S[np.arange(96), expert.numpy()].sum() <= best + 1e-9
    with pytest.raises(ValueError, match="multiple of 6"):
        auction(torch.zeros(97, 6))


def test_sinkhorn_potentials_balance_the_plan():
    z = tokens()[:, :M]
    g = log_sinkhorn(z, 200)
    plan = (z + g).softmax(dim=1)
    torch.testing.assert_close(plan.sum(dim=0), torch.full((M,), N / M), rtol=1e-4, atol=1e-4)
    assert log_sinkhorn(z * 100, 10).isfinite().all()


def test_the_sign_bias_moves_by_its_rate_towards_balance():
    router = make("sign")
    load = torch.bincount(
        (router(tokens()).probs * 0 + router.scores(router.logits(tokens())))
        .topk(2)
        .indices.flatten(),
        minlength=M,
    )
    router.update()
    torch.testing.assert_close(router.bias, 1e-3 * (load.float().mean() - load).sign())


def test_histogram_and_exact_quantiles_agree():
    exact, binned = make("quantile"), moe.QuantileBiasRouter(D, M, bins=4000)
    binned.load_state_dict(exact.state_dict())
    for step in range(4):
        x = tokens(step, 3000)
        exact(x)
        for part in x.split(1000):  # a histogram may be added up over parts
            binned(part)
        exact.update()
        binned.update()
        assert (exact.bias - binned.bias).abs().max() < 0.02


def test_expert_choice_takes_the_best_tokens():
    router = make("expert choice")
    output = router(tokens())
    assert (output.metrics["load"] == N // M).all()
    _, chosen = output.dense()
    for j in range(M):
        assert output.probs[chosen[:, j], j].min() >= output.probs[~chosen[:, j], j].max()


def test_soft_mixture():
    layer = moe.SoftMoE(moe.FeedForwardExperts(M, D, 8), D, M, 2)
    x = tokens().view(4, 24, D)
    mask = torch.zeros(4, 24, dtype=torch.bool)
    mask[:, 20:] = True
    y, dispatch = layer(x, mask)
    assert y.shape == x.shape
    torch.testing.assert_close(dispatch.sum(dim=1), torch.ones(4, 2 * M))
    assert not dispatch[:, 20:].any()
    changed = torch.where(mask[..., None], x + 1, x)
    torch.testing.assert_close(layer(changed, mask)[0][:, :20], y[:, :20])


def test_bad_arguments():
    with pytest.raises(ValueError, match="`k`"):
        moe.TopKRouter(D, M, 7)
    with pytest.raises(ValueError, match="`capacity_factor`"):
        moe.PriceRouter(D, M, capacity_factor=0)
    with pytest.raises(ValueError, match="`gate`"):
        moe.PriceRouter(D, M, gate="relu")
    with pytest.raises(ValueError, match="`score`"):
        moe.PriceRouter(D, M, score="relu")
    with pytest.raises(ValueError, match="`train`"):
        moe.PriceRouter(D, M, train="later")
    with pytest.raises(ValueError, match="features"):
        make("price")(torch.zeros(3, D + 1))
    with pytest.raises(ValueError, match="`padding_mask`"):
        make("price")(tokens(), torch.zeros(3))
    with pytest.raises(ValueError, match="needs prices"):
        moe.TopKRouter(D, M, gate="plan")(tokens())
    with pytest.raises(ValueError, match="`scores` must be finite"):
        make("price")(torch.full((4, D), torch.nan))
