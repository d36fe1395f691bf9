"""The entropic benchmark measures what it says, and writes JSON that any reader accepts."""

import json

import numpy as np
import pytest

from benchmarks.entropic import __main__ as benchmark
from benchmarks.entropic import bars, measure, memory, problems, solvers
from benchmarks.entropic.problems import Cell


@pytest.fixture
def tiny(monkeypatch):
    """A run of seconds."""
    cells = [Cell(20, 20, 0.1), Cell(30, 8, 0.05)]
    jobs = [
        *[("cells", lambda cell=cell: measure.cell_record(cell, 2)) for cell in cells],
        ("tiny", lambda: measure.tiny_record(Cell(20, 20, 1e-4))),
        ("single", lambda: measure.single_record(Cell(20, 20, 0.01))),
        ("batch", lambda: measure.batch_record(3, 6, 1, 0.1)),
    ]
    for i, (_, job) in enumerate(jobs):
        job.args = (i,)
    monkeypatch.setattr(benchmark, "plan_of_run", lambda quick: list(jobs))
    monkeypatch.setattr(measure, "warm_up", lambda: None)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_a_run_writes_strict_json_a_table_and_a_picture(tiny, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert benchmark.main(["--quick", "--out", str(path)]) == 0
    run = json.loads(path.read_text(), parse_constant=strict)
    for cell in run["cells"]:
        assert cell["status"] == "OPTIMAL"
        assert set(cell["seconds"]) == {"ours", "pot_kernel", "pot_log"}
        assert all(len(seconds) == 2 for seconds in cell["seconds"].values())
        assert all(error <= 1.1e-9 for error in cell["errors"].values())
    assert run["tiny"][0]["mass"] == pytest.approx(1.0)
    assert run["single"][0]["error"] <= 1.1e-9
    assert run["batch"][0]["error"] <= 1.1e-9
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "Promises" in capsys.readouterr().out


def test_resuming_measures_only_what_is_missing(tiny, tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    benchmark.main(["--minutes", "1e-9", "--out", str(path)])
    assert json.loads(path.read_text())["done"] == []
    benchmark.main(["--out", str(path)])
    whole = json.loads(path.read_text())
    assert len(whole["done"]) == 5
    benchmark.main(["--resume", "--out", str(path)])
    assert json.loads(path.read_text()) == whole


def test_check_fails_where_a_promise_is_broken(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bars, "summary", lambda run: [("the moon", 0.0, False), ("x", 1.0, True)])
    assert benchmark.main(["--check", "--out", str(tmp_path / "run.json")]) == 1
    assert "the moon" in capsys.readouterr().out.split("broken:")[1]


def test_broken_promises_are_seen():
    cell = {"n": 10, "m": 10, "reg": 0.1, "status": "ITERATION_LIMIT", "gap": 1.0,
            "ratios": {"pot_log": 1.5, "pot_kernel": 0.9}, "errors": {"ours": 1e-6}}  # fmt: skip
    run = {"cells": [cell], "ott": [{"n": 1, "m": 1, "reg": 1.0, "ratio": 0.5}],
           "tiny": [{"mass": 0.5, "finite": True, "pot_kernel_mass": None}],
           "single": [{"ratio": 2.0, "error": 1e-3}],
           "batch": [{"count": 2, "n": 2, "reg": 0.1, "ratio": 0.5}],
           "memory": [{"n": 10, "growth_mib": 10.0, "matrix_mib": 10.0}],
           "first_call": [{"seconds": [9.0]}]}  # fmt: skip
    kept = [kept for _, _, kept in bars.summary(run) if kept is not None]
    assert len(kept) == 11
    assert not any(kept)


def test_problems_are_what_they_claim():
    a, b, C = Cell(30, 20, 0.1).arrays()
    assert C.shape == (30, 20)
    assert C.max() == 1
    assert a.sum() == pytest.approx(b.sum())
    assert {(c.n, c.m) for c in problems.grid()} == set(problems.SIZES)
    assert len(problems.grid()) == 9
    assert len(benchmark.plan_of_run(quick=False)) > len(problems.grid())


def test_the_threshold_for_pot_gives_the_error_asked_for():
    a, b, C = Cell(40, 30, 0.05).arrays()
    threshold = solvers.pot_threshold(a, b, C, 0.05, 1e-8, 10_000)
    for method in ("sinkhorn", "sinkhorn_log"):
        plan = solvers.pot(a, b, C, 0.05, method, threshold, 10_000)
        assert solvers.marginal_error(plan, a, b) <= 1e-8
    assert solvers.pot_threshold(a, b, C, 1e-6, 1e-8, 100) is None


def test_memory_prints_its_growth(capsys, monkeypatch):
    monkeypatch.setattr(memory, "solve", lambda n, reg, solve=memory.solve: solve(min(n, 60), reg))
    memory.main(60, 0.1)
    record = json.loads(capsys.readouterr().out, parse_constant=strict)
    assert record["status"] == "OPTIMAL"
    assert np.isfinite(record["growth_mib"])
