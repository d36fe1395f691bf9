"""``python -m benchmarks.report``: all records in one page, promises judged anew.

Writes docs/benchmarks.md, which the documentation does by itself. Nothing is measured: the page
says of every topic what its JSON in benchmarks/results holds, where and when that was measured, and
by which command.
"""

import argparse
import io
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name

from rich.console import Console

from ml_apps._run import shown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
PAGE = ROOT / "docs/benchmarks.md"
INTRODUCTION = """\
# Benchmarks

Every figure is computed from the records in `benchmarks/results` when this page is built, and every
promise is judged by the function that judges it after a run: `python -m benchmarks.report`. Ratios
are paired: both sides ran in turn, in one process, on the machine named. A row without a verdict is
a figure of which nothing was promised.
"""
# A JSON that is cut off, of another form, or empty where the judge needs records.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Topic:
    """A JSON, the command that writes it, and who judges it: "module:function"."""

    name: str
    title: str
    command: str
    judge: str
    part: str | None = None  # the entry of the JSON that the judge takes, if not all of it


def _duality(runs):
    """The tables of a study that promises nothing."""
    from ml_apps.ssl import study_duality

    console = Console(file=io.StringIO(), width=110)
    for data in dict.fromkeys(r["data"] for r in runs):
        study_duality.report(runs, data, console)
    return console.file.getvalue()


def _into(name):
    return f"--out benchmarks/results/{name}.json"


TOPICS = (
    Topic("sparse_ot", "Sparse transport", "benchmarks.sparse_ot",
          "benchmarks.sparse_ot.bars:summary"),
    Topic("batch", "Batches of sparse transport", "benchmarks.batch",
          "benchmarks.batch.__main__:bars"),
    Topic("clouds", "Sparse transport between point clouds", "benchmarks.clouds",
          "benchmarks.clouds:bars"),
    Topic("exact", "Exact transport and assignment", "benchmarks.exact",
          "benchmarks.exact.bars:summary"),
    Topic("entropic", "Entropic transport", "benchmarks.entropic",
          "benchmarks.entropic.bars:summary"),
    Topic("mmot", "Multi-marginal transport on a line", "benchmarks.mmot",
          "benchmarks.mmot.bars:summary"),
    Topic("optimizers", "Derivative-free optimisers", "benchmarks.optimizers",
          "benchmarks.optimizers.bars:summary"),
    Topic("guess_and_check", "Guess and check", "benchmarks.guess_and_check",
          "benchmarks.guess_and_check.__main__:bars"),
    Topic("moe", "Routers of experts", "benchmarks.moe", "benchmarks.moe.bars:summary"),
    Topic("moe_quick", "Routers of experts, three sizes", "benchmarks.moe --quick",
          "benchmarks.moe.bars:summary"),
    Topic("moe_compare", "Routers in a language model",
          f"ml_apps.moe.compare {_into('moe_compare')}", "ml_apps.moe.compare.bars:promises"),
    Topic("fairness", "Fair estimators", f"ml_apps.fairness.compare {_into('fairness')}",
          "ml_apps.fairness.compare.bars:summary"),
    Topic("ssl_losses", "Self-supervised losses", "benchmarks.ssl_losses",
          "benchmarks.ssl_losses.__main__:bars"),
    Topic("pseudo_labels", "Pseudo-labels of a queue", "benchmarks.pseudo_labels",
          "benchmarks.pseudo_labels:bars"),
    Topic("ssl_psco", "Few shots after training without labels",
          f"ml_apps.ssl.study_psco {_into('ssl_psco')}", "ml_apps.ssl.study_psco:promises"),
    Topic("ssl_tradeoff", "What breadth of pre-training costs in labels",
          f"ml_apps.ssl.study_tradeoff {_into('ssl_tradeoff')}",
          "ml_apps.ssl.study_tradeoff.report:promises", "records"),
    Topic("ssl_duality", "One recipe, all self-supervised losses",
          f"ml_apps.ssl.study_duality --data digits fashion_mnist {_into('ssl_duality')}",
          "benchmarks.report:_duality", "runs"),
)  # fmt: skip


