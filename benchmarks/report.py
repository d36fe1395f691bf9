"""``python -m benchmarks.report``: all records in one page, promises judged anew.

Writes docs/benchmarks.md, which the documentation does by itself. Nothing is measured: the page
says of every topic what its JSON in benchmarks/results holds, where and when that was measured, and
by which command.
"""

import argparse
import json
import os
import re
from collections import Counter
from pathlib import Path
from pkgutil import resolve_name

from benchmarks._topics import TOPICS
from ml_apps._run import shown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
PAGE = ROOT / "docs/benchmarks.md"
README = ROOT / "README.md"
TABLE = re.compile(
    r"(?<=<!-- written by `python -m benchmarks.report --readme` -->\n).*?(?=<!-- end -->)",
    re.DOTALL,
)
INTRODUCTION = """\
# Benchmarks

Every figure is computed from the records in `benchmarks/results` when this page is built, and every
promise is judged by the function that judges it after a run: `python -m benchmarks.report`. How a
figure was measured stands at the top of the command's source. A row without a verdict is a figure
of which nothing was promised.
"""
# A JSON that is cut off, of another form, or empty where the judge needs records.
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError)


def markdown(text):
    """Text that markdown and a table's cells leave as it is."""
    return re.sub(r"([\\`*_\[\]<|$])", r"\\\1", str(text))


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
    """What the page says of a topic, and its cells in the table of all topics."""
    path = results / f"{topic.name}.json"
    judge = resolve_name(topic.judge)
    head = f"({_anchor(topic)})=\n\n## {topic.title}\n\n`{path.name}`"
    measure = f"`python -m {topic.command}`"
    if not path.exists():
        return f"{head} is missing: {measure} writes it.\n", "missing | "
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        body, cells = _judged(judge(run if topic.part is None else run[topic.part]))
        origin = provenance(topic, run)
    except UNREADABLE as error:
        what = markdown(f"{type(error).__name__}: {error}")
        return (
            f"{head} **cannot be read** ({what}): {measure} writes it anew.\n",
            "cannot be read | ",
        )
    parts = [head, body, origin]
    picture = path.with_suffix(".png")
    if picture.exists():
        source = Path(os.path.relpath(picture, page.parent)).as_posix()
        parts.insert(2, f"```{{image}} {source}\n:alt: {topic.title}, measured\n```")
    return "\n\n".join(parts) + "\n", cells


def _judged(rows):
    """The promises as a table, or what a study without promises prints; and their counts."""
    if isinstance(rows, str):
        return f"Nothing is promised.\n\n```text\n{rows.strip()}\n```", "nothing promised | "
    if not rows:
        return "The records are too few to judge a promise.", "too few records | "
    counts = Counter(None if kept is None else bool(kept) for *_, kept in rows)
    return promises_table(rows), f"{counts[True]} | {counts[False]}"


def _anchor(topic):
    return "benchmark-" + topic.name.replace("_", "-")


def compose(topics=TOPICS, results=RESULTS, page=PAGE):
    """The page in MyST markdown; pictures are named as seen from `page`."""
    lines = ["| topic | kept | not kept |", "|---|---:|---:|"]
    sections = []
    for topic in topics:
        text, cells = section(topic, results, page)
        sections.append(text)
        lines.append(f"| [{topic.title}](#{_anchor(topic)}) | {cells} |")
    return "\n".join([INTRODUCTION, *lines, "", *sections])


def headlines(topics=TOPICS, results=RESULTS):
    """The README's table: one figure of a topic, and how many of its promises are kept."""
    lines = ["| | figure | promises kept | measured by |", "|---|---:|---:|---|"]
    for topic in topics:
        if topic.headline is None:
            continue
        run = json.loads((results / f"{topic.name}.json").read_text(encoding="utf-8"))
        rows = resolve_name(topic.judge)(run if topic.part is None else run[topic.part])
        text, figure = next(row[:2] for row in rows if row[0].startswith(topic.headline))
        verdicts = [bool(kept) for *_, kept in rows if kept is not None]
        lines.append(
            f"| {topic.title}: {markdown(text)} | {markdown(shown(figure))} "
            f"| {sum(verdicts)} of {len(verdicts)} | `python -m {topic.command}` |"
        )
    return "\n".join(lines) + "\n"


def main(argv=None):
    """Write the page; an unchanged one is left alone."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, help="page to write")
    parser.add_argument("--readme", action="store_true", help="write the README's table too")
    args = parser.parse_args(argv)
    pages = {args.out: compose(page=args.out)}
    if args.readme:
        table = headlines()
        pages[README] = TABLE.sub(lambda _: table, README.read_text(encoding="utf-8"))
    for page, text in pages.items():
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
