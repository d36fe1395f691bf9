"""The data model of hidden factors against its theory."""

import functools
import math

import numpy as np
import pytest
import torch

from ml_apps.ssl import hidden_factors
from ml_apps.ssl.hidden_factors import HiddenFactors, factor_weights, representation
from tests.apps.ssl.cases import two_views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_exact_weights_are_those_of_the_theory(k):
    model = HiddenFactors()
    W = representation(model.cross_covariance(range(k)), model.rank(range(k)))
    expected = torch.zeros(model.dim, dtype=torch.float64)
    expected[:4] = 1
    expected[4 : 4 + 6 * k] = k**-0.5
    torch.testing.assert_close(factor_weights(W, model), expected, rtol=1e-10, atol=1e-7)


def test_sampled_weights_are_within_three_per_cent():
    model = HiddenFactors(shared=2, private=2, tasks=4, spurious=2)
    for k in (1, 2, 4):
        C = model.cross_covariance(range(k), 100_000, generator=generator(k))
        w = factor_weights(representation(C, model.rank(range(k))), model)
        np.testing.assert_allclose(w[:2], 1, rtol=0.03)
        np.testing.assert_allclose(w[2 : 2 + 2 * k], k**-0.5, rtol=0.03)
        assert w[2 + 2 * k :].max() < 0.1


def test_gradient_descent_on_the_contrastive_loss_ends_at_the_principal_components():
    model = HiddenFactors(shared=1, private=1, tasks=3, spurious=1)
    x_a, x_b = model.pairs([0, 1, 2], 3000, generator=generator())
    C = np.cov(x_a.T, x_b.T)[: model.dim, model.dim :]  # numpy judges the covariance
    best = representation(torch.as_tensor((C + C.T) / 2), 4)
    W = torch.randn(4, model.dim, generator=generator(1), dtype=torch.float64) / 3
    loss = functools.partial(hidden_factors.linear_contrastive_loss, x_a=x_a, x_b=x_b)
    optimizer = torch.optim.LBFGS([W.requires_grad_()], max_iter=300, tolerance_grad=1e-9,
                                  tolerance_change=0, line_search_fn="strong_wolfe")  # fmt: skip

    def closure():
        optimizer.zero_grad()
        value = loss(W)
        value.backward()
        return value

    optimizer.step(closure)
    torch.testing.assert_close(loss(W.detach()), loss(best), rtol=1e-9, atol=0)
    torch.testing.assert_close(W.detach().T @ W.detach(), best.T @ best, rtol=0, atol=1e-5)


def test_linear_contrastive_loss_is_its_formula_and_passes_gradcheck():
    x_a, x_b = two_views(7, 4)
    W = torch.randn(3, 4, generator=generator(), dtype=torch.float64)
    f_a, f_b = x_a @ W.T, x_b @ W.T
    pairs = [(i, j) for i in range(7) for j in range(7)]
    value = -sum(f_a[i] @ f_b[i] for i in range(7)) / 7
    value = value + sum(f_a[i] @ f_b[j] for i, j in pairs if i != j) / 42
    value = value + torch.linalg.matrix_norm(W @ W.T) ** 2 / 2
    found = hidden_factors.linear_contrastive_loss(W, x_a, x_b)
    torch.testing.assert_close(found, value, rtol=1e-12, atol=0)
    assert torch.autograd.gradcheck(
        hidden_factors.linear_contrastive_loss, [t.requires_grad_() for t in (W, x_a, x_b)]
    )


def test_views_agree_where_a_task_needs_it_and_streams_equal_batches():
    model = HiddenFactors(shared=2, private=1, tasks=3, spurious=2, nuisance=0.5)
    x_a, x_b = model.pairs([0, 2], 4000, generator=generator())
    z_a, z_b = x_a @ model.Q, x_b @ model.Q
    same = ((z_a - z_b).abs() < 1e-12).double().mean(dim=0)
    np.testing.assert_allclose(same, [1, 1, 0.5, 0, 0.5, 0, 0], atol=1e-12)
    np.testing.assert_allclose(z_a.std(dim=0)[[0, 3, 5]], [1, 0.5, 1], rtol=0.05)
    x, y = model.labelled(1, 500, torch.tensor([0.0, 0, 1]).double(), generator=generator())
    assert torch.equal(y > 0, (x @ model.Q)[:, 3] >= 0)
    C = model.cross_covariance([0, 2], 1001, generator=generator(3))
    in_chunks = model.cross_covariance([0, 2], 1001, generator=generator(3), chunk=1001)
    torch.testing.assert_close(C, in_chunks, rtol=1e-12, atol=1e-12)


