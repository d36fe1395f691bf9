"""The README's first promise: two commands on a fresh machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^python3 -m venv .*$", README, flags=re.MULTILINE)


def test_two_commands_set_everything_up():
    assert [command.rpartition(" && ")[2] for command in COMMANDS] == [
        ".venv/bin/python -m ml_apps.tour",
        ".venv/bin/python -m pytest -q",
    ]
    assert all("pip install -qc constraints.txt -e" in command for command in COMMANDS)


def test_it_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("target", re.findall(r"\]\(((?!https?:)[^)#]+)", README))
def test_links_lead_somewhere(target):
    assert (ROOT / target).exists()
