"""The data model against its theory, the regulariser against its formula, and what is refused."""

import functools
import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ml_apps.ssl import evaluate, hidden_factors, models, recipes
from ml_apps.ssl.finetune import Finetuning, FinetuningConfig
from ml_apps.ssl.hidden_factors import HiddenFactors, factor_weights, representation
from ml_apps.ssl.losses import ContrastiveRegularizer, NTXentLoss, VICRegLoss
from ml_apps.ssl.study_tradeoff import __main__ as study
from ml_apps.ssl.study_tradeoff import factors, report
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


def regularized(theta=0.3, **settings):
    h_a, h_b = two_views(6, 4)
    logits = h_a @ torch.randn(4, 3, generator=generator(), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2, 1, 0])
    return ContrastiveRegularizer(NTXentLoss(0.3), theta, **settings), logits, labels, h_a, h_b


def test_regulariser_is_the_sum_of_its_parts():
    loss, logits, labels, h_a, h_b = regularized()
    found = loss.components(logits, labels, h_a, h_b)
    entropy = -torch.stack([F.log_softmax(row, 0)[c] for row, c in zip(logits, labels)]).mean()  # noqa: B905
    torch.testing.assert_close(found.supervised, entropy)
    torch.testing.assert_close(found.contrastive, NTXentLoss(0.3)(h_a, h_b))
    torch.testing.assert_close(found.total, entropy + 0.3 * NTXentLoss(0.3)(h_a, h_b))
    assert loss(logits, labels, h_a, h_b) == found.total
    plain = regularized(0.0)[0]
    assert plain(logits, labels, h_a, h_b) == found.supervised


def test_gradcheck_of_the_regulariser_with_a_head_and_other_losses():
    _, logits, labels, h_a, h_b = regularized()
    head = torch.nn.Linear(4, 3).double()
    for contrastive in (NTXentLoss(0.3), VICRegLoss()):
        loss = ContrastiveRegularizer(contrastive, 0.7, projector=head)
        inputs = [t.detach().requires_grad_() for t in (logits, h_a, h_b)]
        assert torch.autograd.gradcheck(lambda o, a, b, f=loss: f(o, labels, a, b), inputs)
        loss(inputs[0], labels, *inputs[1:]).backward()
        assert head.weight.grad.abs().sum() > 0
        assert any(p is head.weight for p in loss.parameters())


@pytest.mark.parametrize("theta", [-0.1, math.nan, math.inf, None])
def test_weights_that_are_none_are_refused(theta):
    with pytest.raises(ValueError, match="theta must be a finite number >= 0; got"):
        ContrastiveRegularizer(NTXentLoss(), theta)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "labels must be a tensor of int64, one for every image; got None"),
        ({"labels": torch.ones(6)}, "labels must be a tensor of int64.*got torch.float32"),
        ({"labels": torch.zeros(5, dtype=torch.int64)}, r"shape \(6,\).*got \(5,\); leave images"),
        ({"labels": torch.tensor([0, 1, 2, -1, 1, 0])}, r"in \[0, 3\); got -1 to 2"),
        ({"labels": torch.tensor([0, 1, 3, 0, 1, 0])}, r"in \[0, 3\); got 0 to 3"),
        ({"logits": torch.full((6, 3), math.nan)}, "logits must be finite; got NaN"),
        ({"logits": torch.zeros(5, 3)}, r"logits must have shape \(6, classes\).*got \(5, 3\)"),
        ({"h_b": torch.full((6, 4), math.inf).double()}, "h_b must be finite"),
        ({"h_a": torch.full((6, 4), math.nan).double()}, "h_a must be finite"),
        ({"h_b": torch.zeros(6, 5)}, "two views of one batch"),
    ],
)
def test_bad_batches_are_refused(change, message):
    loss, logits, labels, h_a, h_b = regularized()
    given = {"logits": logits, "labels": labels, "h_a": h_a, "h_b": h_b} | change
    with pytest.raises(ValueError, match=message):
        loss(**given)


def test_a_loss_that_cannot_be_called_is_refused():
    with pytest.raises(ValueError, match=r"contrastive must be a loss.*got str"):
        ContrastiveRegularizer("simclr")


