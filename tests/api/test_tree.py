"""The tree keeps the shape that the documentation promises."""

import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("otopt", "ml_apps", "benchmarks")


def python_files(*folders):
    return [file for folder in folders for file in (ROOT / folder).rglob("*.py")]


def line_count(file):
    return len(file.read_text(encoding="utf-8").splitlines())


def test_no_file_is_over_500_lines():
    long = {str(f.relative_to(ROOT)): line_count(f) for f in python_files(*ROOMS, "tests", "docs")}
    assert not {name: lines for name, lines in long.items() if lines > 500}


def test_median_file_is_under_200_lines():
    # Without the one-line __init__ files, which would make any tree look well.
    sizes = [line_count(f) for f in python_files("otopt") if f.name != "__init__.py"]
    assert statistics.median(sizes) < 200


def packages(room):
    """Folders of a room that hold Python files, as the architecture page writes them."""
    folders = {file.parent for file in python_files(room)} - {ROOT / room}
    return sorted(f.relative_to(ROOT).as_posix() for f in folders)


def architecture_tree():
    """Paths drawn in the tree of the architecture page, joined through their indentation."""
    page = (ROOT / "docs/dev/architecture.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(.*?)```", page, flags=re.DOTALL)[1]
    paths, parents = set(), []
    for line in block.splitlines():
        entry = re.match(r"( *)([\w.]+/?)", line)
        if not entry:
            continue
        depth = len(entry[1]) // 2
        parents = [*parents[:depth], entry[2]]
        paths.add("".join(parents))
    return paths


@pytest.mark.parametrize("room", ROOMS)
def test_architecture_draws_every_package(room):
    drawn = {path.rstrip("/") for path in architecture_tree()}
    assert {room, *packages(room)} <= drawn


def test_architecture_draws_nothing_that_is_not_there():
    assert not {path for path in architecture_tree() if not (ROOT / path).exists()}
