"""The benchmark measures what it says, and writes JSON that any reader accepts."""

import dataclasses
import functools
import json

import numpy as np
import pytest

from benchmarks import _environment
from benchmarks.sparse_ot import __main__ as benchmark
from benchmarks.sparse_ot import bars, measure, memory, solvers
from benchmarks.sparse_ot.problems import COSTS, REGS, SIZES, WEIGHTS, Cell, grid, impossible


@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_cells_build_what_they_claim(cost, weights):
    a, b, C = Cell(50, 30, cost, weights, 4, 1.0).arrays()
    assert C.shape == (50, 30)
    assert C.flags.c_contiguous
    assert C.min() >= 0
    assert C.max() == 1
    assert a.sum() == pytest.approx(1)
    assert b.sum() == pytest.approx(1)
    assert (np.ptp(a) == 0) == (weights == "uniform")


def test_costs_agree_with_their_definitions():
    rng = np.random.default_rng([0, 20, 10])
    x = rng.normal(size=(20, 2))
    y = rng.normal(size=(10, 2)) @ np.array([[1.0, 0.3], [0.3, 0.6]]) + 1.0
    C = np.array([[((p - q) ** 2).sum() for q in y] for p in x])
    assert np.allclose(Cell(20, 10, "gauss", "uniform", 1, 1.0).arrays()[2], C / C.max())
    router = Cell(20, 10, "router", "uniform", 1, 1.0).arrays()[2]
    # Probabilities of a token add up to one, so costs of all tokens have the same sum.
    assert np.allclose(router.sum(axis=1) - router.sum(axis=1)[0], 0)
    colour = Cell(20, 10, "colour", "uniform", 1, 1.0).arrays()[2]
    assert np.linalg.matrix_rank(colour, tol=1e-9) <= 5  # squared distances in three dimensions


def test_the_grid_covers_every_shape_cost_and_reg_and_only_possible_cells():
    cells = grid()
    assert {(c.n, c.m) for c in cells} == set(SIZES)
    assert {c.cost for c in cells} == set(COSTS)
    assert {c.reg for c in cells} == set(REGS)
    assert all(c.possible for c in cells)
    assert not any(c.possible for c in impossible())
    assert set(grid(quick=True)) <= set(cells)


def test_both_evaluations_are_of_the_same_function():
    for at in ("start", "solution"):
        record = measure.evaluation_record(2, at, repeats=1, n=40)
        assert record["value_difference"] <= 1e-12
        assert record["gradient_difference"] <= 1e-12


def test_pot_is_silent(capfd):
    cell = Cell(12, 12, "gauss", "uniform", 4, 1.0)
    plan = solvers.pot(*cell.arrays(), 4, 1.0)
    assert plan.shape == (12, 12)
    assert capfd.readouterr() == ("", "")


def test_ctrl_c_in_a_solve_is_not_recorded_as_a_result(monkeypatch):
    real = solvers.otopt.sparse_ot

    def interrupted(*args, **kwargs):
        def stop(intermediate_result):
            raise StopIteration

        return real(*args, callback=stop, **kwargs)

    monkeypatch.setattr(solvers.otopt, "sparse_ot", interrupted)
    with pytest.raises(KeyboardInterrupt):
        solvers.ours(*Cell(12, 12, "gauss", "random", 4, 1.0).arrays(), 4, 1.0)


def test_peak_memory_counts_what_a_function_allocates():
    peak = memory.traced_peak(lambda: np.ones(10**6))
    assert 8e6 <= peak <= 8.1e6


def test_environment_names_machine_versions_and_threads():
    record = json.loads(json.dumps(_environment.describe(), allow_nan=False))
    assert record["versions"]["numpy"] == np.__version__
    assert set(record["threads"]) == set(_environment.THREAD_VARIABLES)
    assert record["started"][:2] == "20"