def markdown(text):
    """Text that markdown and a table's cells leave as it is."""
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", str(text))


def promises_table(rows):
    """Text, figure and verdict of every promise."""
    verdicts = {None: "", True: "kept", False: "**not kept**"}
    lines = ["| promise | figure | |", "|---|---:|---|"]
    for text, figure, kept in rows:
        verdict = verdicts[None if kept is None else bool(kept)]
        lines.append(f"| {markdown(text)} | {markdown(shown(figure))} | {verdict} |")
    return "\n".join(lines)


def provenance(topic, run):
    """Where, when and with what it was measured; one entry for each machine, version and commit."""
    # The study of duality notes torch alone.
    first = run.get("environment", {"versions": {"torch": run.get("torch")}})
    found = [first, *run.get("resumed", [])]

    def machine(e):
        return ", ".join(
            [e[k] for k in ("cpu",) if e.get(k)]
            + [f"{e[k]} cores" for k in ("cores",) if e.get(k)]
            + [e[k] for k in ("system",) if e.get(k)]
        )

    def versions(e):
        python = {"Python": e.get("python")}
        named = (python | e.get("versions", {})).items()
        return ", ".join(f"{name} {version}" for name, version in named if version)

    def threads(e):
        return ", ".join(f"{name}={n}" for name, n in e.get("threads", {}).items() if n)

    def commit(e):
        changed = ", with changes" if e.get("modified") else ""
        return e["commit"][:12] + changed if e.get("commit") else ""

    lines = ["| | |", "|---|---|"]
    for head, entry in (
        ("machine", machine), ("versions", versions), ("threads", threads),
        ("date", lambda e: e.get("started", "")), ("commit", commit),
    ):  # fmt: skip
        entries = [text for text in dict.fromkeys(map(entry, found)) if text]
        lines.append(f"| {head} | {markdown('; '.join(entries) or 'not recorded')} |")
    return "\n".join([*lines, f"| command | `python -m {topic.command}` |"])


def section(topic, results, page):
    """What the page says of a topic, and how many of its promises are kept, not kept, or None."""
    path = results / f"{topic.name}.json"
    judge = resolve_name(topic.judge)
    head = f"({_anchor(topic)})=\n\n## {topic.title}\n\n"
    if not path.exists():
        return f"{head}`{path.name}` is missing: `python -m {topic.command}` writes it.\n", None
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        rows = judge(run if topic.part is None else run[topic.part])
        parts = [provenance(topic, run)]
    except UNREADABLE as error:
        what = markdown(f"{type(error).__name__}: {error}")
        return f"{head}`{path.name}` **cannot be read**: {what}\n", None
    if isinstance(rows, str):
        parts.insert(0, f"Nothing is promised.\n\n```text\n{rows.strip()}\n```")
        rows = []
    else:
        none = "The records are too few to judge a promise."
        parts.insert(0, promises_table(rows) if rows else none)
    picture = path.with_suffix(".png")
    if picture.exists():
        source = Path(os.path.relpath(picture, page.parent)).as_posix()
        parts.insert(1, f"```{{image}} {source}\n:alt: {topic.title}, measured\n```")
    counts = Counter(None if kept is None else bool(kept) for *_, kept in rows)
    return head + "\n\n".join(parts) + "\n", counts


def _anchor(topic):
    return "benchmark-" + topic.name.replace("_", "-")


def compose(topics=TOPICS, results=RESULTS, page=PAGE):
    """The page in MyST markdown; pictures are named as seen from `page`."""
    lines = ["| topic | kept | not kept |", "|---|---:|---:|"]
    sections = []
    for topic in topics:
        text, counts = section(topic, results, page)
        sections.append(text)
        cells = "no records | " if counts is None else f"{counts[True]} | {counts[False]}"
        lines.append(f"| [{topic.title}](#{_anchor(topic)}) | {cells} |")
    return "\n".join([INTRODUCTION, *lines, "", *sections])


def main(argv=None):
    """Write the page; an unchanged one is left alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, help="page to write")
    args = parser.parse_args(argv)
    text = compose(page=args.out)
    if not args.out.exists() or args.out.read_text(encoding="utf-8") != text:
        args.out.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
