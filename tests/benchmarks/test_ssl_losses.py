"""The benchmark of the losses measures, and judges what it measured."""

import torch

from benchmarks.ssl_losses import __main__ as command
from benchmarks.ssl_losses import measure


def test_record_of_a_small_cell():
    for family in measure.FAMILIES:
        record = measure.record(family, 80, 16, 0.0)
        assert record["ours_cpu_s"] >= 0
        assert record["ours_peak_mb"] >= 0
        assert (record["family"], record["n"], record["d"]) == (family, 80, 16)


def test_views_and_gradients_come_back():
    loss = lambda a, b: (a * b).sum()  # noqa: E731
    z = measure.views(4, 3)
    value, (by_a, by_b), _ = measure.call(loss, z)
    assert value == float((z[0] * z[1]).sum())
    assert torch.equal(by_a, z[1])
    assert torch.equal(by_b, z[0])


def record(family, n, d, cpu, memory, difference=1e-7):
    return {"family": family, "n": n, "d": d, "cpu_ratio": cpu, "memory_ratio": memory,
            "value_difference": difference, "gradient_difference": difference}  # fmt: skip


def test_promises_are_broken_where_they_are_missed():
    kept = {
        "losses": [
            record("vicreg", 1024, 8192, 6.1, 8.1),
            record("barlow", 1024, 8192, 3.1, 3.6),
            record("chunked", 4096, 128, 1.1, 10.1),
            record("ntxent", 1024, 512, 0.95, 0.5),
        ]
    }
    assert all(ok is not False for *_, ok in command.bars(kept))
    for r in (
        record("vicreg", 1024, 8192, 5.9, 9), record("vicreg", 1024, 8192, 7, 7.9),
        record("barlow", 1024, 8192, 2.9, 4), record("chunked", 4096, 128, 0.9, 12),
        record("ntxent", 1024, 2048, 0.85, 1), record("ntxent", 1024, 512, 2, 1, 1e-3),
    ):  # fmt: skip
        assert sum(ok is False for *_, ok in command.bars({"losses": [r]})) == 1