def blobs(n=40, seed=0):
    """Images of two classes: bright above, or bright below."""
    labels = torch.arange(n) % 2
    x = 0.3 * torch.rand(n, 1, 8, 8, generator=generator(seed))
    x[labels == 0, :, :4] += 0.6
    x[labels == 1, :, 4:] += 0.6
    return x, labels


def config(**settings):
    usual = {"steps": 6, "batch": 16, "widths": (16, 8), "classes": 2, "data": "mnist"}
    return FinetuningConfig(**(usual | settings))


def encoder(seed=0):
    return recipes.build("simclr", encoder="conv", size=8, widths=(16, 8), seed=seed)


def test_fine_tuning_learns_and_leaves_the_encoder_it_was_given():
    net = encoder()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    for theta in (0.0, 0.3):
        run = Finetuning(config(steps=40, theta=theta, lr=3e-3), *blobs(), net.encoder,
                         projector=net.projector)  # fmt: skip
        run.train()
        assert run.accuracy(*blobs(seed=1)) > 0.9
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    moved = run.model.regularizer.projector.state_dict()
    assert any(not torch.equal(moved[k], v) for k, v in net.projector.state_dict().items())


def test_fine_tuning_that_was_stopped_ends_as_one_that_was_not(tmp_path):
    net = encoder()
    make = functools.partial(Finetuning, config(), *blobs(), net.encoder)
    whole = make().train()
    make(tmp_path).train(2)
    again = make(tmp_path).resume()
    assert again.step == 2
    again.train()
    for (name, one), other in zip(
        whole.model.state_dict().items(), again.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    with pytest.raises(ValueError, match="another configuration"):
        Finetuning(config(theta=0.2), *blobs(), net.encoder, tmp_path).resume()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, r"labels must be a tensor of shape \(40,\).*got None"),
        (torch.zeros(39, dtype=torch.int64), r"got \(39,\); leave images without a label out"),
        (torch.full((40,), -1), r"labels must be in \[0, 2\); got -1 to -1"),
    ],
)
def test_fine_tuning_refuses_missing_labels(labels, message):
    with pytest.raises(ValueError, match=message):
        Finetuning(config(), blobs()[0], labels, models.SmallConv(1, 8))


def test_fine_tuning_refuses_images_losses_and_weights_that_are_none():
    x, y = blobs()
    net = models.SmallConv(1, 8)
    with pytest.raises(ValueError, match="images must be finite"):
        Finetuning(config(), x * math.nan, y, net)
    with pytest.raises(ValueError, match="method must be one of"):
        Finetuning(config(method="dino"), x, y, net)
    with pytest.raises(ValueError, match=r"theta must be a finite number >= 0; got -0\.1"):
        Finetuning(config(theta=-0.1), x, y, net)


def test_crossed_interval_covers_rows_and_columns():
    mean, half = evaluate.crossed_interval([[1.0, 2.0], [3.0, 4.0]])
    # Means of rows 1.5 and 3.5, of columns 2 and 3: variances 2 and 1/2, each over 2.
    assert mean == 2.5
    freedom = 1.25**2 / (1 + 0.25**2)
    from scipy.stats import t

    assert half == pytest.approx(t.ppf(0.975, freedom) * 1.25**0.5)
    assert evaluate.crossed_interval([[1.0, 2.0]])[1] == math.inf
    assert evaluate.crossed_interval([[1.0, 1.0], [1.0, 1.0]]) == (1.0, 0.0)
    g = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        table = g.normal(size=(4, 1)) + 0.5 * g.normal(size=(1, 4)) + 0.3 * g.normal(size=(4, 4))
        mean, half = evaluate.crossed_interval(table)
        inside += abs(mean) <= half
    assert 0.91 <= inside / 300 <= 0.99


