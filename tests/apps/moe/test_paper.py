"""The routers of the paper beside an independent computation of their objective."""

import itertools

import numpy as np
import pytest
import torch

from ml_apps import moe
from ml_apps.moe.paper import semi_dual, solve_semi_dual
from otopt._kernels import reference


def problem(n, m, seed=0):
    rng = np.random.default_rng(seed)
    similarity = torch.from_numpy(rng.normal(size=(n, m)) * 2).softmax(dim=1)
    return similarity, torch.full((m,), n / m).double(), torch.ones(n).double()


@pytest.mark.parametrize(("n", "m", "k"), [(24, 4, 6), (60, 6, 10), (16, 8, 3)])
def test_objective_is_the_semi_dual(n, m, k):
    similarity, target, source = problem(n, m)
    for steps in (0, 20):
        alpha, plan = solve_semi_dual(similarity, target, source, k, steps)
        value, gradient, _ = semi_dual(alpha, similarity, target, source, k)
        # The kernels of sparse_ot, written for another purpose: cost = -similarity, reg = gamma.
        columns, _, rows, mass = reference.top_k_conjugate(
            alpha.numpy(), -similarity.T.numpy(), target.numpy(), np.full(m, k), 1.0, 1
        )
        constant = 0.5 * float((target**2).sum())
        expected = columns.sum() + constant - float(source @ alpha)
        assert value.item() == pytest.approx(expected, rel=1e-6)
        loads = np.bincount(rows[rows >= 0], mass[rows >= 0], minlength=n)
        np.testing.assert_allclose(gradient.numpy(), loads - 1, atol=1e-6)
        np.testing.assert_allclose(plan.sum(dim=1).numpy(), loads, atol=1e-6)
        assert ((plan > 0).sum(dim=0) <= k).all()


def test_more_steps_come_closer():
    similarity, target, source = problem(96, 6)
    values = [
        semi_dual(solve_semi_dual(similarity, target, source, 16, steps)[0],
                  similarity, target, source, 16)[0].item()
        for steps in (0, 20, 200, 1000)
    ]  # fmt: skip
    assert all(later < earlier for earlier, later in itertools.pairwise(values))


def test_router_dispatches_its_plan():
    router = moe.PaperSparseOTRouter(8, 4)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32))
    output = router(x)
    assert output.metrics["load"].max() <= 16
    _, chosen = output.dense()
    similarity = output.probs.detach()
    _, plan = solve_semi_dual(similarity, torch.full((4,), 16.0), torch.ones(64), 16)
    assert torch.equal(chosen, plan > 0)
    assert router.eval()(x).keep.shape == output.keep.shape
    token_wise = moe.PaperSparseOTRouter(8, 4, token_wise_eval=True).eval()
    assert torch.equal(token_wise(x[:5]).indices, token_wise(x).indices[:5])


def test_rows_variant_moves_prices_of_experts():
    router = moe.PaperRowSparseRouter(8, 4, steps=400)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(256, 8)).astype(np.float32)) * 2
    output = router(x)
    plain = torch.bincount(output.probs.argmax(dim=1), minlength=4).max() / 64
    assert output.metrics["max_over_mean"] < plain
