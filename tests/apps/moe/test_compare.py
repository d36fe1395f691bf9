"""The comparison on a few steps: paired, resumable, and honest about its promises."""

import json

import pytest
import torch

from ml_apps.moe.compare import __main__ as compare
from ml_apps.moe.compare import bars, text, train
from ml_apps.moe.compare.methods import METHODS
from ml_apps.moe.compare.model import CharacterModel


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(train, "load_text", lambda: text.load_text(400_000))
    monkeypatch.setattr(train, "EVALUATIONS", 1)


def test_the_text_is_the_same_for_a_seed():
    train_text, held_out = text.load_text(400_000)
    assert 0 <= train_text.min() <= train_text.max() < text.VOCABULARY
    assert min(len(train_text), len(held_out)) > 10_000
    one = text.batches(train_text, 3, 2, 8, seed=1)
    assert one.shape == (3, 2, 9)
    assert torch.equal(one, text.batches(train_text, 3, 2, 8, seed=1))
    assert not torch.equal(one, text.batches(train_text, 3, 2, 8, seed=2))


def test_a_run_can_be_cut_and_goes_on(small, tmp_path, capsys):
    path = tmp_path / "run.json"
    options = ["--steps", "3", "--seeds", "2", "--out", str(path)]
    names = ("OT in batch, exact", "top-1, unbalanced", "dense")
    routers = [x for name in names for x in ("--router", name)]
    assert compare.main([*options, *routers[:4]]) == 0
    first = json.loads(path.read_text())["records"]
    assert [(r["router"], r["seed"]) for r in first] == [(n, s) for s in (0, 1) for n in names[:2]]
    assert compare.main([*options, *routers, "--resume", "--check"]) == 1  # two seeds are too few
    run = json.loads(path.read_text())
    records = run["records"]
    assert len(run["resumed"]) == 1
    assert records[:4] == first
    assert len(records) == 6
    ours = records[0]
    assert ours["worst_load"] == 1
    assert ours["dropped_ever"] == 0
    assert ours["loss"] > 0
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out
    assert "Promises" in printed
    assert "\n  seeds\n" in printed[printed.index("broken:") :]


def test_seeds_make_the_difference(small):
    same = [train.run_one("top-1, unbalanced", 0, 2)["loss"] for _ in range(2)]
    assert same[0] == same[1]
    assert train.run_one("top-1, unbalanced", 1, 2)["loss"] != same[0]


def test_models_of_a_seed_differ_in_nothing_but_the_rule():
    models = []
    for name in ("OT in batch, exact", "top-1, unbalanced", "top-1, aux, cf 1.0"):
        with train._torch_seed(3):
            models.append(CharacterModel(text.VOCABULARY, METHODS[name].make))
    first, *others = [dict(model.named_parameters()) for model in models]
    for other in others:
        assert first.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in first.items())


@pytest.mark.parametrize("name", ["dense", "top-1, unbalanced"])
def test_places_and_layers_are_heard_from_the_start(name):
    with train._torch_seed(0):
        model = CharacterModel(text.VOCABULARY, METHODS[name].make)
    tokens = text.batches(text.load_text(400_000)[0], 1, 16, 64, seed=0)[0, :, :-1]
    x = model.embed(tokens)
    assert 0.7 < model.place.std() / x.std() < 1.4
    x = x + model.place
    for block in model.blocks:
        y = block(x)[0]
        assert (y - x).std() > x.std()  # tokens of variance 1 would drown it
        x = y


def test_figures_are_paired():
    def record(router, seed, loss):
        return {"router": router, "seed": seed, "loss": loss, "loss_in_batch": loss + 0.01,
                "worst_load": 1.0, "dropped_ever": 0.0, "seconds": 1.0}  # fmt: skip

    def run(seeds):
        return {"records": [record(bars.OURS, s, 2.0 + s) for s in range(seeds + 1)]
                + [record("top-1, unbalanced", s, 2.1 + s) for s in range(seeds)]}  # fmt: skip

    few = run(2)
    mean, half, count = bars.paired(few, bars.OURS, "top-1, unbalanced")
    assert (mean, half, count) == (pytest.approx(-0.1), pytest.approx(0, abs=1e-9), 2)
    kept = {name: kept for name, _, kept in bars.promises(few)}
    assert not kept["frozen-price less in-batch evaluation, largest of the seeds"]
    assert not kept["seeds"]
    assert not kept["loss less that of top-1, unbalanced, 2 paired seeds"]
    kept = {name: kept for name, _, kept in bars.promises(run(5))}
    assert kept["seeds"]
    assert kept["loss less that of top-1, unbalanced, 5 paired seeds"]
