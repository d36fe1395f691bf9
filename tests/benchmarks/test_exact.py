"""The benchmark of exact transport measures what it says and writes JSON any reader accepts."""

import functools
import json

import numpy as np
import pytest

from benchmarks.exact import __main__ as benchmark
from benchmarks.exact import bars, clouds, measure
from benchmarks.exact.problems import FAMILIES, SIZES, WEIGHTS, Cell, assignments, grid


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_cells_build_what_they_claim(family, weights):
    cell = Cell(family, 49, 49 if family == "grid" else 30, weights)
    a, b, C = cell.arrays()
    assert C.shape == (cell.n, cell.m) == (len(a), len(b))
    assert C.flags.c_contiguous
    assert C.min() >= 0
    assert a.sum() == pytest.approx(1)
    assert b.sum() == pytest.approx(1)
    assert (a > 0).all()
    if family != "grid":  # where "uniform" is the noise of an image
        assert (np.ptp(a) == 0) == (weights == "uniform")


def test_costs_agree_with_their_definitions():
    x = np.array([[i, j] for i in range(7) for j in range(7)], float)
    expected = [[((p - q) ** 2).sum() for q in x] for p in x]
    np.testing.assert_array_equal(Cell("grid", 49, 49, "random").arrays()[2], expected)
    assert np.linalg.matrix_rank(Cell("plane", 40, 30, "random").arrays()[2], tol=1e-9) == 4
    assert np.linalg.matrix_rank(Cell("10-D", 40, 30, "random").arrays()[2], tol=1e-9) == 12
    integers = Cell("integers", 40, 30, "random").arrays()[2]
    assert (integers == np.rint(integers)).all()


def test_the_grid_covers_every_family_size_and_weight():
    cells = grid()
    assert {c.family for c in cells} == set(FAMILIES)
    assert {c.weights for c in cells} == set(WEIGHTS)
    assert set(SIZES) <= {c.n for c in cells}
    assert {(4096, 64)} < {(c.n, c.m) for c in cells}
    assert set(grid(quick=True)) <= set(cells)
    assert ("noise", 2000) in {(c.family, c.n) for c in assignments()}


