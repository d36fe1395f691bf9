"""Training goes on exactly, improves on chance, and the pieces around it do what they say."""

import json
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

from ml_apps.ssl import (
    augment,
    evaluate,
    models,
    optim,
    recipes,
    study_duality,
    study_psco,
    study_vmf,
    train,
)
from ml_apps.ssl.training import Config, Run, load_data


def images(n=48, c=1, size=8):
    return torch.rand(n, c, size, size, generator=torch.Generator().manual_seed(0))


def config(method, **settings):
    return Config(method=method, steps=6, batch=16, widths=(16, 8), **settings)


def weights(run):
    return {k: v.clone() for k, v in run.model.state_dict().items()}


@pytest.mark.parametrize("method", recipes.METHODS)
def test_every_method_takes_a_step(method):
    run = Run(config(method), images())
    before = weights(run)
    run.train(2)
    moved = [k for k, v in run.model.named_parameters() if v.requires_grad]
    assert all(not torch.equal(before[k], weights(run)[k]) for k in moved if "weight" in k)
    assert run.features(images()).shape == (48, run.model.encoder.dim)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("vicreg", {}),
        ("simclr", {"optimizer": "lars"}),
        ("dino-vmf", {"crops": 2}),
        (
            "psco",
            {"optimizer": "sgd", "settings": {"assignment": "bmatch", "num_shots": 2, "queue": 40}},
        ),
    ],
)
def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path, method, settings):
    c = config(method, **settings, encoder="conv")
    whole = Run(c, images()).train()
    Run(c, images(), tmp_path).train(2)
    half = Run(c, images(), tmp_path).resume()
    assert half.step == 2
    half.train(4)
    again = Run(c, images(), tmp_path).resume().train()
    for (name, one), (_, other) in zip(weights(whole).items(), weights(again).items(), strict=True):
        assert torch.equal(one, other), name
    assert [p.name for p in tmp_path.glob("*.partial")] == []
    steps = [json.loads(x)["step"] for x in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert steps == [2, 4, 6]
    with pytest.raises(ValueError, match="another configuration"):
        Run(config("barlow"), images(), tmp_path).resume()


def test_global_randomness_is_neither_used_nor_changed():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = weights(Run(config("vicreg"), images()).train())
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    other = weights(Run(config("vicreg"), images()).train())
    assert all(torch.equal(one[k], other[k]) for k in one)


def test_an_optimizer_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"optimizer must be one of .*; got 'adam'"):
        Run(config("vicreg", optimizer="adam"), images())


def test_a_loss_that_is_not_finite_stops_the_run():
    run = Run(config("vicreg"), images() * float("nan"))
    with pytest.raises(ArithmeticError, match="at step 0; lower lr"):
        run.train()


def test_command_line_trains_goes_on_and_refuses_unknown_fields(tmp_path, capsys):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"steps": 3, "batch": 32, "widths": [16, 8]}))
    call = ["--method", "barlow", "--config", str(file), "--out", str(tmp_path / "run")]
    call += ["--limit", "150"]
    assert train.main(call) == 0
    assert train.main(call) == 0
    assert "going on from step 3" in capsys.readouterr().out
    file.write_text('{"epochs": 3}')
    with pytest.raises(SystemExit):
        train.main(call)
    assert "no such field: epochs" in capsys.readouterr().err


def test_augmentation_keeps_shapes_and_follows_its_generator():
    def g():
        return torch.Generator().manual_seed(0)

    for c, name in ((1, "digits"), (1, "grey"), (3, "colour")):
        x, a = images(6, c, 12), augment.AUGMENTATIONS[name]
        one, other = augment.two_view(x, a, generator=g())
        assert one.shape == other.shape == x.shape
        assert not torch.equal(one, other)
        assert torch.equal(one, augment.two_view(x, a, generator=g())[0])
    crops = augment.multi_crop(images(6, 3, 16), a, generator=g(), local=3)
    assert [v.shape[-1] for v in crops] == [16, 16, 8, 8, 8]
    with pytest.raises(ValueError, match="1 or 3, h, w"):
        augment.two_view(torch.rand(2, 5, 8, 8), a, generator=g())