def test_ridge_probe_is_scikit_learns_and_takes_the_penalty_that_validates():
    from sklearn.linear_model import Ridge

    model = HiddenFactors()
    direction = torch.ones(10, dtype=torch.float64)
    x, y = model.labelled(0, 700, direction, generator=generator())
    parts = [t.split([40, 300, 360]) for t in (x, y)]
    found = {}
    for penalty in (1e-3, 0.3, 30.0):
        ridge = Ridge(alpha=40 * penalty, fit_intercept=False).fit(parts[0][0], parts[1][0])
        right = [
            np.mean((ridge.predict(parts[0][i]) >= 0) == (parts[1][i] > 0).numpy()) for i in (1, 2)
        ]
        found[penalty] = right
        args = [t for pair in zip(*parts, strict=True) for t in pair]
        mine = hidden_factors.ridge_probe(*args, penalties=[penalty])
        assert mine == pytest.approx(right[1])
    best = max(sorted(found, reverse=True), key=lambda p: found[p][0])
    mine = hidden_factors.ridge_probe(*args, penalties=sorted(found, reverse=True))
    assert mine == pytest.approx(found[best][1])


def test_more_tasks_cost_labels_and_the_regulariser_wins_them_back():
    # The bars of the study, with exact representations and fewer draws: standard errors 0.008.
    model = HiddenFactors()
    C = {k: model.cross_covariance(range(k)) for k in (1, 8)}
    found = {
        "1": representation(C[1], 10),
        "8": representation(C[8], 52),
        "repaired": representation(C[8] + C[1], 52),
    }

    def accuracy(task, repetitions, model=model):
        drawn = hidden_factors.sample_complexity(
            model, found, task, [20, 200], repetitions=repetitions, generator=generator(),
            test=500,
        )  # fmt: skip
        return {name: a.mean(dim=0) for name, a in drawn.items()}

    target, other = accuracy(0, 60), accuracy(5, 60)
    lost = target["1"] - target["8"]
    assert lost[0] > 0.05
    assert lost[0] > lost[1] > 0  # labels make up for it
    assert (target["repaired"] - target["8"])[0] > 2 / 3 * lost[0]
    assert (other["8"] - other["1"])[0] > 0.05  # what more tasks are for
    undisturbed = accuracy(0, 60, HiddenFactors(nuisance=0.0))
    assert abs(undisturbed["1"] - undisturbed["8"])[0] < lost[0] / 2  # nuisance is why


def test_draws_are_paired_and_smaller_sets_are_parts_of_larger_ones():
    model = HiddenFactors(shared=1, private=1, tasks=2, spurious=1)
    W = representation(model.cross_covariance([0]), 2)
    draw = functools.partial(hidden_factors.sample_complexity, model, task=0, repetitions=3)
    both = draw({"a": W, "b": W}, labels=[5, 9], generator=generator())
    assert torch.equal(both["a"], both["b"])
    alone = draw({"b": W}, labels=[5, 9], generator=generator())
    assert torch.equal(alone["b"], both["a"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shared": 0}, "shared must be an integer >= 1; got 0"),
        ({"tasks": 1.5}, "tasks must be an integer >= 1; got 1.5"),
        ({"spurious": -1}, "spurious must be an integer >= 0; got -1"),
        ({"nuisance": -1.0}, "nuisance must be a finite number >= 0; got -1.0"),
        ({"nuisance": math.nan}, "nuisance must be a finite number >= 0; got nan"),
    ],
)
def test_impossible_models_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        HiddenFactors(**settings)


def test_impossible_tasks_and_ranks_are_refused():
    with pytest.raises(ValueError, match=r"one of 0, ..., 7; got 8"):
        HiddenFactors().cross_covariance([8])
    with pytest.raises(ValueError, match=r"rank must be in \[1, 3\]; got 4"):
        representation(torch.eye(3), 4)
    with pytest.raises(ValueError, match="C must be finite"):
        representation(torch.full((3, 3), math.nan), 2)
    with pytest.raises(ValueError, match="two views of one batch"):
        hidden_factors.linear_contrastive_loss(torch.eye(2), torch.ones(3, 2), torch.ones(4, 2))
