"""PriceRouter: causal where it says so, exact where it says so, and its state."""

import warnings

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from ml_apps import moe
from otopt.nn import capped_simplex

N, D, M = 256, 16, 8


def tokens(seed=0, n=N):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, D)).astype(np.float32)) * 2


def trained(steps=4, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        router = moe.PriceRouter(D, M, **options)
    for step in range(steps):
        router(tokens(step))
        router.update()
    return router


def test_exact_capacity_from_the_first_step():
    for k in (1, 3):
        router = trained(0, k=k)
        for step in range(4):
            output = router(tokens(step))
            router.update()
            assert (output.metrics["load"] == N * k // M).all()
            assert output.keep.all()
            assert output.metrics["dropped"] == 0


def test_prices_keep_up_with_a_router_that_learns_fast():
    router = trained(1)
    generator = torch.Generator().manual_seed(5)
    lost, moved = [], []
    for step in range(6):
        with torch.no_grad():
            router.weight.copy_(torch.randn(M, D, generator=generator) / D**0.5)
        x = tokens(step)
        chosen = router(x).indices[:, 0].numpy()
        router.update()
        scores = router.logits(x).detach().double().numpy()
        rows, places = linear_sum_assignment(-scores.repeat(N // M, axis=1))
        best = scores[rows, places // (N // M)].mean()
        lost.append(best - scores[np.arange(N), chosen].mean())
        moved.append(((scores - router.price.numpy()).argmax(axis=1) != chosen).mean())
    assert np.mean(lost) < 0.04  # two passes a step lose 0.07,
    assert np.mean(moved) < 0.03  # and leave 8 % of the tokens to the repair


@pytest.mark.parametrize("mode", ["eval", "lagged"])
def test_future_tokens_change_nothing(mode):
    router = trained(4, train="lagged", warmup_steps=2, capacity_factor=None)
    if mode == "eval":
        router.eval()
    x = tokens(9)
    changed = x.clone()
    changed[N // 2 :] = tokens(10)[N // 2 :] * 5
    one, other = router(x), router(changed)
    assert torch.equal(one.indices[: N // 2], other.indices[: N // 2])
    assert torch.equal(one.weights[: N // 2], other.weights[: N // 2])
    assert torch.equal(one.keep[: N // 2], other.keep[: N // 2])


def test_in_batch_routing_does_see_the_batch():
    router = trained(4)
    x = tokens(9)
    changed = x.clone()
    changed[N // 2 :] += 4 * router.weight[0].detach()  # all of them like one expert now
    assert not torch.equal(router(x).indices[: N // 2], router(changed).indices[: N // 2])


def test_decoding_in_chunks_and_other_batches_change_nothing():
    router = trained(4).eval()
    x = tokens(9)
    whole = router(x)
    for sizes in ([N], [1] * N, [100, 1, 155]):
        parts = [router(part) for part in x.split(sizes)]
        assert torch.equal(torch.cat([p.indices for p in parts]), whole.indices)
        torch.testing.assert_close(torch.cat([p.weights for p in parts]), whole.weights)
    shuffled = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    assert torch.equal(router(x[shuffled]).indices, whole.indices[shuffled])


def test_the_plan_gate_passes_gradcheck():
    rng = np.random.default_rng(0)
    for k, reg in ((1, 0.8), (2, 0.8), (3, 2.0)):
        x = torch.from_numpy(rng.normal(size=(9, 6))).requires_grad_()
        assert torch.autograd.gradcheck(lambda x, k=k, reg=reg: capped_simplex(x, k, reg), x)
        assert torch.autograd.gradgradcheck(
            lambda x, k=k, reg=reg: capped_simplex(x, k, reg) ** 2, x
        )
    router = trained(3, k=2, gate="plan", smoothing=0.5)
    x = tokens(5)

    def weights(W):
        logits = x.double() @ W.T
        return router.weights(logits, None, routing)

    routing = router(x)
    W = router.weight.detach().double().requires_grad_()
    assert torch.autograd.gradcheck(weights, W, eps=1e-7, atol=1e-4)


def test_capped_simplex_rows():
    x = torch.tensor([[1.0, 1.0, 1.0, 1.0], [9.0, 1.0, 1.0, 0.0], [3.0, 2.0, 0.0, 0.0]])
    p = capped_simplex(x, 2, 0.5)
    expected = [[0.5] * 4, [1, 0.5, 0.5, 0], [1, 1, 0, 0]]
    torch.testing.assert_close(p, torch.tensor(expected))
    torch.testing.assert_close(capped_simplex(x, 4, 0.5), torch.ones(3, 4))
    for bad in ({"k": 5}, {"k": 0}, {"reg": 0.0}):
        with pytest.raises(ValueError, match="capped_simplex"):
            capped_simplex(x, **bad)
    with pytest.raises(TypeError, match="two axes"):
        capped_simplex(x[0])


def test_a_repeated_forward_counts_once():
    for mode in ("in_batch", "lagged"):
        one = trained(2, train=mode, warmup_steps=1, capacity_factor=None)
        other = trained(2, train=mode, warmup_steps=1, capacity_factor=None)
        one(tokens(7))
        one.update()
        for _ in range(3):  # as activation checkpointing does
            other(tokens(7))
        with torch.no_grad():
            other(tokens(8))
        other.update()
        assert torch.equal(one.price, other.price)
        assert torch.equal(one.step, other.step)
        one.update()  # nothing was seen since
        assert torch.equal(one.step, other.step)


def test_parts_of_a_batch_add_up_where_prices_lag():
    one = trained(2, train="lagged", warmup_steps=1, capacity_factor=None)
    other = trained(2, train="lagged", warmup_steps=1, capacity_factor=None)
    one(tokens(7))
    for part in tokens(7).split(64):
        other(part)
    one.update()
    other.update()
    torch.testing.assert_close(one.price, other.price, rtol=1e-5, atol=1e-6)


def test_lagged_prices_find_balance():
    router = trained(0, train="lagged", warmup_steps=1, capacity_factor=None)
    spread = []
    for step in range(30):
        spread.append(float(router(tokens(step)).metrics["max_over_mean"]))
        router.update()
    assert np.mean(spread[10:]) < 1.35  # sampling noise of 32 tokens an expert
    assert not router.routes_in_batch


def test_in_batch_warns_where_order_matters():
    with pytest.warns(UserWarning, match="lagged"):
        moe.PriceRouter(D, M, causal=True, train="in_batch")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert moe.PriceRouter(D, M, causal=True).train_mode == "lagged"


def test_a_router_that_is_never_updated_says_so():
    router = trained(0)
    for _ in range(99):
        router(tokens(0, 16))
    with pytest.warns(UserWarning, match="update"):
        router(tokens(0, 16))


def test_the_hook_of_an_optimiser_updates():
    router = trained(0)
    optimizer = torch.optim.SGD(router.parameters(), lr=0.1)
    moe.attach(router, optimizer)
    router(tokens()).weights.sum().backward()
    optimizer.step()
    assert router.steps == 1


def test_state_goes_on_where_it_was():
    router, again = trained(4), trained(0)
    again.load_state_dict(router.state_dict())
    assert again.steps == 4
    for r in (router, again):
        r(tokens(11))
        r.update()
    assert torch.equal(router.price_ema, again.price_ema)


def test_freeze_calibrate_and_export():
    router = trained(4).freeze()
    before = router.price_ema.clone()
    router(tokens(20))
    router.update()
    assert torch.equal(router.price_ema, before)
    router.freeze(False).calibrate([tokens(1), tokens(2)])
    x = torch.cat([tokens(1), tokens(2)])
    assert router.eval()(x).metrics["max_over_mean"] < 1.05
    torch.testing.assert_close(router.export_bias(), -router.price_ema)


def test_odd_numbers():
    for n, k in ((3, 1), (1, 8), (5, 8), (17, 2)):
        router = trained(0, k=k)
        for _ in range(2):
            output = router(tokens(0, n))
            router.update()
            assert output.keep.all()
            assert output.metrics["load"].max() <= -(-n * k // M)
    router = trained(0)
    assert router(torch.zeros(64, D)).metrics["load"].tolist() == [8.0] * 8  # nothing but ties
    single = moe.PriceRouter(D, 1)
    assert single(tokens()).keep.all()