def test_augmentation_that_does_nothing_and_each_part_of_it():
    off = augment.Augmentation((1, 1), 1, 0, 0, (0, 0, 0, 0), 0, 0, 0, 0, 0)
    g, x = torch.Generator().manual_seed(0), images(5, 3, 9)
    view = augment.two_view(x, off, generator=g)[0]
    torch.testing.assert_close(view, x, rtol=0, atol=1e-5)
    loud = off._replace(jitter=(0.5, 0.5, 0.5, 0.5), jitter_probability=1, noise=0.3, rotation=20)
    strong, weak = augment.strong_and_weak(x, loud, generator=g)
    torch.testing.assert_close(weak, x, rtol=0, atol=1e-5)
    assert (strong - x).abs().mean() > 0.1
    flipped = augment.two_view(x, off._replace(flip=1), generator=g)[0]
    torch.testing.assert_close(flipped, x.flip(-1), rtol=0, atol=1e-5)
    grey = augment.two_view(x, off._replace(grey=1), generator=g)[0]
    luma = (x * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(grey, luma.expand_as(x), rtol=0, atol=1e-2)
    inverted = augment.two_view(x, off._replace(solarize=1), generator=g)[0]
    assert inverted.max() <= 0.5 + 1e-5
    blurred = augment.two_view(x, off._replace(blur=1), generator=g)[0]
    assert blurred.var() < x.var()
    torch.testing.assert_close(blurred.mean(), x.mean(), rtol=0.05, atol=0)


def test_encoders_and_masks():
    for name, make in models.ENCODERS.items():
        net = make(3, 16)
        assert net(images(4, 3, 16)).shape == (4, net.dim), name
    grid = models.SmallConv(1, 9, dim=8, pooled=False)
    assert grid(images(4, 1, 9)).shape == (4, 8 * 4) == (4, grid.dim)
    vit = models.ViTTiny(3, 16, dim=12, depth=1, heads=2).eval()
    mask = torch.zeros(4, 16, dtype=torch.bool)
    mask[:, 3] = True
    x = images(4, 3, 16)
    assert vit.tokens(x, mask).shape == (4, 17, 12)
    changed = x.clone()
    changed[:, :, 0:4, 12:16] = 0  # patch 3
    torch.testing.assert_close(vit.tokens(x, mask), vit.tokens(changed, mask))
    assert not torch.allclose(vit.tokens(x), vit.tokens(changed))
    assert vit(images(4, 3, 8)).shape == (4, 12)


def test_lars_takes_the_step_of_its_formula():
    w = torch.nn.Parameter(torch.tensor([[3.0, 4.0]]))
    b = torch.nn.Parameter(torch.tensor([1.0]))
    opt = optim.LARS([w, b], 2.0, momentum=0.5, weight_decay=0.0, eta=0.1)
    for _ in range(2):
        opt.zero_grad()
        (w[0, 0] * 7 + 3 * b).sum().backward()
        opt.step()
    # Direction of norm 0.1 |w| = 0.5 first; then 0.5 * 0.5 + 0.1 |(2, 4)|.
    assert w[0, 0].item() == pytest.approx(3 - 1.0 - 2 * (0.25 + 0.1 * 20**0.5))
    assert b.item() == pytest.approx(1 - 2 * 3 - 2 * 4.5)


def test_schedule_and_moving_average():
    values = [optim.cosine(t, 10, start=2.0, end=1.0, warmup=2) for t in range(11)]
    assert values[:3] == [1.0, 2.0, 2.0]
    assert values[6] == pytest.approx(1.5)
    assert values[10] == pytest.approx(1.0)
    a, b = torch.nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    with torch.no_grad():
        b.weight.fill_(3)
        b.running_mean.fill_(5)
    optim.ema_update(a, b, 0.75)
    assert a.weight.tolist() == [1.5, 1.5]
    assert a.running_mean.tolist() == [5, 5]


def test_probes_on_classes_that_are_apart():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    z = 4 * F.one_hot(labels, 4).float() + 0.5 * torch.randn(200, 4, generator=g)
    halves = z[:100], labels[:100], z[100:], labels[100:]
    assert evaluate.knn(*halves) > 0.97
    assert evaluate.linear_probe(*halves) > 0.97
    few = evaluate.few_labels(*halves, per_class=3, draws=4)
    assert few.mean > 0.95
    assert len(few.accuracies) == 4
    noise = halves[0], labels[torch.randperm(100, generator=g)], *halves[2:]
    assert evaluate.linear_probe(*noise) < 0.6
    with pytest.raises(ValueError, match="every class needs per_class = 90"):
        evaluate.few_labels(*halves, per_class=90)


def test_interval_is_that_of_students_t():
    mean, half = evaluate.t_interval([1.0, 2.0, 3.0])
    assert mean == 2
    assert half == pytest.approx(4.302653 / 3**0.5, rel=1e-5)


def test_normaliser_is_worth_a_third_of_the_points_at_ratio_four():
    for seed in range(3):
        found = study_vmf.accuracies(study_vmf.mixture(4, n=2000, seed=seed))
        assert found["with"] - found["without"] >= 0.3
        assert found["with"] > found["equal"]
        same = study_vmf.accuracies(study_vmf.mixture(1, n=500, seed=seed))
        assert same["with"] == same["without"] == same["equal"]


def test_study_tells_methods_from_seeds():
    g = torch.Generator().manual_seed(0)
    noise = torch.randn(6, 5, generator=g, dtype=torch.float64)
    seeds = 10 * torch.randn(5, generator=g, dtype=torch.float64)  # shared by all methods
    assert study_duality.compare(noise + seeds)[2] > 0.05
    apart = noise + seeds + 3 * torch.arange(6)[:, None]
    between, within, pvalue = study_duality.compare(apart)
    assert pvalue < 1e-6
    assert within == pytest.approx(1, rel=0.5)
    assert between > 4


def test_study_goes_on_where_it_stopped(tmp_path, monkeypatch, capsys):
    calls = []

    def measure(**cell):
        calls.append(cell)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return {"accuracy": 0.5 + 0.01 * len(calls), "rankme": 3.0}

    monkeypatch.setattr(study_duality, "measure", measure)
    call = ["--quick", "--out", str(tmp_path / "a.json")]
    assert study_duality.main(call) == 0
    assert "stopped" in capsys.readouterr().out
    assert study_duality.main(call) == 0
    done = len(calls)
    assert done == 1 + len(study_duality.cells("digits", 2, 40, quick=True))
    assert study_duality.main(call) == 0
    assert len(calls) == done
    with pytest.raises(SystemExit):
        study_duality.main([*call, "--limit", "100"])
    assert "was measured with --limit 4000; got 100" in capsys.readouterr().err
    assert len(calls) == done


def test_digits_are_split_without_overlap():
    (x, y), (x_test, _) = load_data("digits"), load_data("digits", "test")
    assert x.shape == (1200, 1, 8, 8)
    assert x_test.shape == (597, 1, 8, 8)
    assert 0 <= x.min() <= x.max() <= 1
    assert y.unique().tolist() == list(range(10))


def test_torch_alone_is_enough():
    # Everything but the solver of double_normalize, the data and the intervals.
    code = """
import sys
for name in ("scipy", "numba", "sklearn", "torchvision", "matplotlib", "rich", "otopt"):
    sys.modules[name] = None
import ml_apps.ssl
assert "torch" not in sys.modules
import torch
from ml_apps.ssl import augment, centering, criteria, evaluate, losses, metrics, models, optim, vmf
z = torch.randn(8, 4)
for name in losses.__all__:
    getattr(losses, name)
assert losses.VICRegLoss()(z, z + 1).isfinite()
assert vmf.log_normalizer(torch.ones(()), 8).isfinite()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_study_of_psco_goes_on_judges_and_draws(tmp_path, monkeypatch, capsys):
    g = torch.Generator().manual_seed(0)
    y = torch.arange(21 * 30) % 30
    pictures = torch.rand(30, 1, 28, 28, generator=g)[y] + 0.1 * torch.rand(
        630, 1, 28, 28, generator=g
    )
    monkeypatch.setattr(study_psco, "load", lambda split: (pictures, y))
    monkeypatch.setattr(study_psco, "BATCH", 8)
    monkeypatch.setattr(study_psco.Config, "__init__", _small(study_psco.Config.__init__))
    real, calls = study_psco.measure, []

    def measure(method, seed, steps, tasks, few):
        calls.append((method, seed))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(method, seed, 2, 3, 2)

    monkeypatch.setattr(study_psco, "measure", measure)
    call = ["--quick", "--out", str(tmp_path / "a.json")]
    assert study_psco.main(call) == 0
    assert "stopped" in capsys.readouterr().out
    assert study_psco.main([*call, "--resume"]) == 0
    assert len(calls) == 1 + len(study_psco.jobs(True, 2))
    assert study_psco.main([*call, "--resume"]) == 0
    assert len(calls) == 1 + len(study_psco.jobs(True, 2))
    assert "nothing here can be compared with the table" in capsys.readouterr().out.replace(
        "\n", " "
    )
    run = json.loads((tmp_path / "a.json").read_text())
    assert (tmp_path / "a.png").exists()
    matched = [r for r in run["runs"] if r["method"] == "bmatch"]
    assert all(r["certified"] and r["distinct"] == r["picks"] for r in matched)
    mean, seeds, tasks, both = study_psco.interval(matched, "5w1s")
    found = [r["results"]["5w1s"] for r in matched]
    assert mean == pytest.approx(sum(f["accuracy"] for f in found) / 2)
    assert tasks == pytest.approx(sum(f["half_width"] for f in found) / 2)
    assert both == pytest.approx((seeds**2 + tasks**2) ** 0.5)


def _small(init):
    def smaller(self, **settings):
        loss = settings["settings"] | {"queue": 32}
        init(self, **settings | {"settings": loss, "widths": (8, 4)})

    return smaller
