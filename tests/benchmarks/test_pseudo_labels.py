import numpy as np
import pytest
import torch

from benchmarks import pseudo_labels


def test_quick_run_of_the_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pseudo_labels, "QUEUES", (96, 192))
    monkeypatch.setattr(pseudo_labels, "ROWS", 16)
    monkeypatch.setattr(pseudo_labels, "IMAGES", 300)
    g = torch.Generator().manual_seed(0)
    y = torch.arange(300) % 5
    z = torch.nn.functional.normalize(torch.eye(5)[y] + 0.2 * torch.randn(300, 5, generator=g))
    monkeypatch.setattr(pseudo_labels, "features", lambda name: (z, y))
    path = tmp_path / "a.json"
    pseudo_labels.main(["--quick", "--out", str(path)])
    assert path.exists()
    printed = capsys.readouterr().out
    assert "converged" in printed
    assert "2 of 2" in printed
    pseudo_labels.main(["--quick", "--resume", "--out", str(path)])


def record(lead, distinct=1024, certified=True, ms=12.0):
    matched = {"purity": 0.5 + lead, "distinct": distinct, "certified": certified, "cpu_ms": ms}
    return {"bmatch": matched, "sinkhorn": {"purity": 0.5}}


@pytest.mark.parametrize(
    ("leads", "settings", "kept"),
    [
        ([0.01, 0.01, 0.01, -0.004], {}, True),
        ([0.01, 0.01, 0.01, -0.006], {}, False),
        ([0.01, 0.01, -0.001, -0.001], {}, False),
        ([0.01] * 4, {"distinct": 1023}, False),
        ([0.01] * 4, {"certified": False}, False),
        ([0.01] * 4, {"ms": 31.0}, False),
    ],
)
def test_promises_can_be_broken(leads, settings, kept):
    places = [(d, m) for d in pseudo_labels.DATA for m in pseudo_labels.QUEUES]
    draws = [
        {"data": d, "size": m, "methods": record(lead, **settings)}
        for (d, m), lead in zip(places, leads, strict=True)
    ]
    assert np.all([row[2] for row in pseudo_labels.bars({"draws": draws})]) == kept
