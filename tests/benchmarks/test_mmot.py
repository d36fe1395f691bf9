"""The multi-marginal benchmark measures what it says, and writes JSON that any reader accepts."""

import functools
import json

import numpy as np
import pytest

from benchmarks.mmot import __main__ as benchmark
from benchmarks.mmot import bars, measure, methods
from tests.judges import all_tuples


def test_all_methods_solve_the_same_problem():
    for n, d in ((6, 2), (9, 4), (30, 5)):
        A = methods.histograms(n, d)
        value, dual = methods.ours(A)
        for method in (methods.pot, methods.published):
            theirs, prices = method(A)
            assert theirs == pytest.approx(value, rel=1e-12)
            assert (A * prices).sum() == pytest.approx(value, rel=1e-12)  # no empty bins here
        assert (A * dual).sum() == pytest.approx(value, rel=1e-12)


def test_excess_is_the_largest_violation_over_all_tuples():
    rng = np.random.default_rng(0)
    for _ in range(20):
        dual = rng.normal(size=(5, 3))
        tuples = all_tuples([5, 5, 5])
        prices = sum(dual[tuples[:, k], k] for k in range(3))
        expected = (prices - np.ptp(tuples, axis=1)).max()
        assert methods.excess(dual) == pytest.approx(expected)


def test_the_peers_duals_are_infeasible_where_tails_are_empty():
    record = measure.tails_record(cases=10)
    assert record["infeasible"]["ours"] == 0
    assert record["infeasible"]["pot"] > 0
    assert record["infeasible"]["published"] > 0


@pytest.fixture
def tiny(monkeypatch):
    """A run of seconds."""

    def jobs(quick):
        return [
            ("read", functools.partial(measure.read_record, 20, 3, 2)),
            ("samples", functools.partial(measure.samples_record, 100, 3, 2)),
            ("training", functools.partial(measure.training_record, 3, 12, 2, 2)),
            ("barycentre", functools.partial(measure.barycentre_record, 3, 1)),
            ("tails", functools.partial(measure.tails_record, 5)),
            *(("cells", functools.partial(measure.cell_record, n, 2, 2)) for n in (5, 8)),
        ]

    monkeypatch.setattr(benchmark, "plan_of_run", jobs)
    monkeypatch.setattr(measure, "warm_up", lambda: None)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_a_run_writes_strict_json_a_table_and_a_picture(tiny, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert benchmark.main(["--quick", "--out", str(path)]) == 0
    run = json.loads(path.read_text(), parse_constant=strict)
    assert [c["n"] for c in run["cells"]] == [5, 8]
    assert all(c["pot_difference"] <= 1e-12 and c["gap"] <= 1e-12 for c in run["cells"])
    assert run["barycentre"][0]["std"] == pytest.approx(6.5, abs=0.02)
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "Promises" in capsys.readouterr().out


def test_check_fails_where_a_promise_is_broken(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bars, "summary", lambda run: [("the moon", 0.0, False), ("x", 1.0, True)])
    arguments = ["--check", "--out", str(tmp_path / "run.json")]
    assert benchmark.main(arguments) == 1
    assert "the moon" in capsys.readouterr().out.split("broken:")[1]


def test_an_interrupted_run_keeps_what_is_done(tiny, tmp_path, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "cell_record", stop)
    jobs = [("tails", functools.partial(measure.tails_record, 3)), ("cells", stop)]
    monkeypatch.setattr(benchmark, "plan_of_run", lambda quick: jobs)
    path = tmp_path / "run.json"
    benchmark.main(["--quick", "--out", str(path)])
    run = json.loads(path.read_text(), parse_constant=strict)
    assert len(run["tails"]) == 1
    assert run["cells"] == []


def test_the_grid_is_the_promised_one():
    cells = [job.args[:2] for kind, job in benchmark.plan_of_run(False) if kind == "cells"]
    assert {n for n, _ in cells} == {10, 100, 1000, 10_000}
    assert {min(d for _, d in cells), max(d for _, d in cells)} == {2, 50}
    broken = {"ratio": 39.0, "gap": 1e-3, "pot_difference": 0.0, "n": 1, "d": 1,
              "seconds": {"ours": [1.0], "published": [1.0], "fixed_barycentre": [1.0],
                          "sinkhorn_barycentre": [1.0]}}  # fmt: skip
    run = {kind: [] for kind in benchmark.KINDS} | {"cells": [broken]}
    kept = [kept for *_, kept in bars.summary(run)]
    assert kept[:3] == [False, False, False]