@pytest.fixture
def tiny(monkeypatch):
    """A run of seconds: one cell that works out, one that cannot."""

    def jobs(quick, once=False):
        cells = [Cell(20, 20, "gauss", "uniform", 4, 1.0), Cell(20, 20, "gauss", "random", 1, 1.0)]
        return [
            ("evaluations", lambda: measure.evaluation_record(2, repeats=2, n=30)),
            ("judge", lambda: measure.judge_record(0)),
            *(("cells", functools.partial(measure.cell_record, cell, 2)) for cell in cells),
        ]

    monkeypatch.setattr(benchmark, "plan_of_run", jobs)
    monkeypatch.setattr(measure, "warm_up", lambda: None)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_a_run_writes_strict_json_a_table_and_a_picture(tiny, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert benchmark.main(["--quick", "--out", str(path)]) == 0
    run = json.loads(path.read_text(), parse_constant=strict)
    infeasible, feasible = run["cells"]  # sorted: random weights before uniform ones
    assert feasible["status"] in bars.FOUND
    assert len(feasible["seconds"]["ours"]) == len(feasible["seconds"]["pot"]) == 2
    assert infeasible["status"] == "INFEASIBLE"
    assert infeasible["gap"] is None
    assert not infeasible["possible"]
    assert run["judge"][0]["relative_difference"] <= 1e-7
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "Promises" in capsys.readouterr().out


def test_check_fails_where_a_promise_is_broken(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bars, "summary", lambda run: [("the moon", 0.0, False), ("x", 1.0, True)])
    arguments = ["--check", "--out", str(tmp_path / "run.json")]
    assert benchmark.main(arguments) == 1
    assert "the moon" in capsys.readouterr().out.split("broken:")[1]


def test_an_interrupted_run_keeps_what_is_done(tiny, tmp_path, monkeypatch):
    def stop(seed):
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "judge_record", stop)
    path = tmp_path / "run.json"
    benchmark.main(["--quick", "--out", str(path)])
    run = json.loads(path.read_text(), parse_constant=strict)
    assert len(run["evaluations"]) == 1
    assert run["cells"] == []


def test_a_missing_plan_breaks_the_promise_of_feasibility():
    cell = {"n": 500, "m": 500, "cost": "gauss", "weights": "uniform", "k": 4, "reg": 1.0,
            "room": 2.0, "possible": True, "status": "NOT_FOUND", "gap": None, "ratio": 9.0,
            "marginal_error": 1e-3, "pot_marginal_error": 0.1}  # fmt: skip
    run = {"cells": [cell], "evaluations": [], "memory": [], "judge": [], "large": []}
    kept = {name: kept for name, _, kept in bars.summary(run)}
    assert kept["feasible where k m >= 1.3 (n + m - 1)"] is False
    assert not kept["largest gap there"]
    assert not kept["largest gap where k m >= 2 (n + m - 1)"]
    assert not kept["our largest marginal error there"]


def test_a_time_limit_takes_small_cells_first(tiny, tmp_path):
    path = tmp_path / "run.json"
    benchmark.main(["--minutes", "1e-9", "--out", str(path)])
    run = json.loads(path.read_text(), parse_constant=strict)
    assert run["grid"] == 2
    assert run["cells"] == []
    large, small = (
        ("cells", functools.partial(print, Cell(n, 5, "gauss", "uniform", 1, 1.0))) for n in (9, 7)
    )
    jobs = [("judge", None), large, small, ("memory", None)]
    assert benchmark.small_first(jobs) == [jobs[0], jobs[3], small, large]


def test_resuming_measures_what_is_left_and_nothing_twice():
    jobs = benchmark.plan_of_run(quick=True)
    cells = [job for job in jobs if job[0] == "cells"]
    run = {"evaluations": [{}, {}], "judge": [], "memory": [{}], "large": [], "cells": []}
    run["cells"] = [dataclasses.asdict(job[1].args[0]) for job in cells[:2]]
    left = benchmark.left_over(jobs, run)
    assert len(left) == len(jobs) - 5
    assert [job for job in left if job[0] == "cells"] == cells[2:]
    assert benchmark.left_over(left, run | {kind: [] for kind in run}) == left
