"""What SECURITY.md promises, read off the source."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [f for room in ("otopt", "ml_apps", "benchmarks") for f in (ROOT / room).rglob("*.py")]
NETWORK = {"http", "ftplib", "requests", "socket", "urllib"}
UNSAFE = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}


def calls(tree):
    """Dotted names of what is called, with the keywords."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.relative_to(ROOT).as_posix())
def test_no_file_breaks_the_promises(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert not UNSAFE & set(imports(tree))
    if file != ROOT / "ml_apps/data.py":
        assert not NETWORK & set(imports(tree))
    for name, keywords in calls(tree):
        assert name not in ("eval", "exec", "os.system", "yaml.load")
        assert keywords.get("allow_pickle") != "True"
        assert keywords.get("shell") != "True"
        if name == "torch.load":
            assert keywords.get("weights_only") == "True"
