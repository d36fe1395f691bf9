"""The benchmark of routers measures what it says, and writes JSON that any reader accepts."""

import functools
import json

import numpy as np
import pytest

from benchmarks.moe import __main__ as benchmark
from benchmarks.moe import bars, measure, methods
from benchmarks.moe.streams import stream


def test_methods_solve_the_problem_they_are_timed_on():
    L = stream(256, 8)[0]
    best, judge = measure.optimum(L, 1)
    assert judge == "ot.emd"
    for name in ("pot_emd", "base", "cold_repair"):
        indices, keep, price = getattr(methods, name)(L, 1, 32)
        record = measure.quality(L, 1, indices, keep, price, best)
        assert record["max_over_mean"] == 1
        assert record["dropped"] == 0
        assert record["value_over_optimum"] <= 1 + 1e-6
    for method in (methods.converged, methods.s_base(5), methods.quantile(2)):
        indices, keep, price = method(L, 1, 32)
        assert measure.quality(L, 1, indices, keep, price, best)["gap"] >= -1e-6
    chosen = methods.paper(L, 1, 32)[0]
    assert measure.quality(L, 1, chosen, None, None, best)["max_over_mean"] <= 1


def test_value_of_several_experts_is_bounded_by_the_dual():
    L = stream(256, 8)[0]
    best, _ = measure.optimum(L, 2)
    price = methods.converged(L, 2, 64)[2]
    assert -1e-9 <= measure.bound_per_token(L, 2, price) - best < 1e-4
    assert measure.optimum(L, 8)[0] == pytest.approx(L.astype(float).sum() / 256)


def test_the_stream_drifts():
    fixed, moving = stream(500, 6, 3), stream(500, 6, 3, drift=0.5)
    assert fixed.std() == pytest.approx(2, rel=0.4)
    np.testing.assert_array_equal(fixed[0], moving[0])
    assert not np.allclose(fixed[2].mean(axis=0), moving[2].mean(axis=0), atol=0.1)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_a_run_writes_strict_json_tables_and_a_picture(tmp_path, monkeypatch, capsys):
    jobs = [
        ("drift", functools.partial(measure.drift_record, 128, 4, 1, 0.02, 2, 3)),
        ("cells", functools.partial(measure.cell_record, 64, 4, 1, True)),
        ("cells", functools.partial(measure.cell_record, 64, 4, 2, True)),
    ]
    monkeypatch.setattr(benchmark, "plan_of_run", lambda quick: jobs)
    monkeypatch.setattr(measure, "warm_up", lambda: None)
    monkeypatch.setattr(measure, "ffn_milliseconds", lambda *args: [1.0])
    path = tmp_path / "run.json"
    assert benchmark.main(["--quick", "--out", str(path)]) == 0
    run = json.loads(path.read_text(), parse_constant=strict)
    assert len(run["cells"]) == 2
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "OT cold, repair" in capsys.readouterr().out
    benchmark.main(["--quick", "--resume", "--out", str(path)])
    assert len(json.loads(path.read_text())["cells"]) == 2


def test_broken_promises_are_named():
    record = {"milliseconds": [1.0], "share": 1.0, "max_over_mean": 2.0, "dropped": 0.1,
              "value_over_optimum": 0.5, "gap": 1.0}  # fmt: skip
    names = ("OT cold, repair", "OT cold", "OT frozen price", "POT emd", "OT converged")
    cell = {"n": 4096, "m": 64, "k": 1, "judge": "x", "routers": dict.fromkeys(names, record)}
    drift = {"n": 4096, "m": 64, "k": 1, "drift": 0.02, "in_batch": [1.5]}
    balance = {"n": 4096, "m": 64, "k": 1, "max_over_mean": {"normal": [1.0, 1.2]}}
    cells = [cell, cell | {"n": 16384, "m": 256}]
    rows = bars.summary({"cells": cells, "drift": [drift], "balance": [balance]})
    assert len(rows) == 10
    assert not any(kept for *_, kept in rows)
