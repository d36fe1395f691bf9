"""Every public name is in the stub, has a docstring, and has its place in the reference."""

import ast
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import otopt

ROOT = Path(__file__).parents[2]
STUB = ast.parse((ROOT / "otopt/__init__.pyi").read_text())
PUBLIC = sorted(otopt.__all__)
CALLABLES = [name for name in PUBLIC if callable(getattr(otopt, name))]

# One word for one thing: what the left column says elsewhere is called the right column here.
SPELLINGS = {
    "seed": "rng",
    "random_state": "rng",
    "max_iter": "maxiter",
    "numItermax": "maxiter",
    "n_jobs": "workers",
    "eps": "tol or reg",
    "M": "C",
    "verbose": "progress",
    "log": "a field of the result",
}


def test_stub_names_are_the_public_names():
    imported = {
        alias.asname or alias.name
        for node in STUB.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    listed = next(
        ast.literal_eval(node.value)
        for node in STUB.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    assert imported == set(listed) == set(PUBLIC)
    assert set(PUBLIC) <= set(dir(otopt))


def module_names(module):
    """The public names of a module, with the module's own in front."""
    return [f"{module.__name__}.{name}" for name in module.__all__]


def documented_names():
    """Everything that the reference must list: names of otopt and of its public modules."""
    names = []
    for name in PUBLIC:
        thing = getattr(otopt, name)
        names += module_names(thing) if inspect.ismodule(thing) else [f"otopt.{name}"]
    return names


@pytest.mark.parametrize("dotted", documented_names())
def test_has_a_docstring_of_its_own(dotted):
    thing = pkgutil.resolve_name(dotted)
    doc = thing.__doc__
    assert doc
    assert doc.strip()
    inherited = [base.__doc__ for base in getattr(thing, "__mro__", ())[1:]]
    assert doc not in inherited
    # dataclass and NamedTuple invent "Name(field, ...)" where there is none
    assert not doc.startswith(f"{getattr(thing, '__name__', '')}(")


def test_reference_lists_every_public_name():
    pages = "\n".join(page.read_text() for page in (ROOT / "docs/reference").glob("*.rst"))
    entries = set(re.findall(r"^\s+(otopt\.[\w.]+)$", pages, flags=re.MULTILINE))
    assert set(documented_names()) <= entries
    for entry in entries:  # and nothing that is not there
        pkgutil.resolve_name(entry)


@pytest.mark.parametrize("name", CALLABLES)
def test_parameters_are_spelled_the_house_way(name):
    parameters = inspect.signature(getattr(otopt, name)).parameters
    assert not {p: SPELLINGS[p] for p in parameters if p in SPELLINGS}


def test_only_data_is_positional():
    keyword_only = {
        p.name
        for p in inspect.signature(otopt.sparse_ot).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    positional = set(inspect.signature(otopt.sparse_ot).parameters) - keyword_only
    assert positional == {"a", "b", "C", "k"}
