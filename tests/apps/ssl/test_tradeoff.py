"""The study of the trade-off: its intervals and probes, stopping and going on, its promises."""

import json
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ml_apps.ssl import evaluate
from ml_apps.ssl.study_tradeoff import __main__ as study
from ml_apps.ssl.study_tradeoff import factors, report


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
    g = torch.Generator().manual_seed(0)
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