def test_first_call_runs_in_a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(measure, "FIRST_CALL", "print(0.25, 0.5)")
    assert measure.first_call_record() == {
        "cold_cpu": 0.25, "cold_wall": 0.5, "warm_cpu": 0.25, "warm_wall": 0.5
    }  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    """A run of a second or two."""

    def jobs(quick):
        cell = Cell("plane", 60, 60, "random")
        return [
            ("first_call", "first call", lambda: dict.fromkeys(
                ("cold_cpu", "cold_wall", "warm_cpu", "warm_wall"), 1.0)),
            ("cells", "a cell", functools.partial(measure.cell_record, cell, 2)),
            ("assignments", "a match", functools.partial(measure.assignment_record, cell, 2)),
            ("clouds", "beside", functools.partial(clouds.beside_record, 60, "random")),
            ("clouds", "alone", functools.partial(clouds.record_here, 60, "uniform")),
        ]  # fmt: skip

    monkeypatch.setattr(benchmark, "plan_of_run", jobs)
    monkeypatch.setattr(measure, "warm_up", lambda: None)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_a_run_writes_strict_json_a_table_and_a_picture(tiny, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert benchmark.main(["--quick", "--out", str(path)]) == 0
    run = json.loads(path.read_text(), parse_constant=strict)
    cell, match = run["cells"][0], run["assignments"][0]
    assert cell["status"] == "OPTIMAL"
    assert cell["difference"] <= 1e-12
    assert match["difference"] <= 1e-12
    beside, alone = run["clouds"]
    assert beside["difference"] <= 1e-12
    assert alone["peak_resident"] >= alone["resident_before"] > 0
    assert {len(s) for s in cell["seconds"].values()} == {2}
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "Promises" in capsys.readouterr().out


def test_a_run_stops_after_some_minutes_and_goes_on(tiny, tmp_path):
    path = tmp_path / "run.json"
    arguments = ["--out", str(path), "--resume"]
    benchmark.main([*arguments, "--minutes", "1e-9"])
    assert json.loads(path.read_text())["cells"] == []
    benchmark.main(arguments)
    first = json.loads(path.read_text())
    assert [len(first[kind]) for kind in ("first_call", "cells", "assignments")] == [1, 1, 1]
    benchmark.main(arguments)
    second = json.loads(path.read_text())
    assert second["cells"] == first["cells"]  # not measured again


def test_check_fails_where_a_promise_is_broken(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bars, "summary", lambda run: [("the moon", 0.0, False), ("x", 1.0, True)])
    assert benchmark.main(["--check", "--out", str(tmp_path / "run.json")]) == 1
    assert "the moon" in capsys.readouterr().out.split("broken:")[1]


def record(family, n, m, ratio, **changed):
    return {
        "family": family, "n": n, "m": m, "weights": "random", "ratio": ratio, "warm_share": 0.05,
        "difference": 0.0, "gap": 0.0, "marginal_error": 0.0, "status": "OPTIMAL",
    } | changed  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "promise"),
    [
        (record("plane", 2000, 2000, 3.9), "plane, n = 2000"),
        (record("grid", 3969, 3969, 2.9), "grid, n = 2000"),
        (record("10-D", 4000, 4000, 1.4), "10-D, n = 2000"),
        (record("noise", 1000, 1000, 0.9), "noise"),
        (record("grid", 484, 484, 0.9), "n = 500"),
        (record("plane", 4096, 64, 0.9), "4096 x 64"),
        (record("plane", 2000, 2000, 9.0, warm_share=0.2), "largest warm share"),
        (record("plane", 2000, 2000, 9.0, difference=1e-9), "largest relative difference"),
        (record("plane", 2000, 2000, 9.0, status="STOPPED"), "certified optimal"),
    ],
)
def test_a_broken_promise_is_seen(cell, promise):
    good = record("plane", 2000, 2000, 9.0)
    for cells, expected in (([good, cell], False), ([good], True)):
        run = {"cells": cells, "assignments": [], "first_call": [], "clouds": []}
        kept = [kept for name, _, kept in bars.summary(run) if name.startswith(promise)]
        assert all(kept) if expected else not all(kept), bars.summary(run)


def cloud(n, peak, **changed):
    return {
        "n": n, "weights": "random", "cpu_seconds": 1.0, "peak_resident": 1e8 + peak,
        "resident_before": 1e8, "matrix_bytes": 8 * n * n, "status": "OPTIMAL", "gap": 0.0,
    } | changed  # fmt: skip


@pytest.mark.parametrize(
    ("small", "large", "broken"),
    [
        (cloud(12_500, 2e7), cloud(50_000, 8e7), None),
        (cloud(12_500, 2e7), cloud(50_000, 32e7), "clouds 50000 random: bytes a point"),
        (cloud(12_500, 8e7), cloud(50_000, 8e7), "clouds 12500 random: bytes a point"),
        (cloud(12_500, 2e7), cloud(50_000, 8e7, status="STOPPED"), "certified optimal"),
        (cloud(12_500, 2e7), cloud(50_000, 8e7, gap=1e-9), "certified gap"),
    ],
)
def test_broken_promises_of_clouds_are_seen(small, large, broken):
    kept = {name: kept for name, _, kept in clouds.summary([small, large]) if kept is not None}
    assert len(kept) == 4
    assert [name for name, is_kept in kept.items() if not is_kept] == [
        name for name in kept if broken is not None and broken in name
    ]


def test_clouds_run_in_a_process_of_their_own_up_to_fifty_thousand():
    assert clouds.alone_record(40, "random")["status"] == "OPTIMAL"
    assert "clouds alone 50000 random" in dict(clouds.jobs(quick=False))
