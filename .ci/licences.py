"""The licences of what otopt uses: ``python .ci/licences.py`` writes docs/dev/licences.md.

``--check`` compares instead, and fails where a package of pyproject.toml is missing in the list or
has a licence that is not permissive. Read from the metadata of what is installed.
"""

import argparse
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/dev/licences.md"
PERMISSIVE = re.compile(
    r"\b(Apache|BSD|ISC|MIT|MPL|PSF|Python Software Foundation|HPND|MIT-CMU|Unlicense|0BSD)\b"
    r"|Mozilla Public License 2.0|LGPL|Lesser General Public",
    re.IGNORECASE,
)
# Peers that benchmarks run where they are installed; no code of ours builds on them.
PEERS = {"py-bobyqa", "pynomadbbo"}
ROW = re.compile(r"^\| ([\w.-]+) \| (.*?) \| (.*?) \|$", re.MULTILINE)


def used():
    """Names of packages, and the extras that ask for them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"always": project["dependencies"]} | project["optional-dependencies"]
    found = {}
    for group, requirements in groups.items():
        for requirement in requirements:
            name = re.match(r"[\w.-]+", requirement)[0].lower()
            if name != "otopt":
                found.setdefault(name, []).append(group)
    return dict(sorted(found.items()))


def licence(name):
    """As the package says: SPDX expression, classifiers, or the first line of its licence."""
    about = metadata(name)
    classifiers = [
        c.rpartition(" :: ")[2]
        for c in about.get_all("Classifier") or []
        if c.startswith("License :: ") and not c.endswith("OSI Approved")
    ]
    said = about.get("License-Expression") or ", ".join(classifiers) or about.get("License") or ""
    return said.strip().splitlines()[0][:80] if said.strip() else "not stated"


def rows():
    """Name, extras, licence of all that are installed; the others with what the page says."""
    known = {m[1]: m[3] for m in ROW.finditer(PAGE.read_text())} if PAGE.exists() else {}
    for name, groups in used().items():
        try:
            yield name, ", ".join(groups), licence(name)
        except PackageNotFoundError:
            yield name, ", ".join(groups), known.get(name, "not installed here")


def main():
    """Write or check the page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true")
    check = arguments.parse_args().check
    found = list(rows())
    text = (
        "# Licences\n\notopt is under the BSD 3-Clause licence (`LICENSE`). It contains no code of "
        "others. What it uses,\nwith the extras that ask for it, as its metadata says; written by "
        "`python .ci/licences.py`.\n"
        "Not permissive: Py-BOBYQA (GPL). It is a peer of `benchmarks.optimizers`, in the extra "
        "`bench`\n(and so in `all`); otopt and ml_apps never import it.\n\n"
        "| package | extras | licence |\n|---|---|---|\n"
        + "".join(f"| {name} | {groups} | {said} |\n" for name, groups, said in found)
    )
    strange = [
        f"{name}: {said}"
        for name, _, said in found
        if not PERMISSIVE.search(said) and name not in PEERS
    ]
    if strange:
        sys.stderr.write("not known to be permissive: " + "; ".join(strange) + "\n")
    if check:
        listed = {m[1] for m in ROW.finditer(PAGE.read_text())}
        missing = sorted(set(used()) - listed)
        if missing:
            sys.stderr.write(f"run python .ci/licences.py: {', '.join(missing)} not in {PAGE}\n")
        return int(bool(missing or strange))
    PAGE.write_text(text)
    return int(bool(strange))


if __name__ == "__main__":
    sys.exit(main())