def test_tuned_probe_takes_the_penalty_that_validates():
    g = generator()
    y = torch.arange(300) % 2
    z = torch.randn(300, 30, generator=g) + 0.8 * (2 * y[:, None] - 1) * F.one_hot(
        torch.tensor(0), 30
    )
    parts = (z[:20], y[:20], z[20:150], y[20:150], z[150:], y[150:])
    single = {l2: evaluate.linear_probe(*parts[:4], l2=l2) for l2 in (1e-4, 1.0, 10.0)}
    best = max(sorted(single, reverse=True), key=single.get)
    found = evaluate.tuned_probe(*parts, l2s=single)
    assert found == evaluate.linear_probe(*parts[:2], *parts[4:], l2=best)


def fake_images(mixture, seed, per_class, draw, steps, tuning_steps):
    del steps, tuning_steps
    accuracy = {"probe": 0.7 + 0.01 * seed, "theta=0": 0.8 + 0.01 * draw}
    accuracy |= {f"theta={t}": 0.8 + t / 10 for t in ("0.03", "0.1", "0.3") for t in [float(t)]}
    return {
        "part": "images", "mixture": mixture, "seed": seed, "per_class": per_class, "draw": draw,
        "accuracy": accuracy, "others": {"a": 0.5, "b": 0.6} if per_class == 5 else {},
    }  # fmt: skip


def test_study_goes_on_where_it_stopped_draws_and_judges(tmp_path, monkeypatch, capsys):
    calls = []

    def measured(*cell):
        calls.append(cell)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fake_images(*cell)

    monkeypatch.setitem(study.MEASURE, "images", measured)
    repeated = factors.measure(0, 20_000, 1)
    monkeypatch.setitem(study.MEASURE, "factors", lambda *cell: repeated | {"seed": cell[0]})
    call = ["--quick", "--resume", "--out", str(tmp_path / "a.json")]
    with monkeypatch.context() as undrawn:
        undrawn.setattr(study.plots, "draw", lambda *_: None)
        study.main(call)
        assert "stopped" in capsys.readouterr().out
        study.main(call)
    assert len(calls) == 1 + 8
    assert study.main(call) == 0
    assert len(calls) == 9
    out = capsys.readouterr().out
    assert "largest deviation" in out
    assert "wins back" in out
    assert "What it cannot" in out
    run = json.loads((tmp_path / "a.json").read_text())
    assert [r["part"] for r in run["records"]].count("images") == 8
    assert (tmp_path / "a.png").stat().st_size > 10_000
    monkeypatch.setitem(study.QUICK, "images", study.QUICK["images"] | {"steps": 21})
    with pytest.raises(SystemExit):
        study.main(call)
    assert "was made with" in capsys.readouterr().err


def test_promises_are_broken_where_there_is_no_trade_off():
    flat = {name: [0.7] * len(factors.LABELS) for name in ("k=1", "k=8", "theta=1")}
    records = []
    for seed in range(3):
        target = flat | {"k=8": [0.69 - 0.001 * seed] * 5, "theta=1": [0.691] * 5}
        weights = {"k=1": {"deviation": 0.05}}
        records.append(
            {"part": "factors", "seed": seed, "weights": weights, "target": target, "average": flat}
        )
    assert [kept for _, _, kept in report.promises(records)] == [False] * 4
    assert report.promises(records[:1]) == []
    assert math.isnan(report.recovered([{"target": flat}] * 3, 1.0)[0])  # no fall, nothing won


def test_recovered_share_is_a_ratio_of_means():
    rows = [
        {"target": {"k=1": [0.9] * 5, "k=8": [0.9 - a] * 5, "theta=1": [0.9 - a + b] * 5}}
        for a, b in ((0.1, 0.05), (0.3, 0.2), (0.2, 0.2))
    ]
    ratio, half = report.recovered(rows, 1.0)
    assert ratio == pytest.approx(0.75)
    _, expected = evaluate.t_interval([0.05 - 0.075, 0.2 - 0.225, 0.2 - 0.15])
    assert half == pytest.approx(expected / 0.2)


def test_tables_of_a_study_that_was_stopped_anywhere():
    from rich.console import Console

    settings = {"seeds": 2, "draws": 2, "steps": 1, "tuning_steps": 1}
    jobs = study._jobs("images", settings, quick=False)
    records = [fake_images(*job[-1].args[1:]) for job in jobs]
    for stop in range(1, len(records) + 1):
        report.show(records[:stop], Console(quiet=True))
