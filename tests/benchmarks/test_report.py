"""The page of the benchmarks says what the records hold, and what they do not."""

import json

import pytest

from benchmarks import report
from benchmarks._topics import TOPICS, Topic

ENVIRONMENT = {
    "started": "2026-01-02T03:04:05+00:00", "system": "Linux", "cpu": "A|B", "cores": 2,
    "python": "3.12.1", "versions": {"otopt": "1.0", "numpy": "2.0", "cvxpy": None},
    "threads": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": None},
    "commit": "0123456789abcdef", "modified": True,
}  # fmt: skip
LATER = ENVIRONMENT | {
    "started": "2026-02-03T00:00:00+00:00",
    "commit": "fedcba",
    "modified": False,
}


def a_topic(name="fake"):
    judge = "tests.benchmarks.test_report:judge"
    return Topic(name, "A fake", f"benchmarks.{name} --all", judge)


def page(results, *topics):
    return report.compose(topics or [a_topic()], results, results / "page.md")


@pytest.fixture(autouse=True)
def _judged(monkeypatch):
    """Judges of fake topics read the rows from the JSON; those of real ones stay."""
    real = report.resolve_name
    monkeypatch.setattr(
        report, "resolve_name",
        lambda name: (lambda run: run["rows"]) if name.startswith("tests.") else real(name),
    )  # fmt: skip


def write(folder, content, name="fake"):
    (folder / f"{name}.json").write_text(json.dumps(content))


def test_promises_and_provenance(tmp_path):
    rows = [["a | b", 1234.5, True], ["speed", 0.5, False], ["other", "3 of 4", None]]
    write(tmp_path, {"environment": ENVIRONMENT, "resumed": [LATER], "rows": rows})
    (tmp_path / "fake.png").write_bytes(b"")
    text = page(tmp_path)
    assert "| a \\| b | 1.23e+03 | kept |" in text
    assert "| speed | 0.5 | **not kept** |" in text
    assert "| other | 3 of 4 |  |" in text
    assert "| [A fake](#benchmark-fake) | 1 | 1 |" in text
    assert "| machine | A\\|B, 2 cores, Linux |" in text
    assert "| versions | Python 3.12.1, otopt 1.0, numpy 2.0 |" in text
    assert "| threads | OMP\\_NUM\\_THREADS=1 |" in text
    assert "| date | 2026-01-02T03:04:05+00:00; 2026-02-03T00:00:00+00:00 |" in text
    assert "| commit | 0123456789ab, with changes; fedcba |" in text
    assert "| command | `python -m benchmarks.fake --all` |" in text
    assert "```{image} fake.png\n" in text


def test_what_was_not_recorded_is_named(tmp_path):
    write(tmp_path, {"environment": {}, "rows": []})
    text = page(tmp_path)
    for head in ("machine", "versions", "threads", "date", "commit"):
        assert f"| {head} | not recorded |" in text
    assert "too few to judge" in text
    assert "{image}" not in text


def test_a_missing_file_is_named(tmp_path):
    text = page(tmp_path)
    assert "`fake.json` is missing: `python -m benchmarks.fake --all` writes it" in text
    assert "| [A fake](#benchmark-fake) | missing |" in text


@pytest.mark.parametrize("content", ['{"rows": [', "[1, 2]", '{"cells": []}', '{"rows": [[1]]}'])
def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path, content):
    (tmp_path / "bad.json").write_text(content)
    write(tmp_path, {"environment": ENVIRONMENT, "rows": [["speed", 2.0, True]]})
    text = page(tmp_path, a_topic("bad"), a_topic())
    assert "`bad.json` **cannot be read**" in text
    assert "| [A fake](#benchmark-bad) | cannot be read |" in text
    assert "| speed | 2 | kept |" in text


def test_clouds_state_their_promises(tmp_path):
    good = {"n": 10, "relaxed_marginal_error": 0.0, "marginal_error": 0.0, "rounding": "repair",
            "peak_resident": 2**20}  # fmt: skip
    bad = good | {"n": 20, "marginal_error": 1.0}
    write(tmp_path, {"environment": ENVIRONMENT, "clouds": [good, bad]}, "clouds")
    topic = next(t for t in TOPICS if t.name == "clouds")
    text = page(tmp_path, topic)
    assert "| [Sparse transport between point clouds](#benchmark-clouds) | 1 | 1 |" in text


def test_every_committed_record_has_a_topic():
    assert {f.stem for f in report.RESULTS.glob("*.json")} <= {t.name for t in TOPICS}


@pytest.mark.parametrize(
    "topic",
    [pytest.param(t, id=t.name) for t in TOPICS if (report.RESULTS / f"{t.name}.json").exists()],
)
def test_committed_records_can_be_judged(topic, tmp_path):
    text, verdict = report.section(topic, report.RESULTS, tmp_path / "page.md")
    assert "cannot be read" not in text
    assert "kept |" in text or "Nothing is promised" in text
    assert "missing" not in verdict


def test_the_readme_shows_what_the_records_hold():
    readme = report.README.read_text(encoding="utf-8")
    assert report.TABLE.search(readme)[0] == report.headlines(), (
        "run `python -m benchmarks.report --readme`"
    )


def test_the_command_writes_the_page_once(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "compose", lambda page: f"as seen from {page.name}")
    out = tmp_path / "page.md"
    assert report.main(["--out", str(out)]) == 0
    assert out.read_text() == "as seen from page.md"
    before = out.stat().st_mtime_ns
    assert report.main(["--out", str(out)]) == 0
    assert out.stat().st_mtime_ns == before
