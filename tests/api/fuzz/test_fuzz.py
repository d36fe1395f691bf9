"""Adversarial arguments: exceptions that are documented and ours, no harm to inputs, no warnings
but ours, and the same answer where only the container differs."""

import builtins
import contextlib
import functools
import inspect
import pkgutil
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otopt import errors
from otopt.errors import OtoptWarning
from tests.api.fuzz.adversaries import ODD, SAME, VALUES, WRONG, fingerprint, with_value
from tests.api.fuzz.entries import ENTRIES, METHODS, NO_ENTRY, public_callables, public_methods

CALLABLE = {"accept", "callback", "cost", "fun", "method", "sampler", "workers"}
NAMES = sorted(ENTRIES)
KNOWN = {*public_callables(), *ENTRIES}
RAISES = r"Raises\n\s*-+\n(.*?)(\n\n\s*\w+( \w+)?\n\s*---|$)"
PREFIX = re.compile(r"([\w.]+)(: |, | \()")


@pytest.fixture(autouse=True, scope="module")
def elsewhere(tmp_path_factory):
    """A folder for what is written where an odd word names a checkpoint."""
    with contextlib.chdir(tmp_path_factory.mktemp("fuzz")):
        yield


def test_every_public_name_has_an_entry_or_a_reason():
    covered = {name.partition(",")[0] for name in ENTRIES}
    excused = set().union(*NO_ENTRY.values())
    public = set(public_callables())
    assert not public - covered - excused
    assert not excused - public  # nothing is excused that is gone
    assert not covered & excused
    assert public_methods() == set(METHODS)
    assert not {m for m in METHODS.values() if m.startswith("otopt.")} - covered


@functools.cache
def documented(name):
    """The exceptions that the docstring of a public name tells of."""
    thing = pkgutil.resolve_name(name.partition(",")[0])
    docs = [thing.__doc__ or ""]
    if inspect.isclass(thing):
        docs += [
            getattr(thing, m).__doc__ or "" for m in ("__init__", "forward") if hasattr(thing, m)
        ]
    found = set()
    for doc in docs:
        section = re.search(RAISES, doc, flags=re.DOTALL)
        found |= set(re.findall(r"\b(\w+Error)\b", section[1])) if section else set()
    return tuple(getattr(builtins, e, None) or getattr(errors, e) for e in sorted(found))


def good(entry):
    """Fresh arguments of the good call."""
    arrays = {name: x.copy() for name, x in entry.arrays.items()}
    if entry.tensors:
        arrays = {name: torch.as_tensor(x) for name, x in arrays.items()}
    return arrays | entry.settings


def judge(name, arguments):
    """Call; return the answer or None, and a complaint about what is not as documented, or None."""
    entry = ENTRIES[name]
    watched = arguments.keys() - set(entry.skip)  # results hold caches
    before = {key: fingerprint(arguments[key]) for key in watched}
    answer = complaint = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = entry.call(**arguments)
        except Exception as error:  # noqa: BLE001 (judged here)
            text = f"{type(error).__name__}: {str(error)[:200]}"
            if not isinstance(error, documented(name)):
                complaint = f"raised what is not documented, {text}"
            elif not is_ours(str(error)):
                complaint = f"raised in words that are not ours, {text}"
    for warning in caught:
        if not (issubclass(warning.category, OtoptWarning) or is_ours(str(warning.message))):
            place = f"{Path(warning.filename).name}:{warning.lineno}"
            complaint = f"warned {warning.category.__name__}: {warning.message} ({place})"
    if before != {key: fingerprint(arguments[key]) for key in watched}:
        complaint = "modified an argument"
    return answer, complaint


def is_ours(text):
    """Whether a message begins with the name of a public function or method."""
    start = PREFIX.match(text)
    return bool(start) and any(f".{known}".endswith(f".{start[1]}") for known in KNOWN)


def complaints(name, cases):
    """What calls with these (label, arguments) give reason to complain about."""
    found = []
    for label, arguments in cases:
        _, complaint = judge(name, arguments)
        if complaint:
            found.append(f"{label}: {complaint}")
    return found


@pytest.mark.parametrize("name", [name for name in NAMES if ENTRIES[name].arrays])
def test_the_container_of_numbers_does_not_matter(name):
    entry = ENTRIES[name]
    answer, complaint = judge(name, good(entry))
    assert complaint is None
    expected = entry.answer(answer)
    found = []
    for key in entry.arrays if not entry.tensors else ():
        for kind, change in SAME.items():
            if f"{key}: {kind}" in entry.other:
                continue
            answer, complaint = judge(name, good(entry) | {key: change(entry.arrays[key].copy())})
            if complaint or (answer is None and expected is not None):
                found.append(f"{key}: {kind}: {complaint or 'refused'}")
            elif isinstance(expected, (float, np.ndarray)) and not np.allclose(
                entry.answer(answer), expected, rtol=1e-9, atol=1e-12
            ):
                found.append(f"{key}: {kind}: another answer")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [name for name in NAMES if ENTRIES[name].arrays])
def test_wrong_arrays(name):
    entry = ENTRIES[name]
    cases = []
    for key, x in entry.arrays.items():
        cases += [(f"{key}: {kind}", key, change(x.copy())) for kind, change in WRONG.items()]
        for value in VALUES:
            one = with_value(x, value, 1)
            cases.append((f"{key}: {value}", key, torch.as_tensor(one) if entry.tensors else one))
    found = complaints(name, ((label, good(entry) | {key: x}) for label, key, x in cases))
    assert not found, "\n".join(found)


def all_parameters(name):
    """Names of the parameters that are neither arrays nor left alone."""
    entry = ENTRIES[name]
    parameters = inspect.signature(pkgutil.resolve_name(name.partition(",")[0])).parameters.values()
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    return sorted((names | set(entry.settings)) - {"self", *entry.arrays, *entry.skip})


@pytest.mark.parametrize("name", [name for name in NAMES if all_parameters(name)])
def test_odd_settings(name):
    entry = ENTRIES[name]
    cases = (
        (f"{key}: {kind}", good(entry) | {key: value})
        for key in all_parameters(name)
        for kind, value in ODD.items()
        if not (kind == "function" and key in CALLABLE)  # a good one, whose errors are the user's
    )
    found = complaints(name, cases)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [name for name in NAMES if ENTRIES[name].arrays])
@given(data=st.data())
@settings(max_examples=20)
def test_several_at_once(name, data):
    entry = ENTRIES[name]
    arguments = good(entry)
    for key in data.draw(st.lists(st.sampled_from(sorted(entry.arrays)), min_size=1, max_size=3)):
        kind = data.draw(st.sampled_from(["value", *SAME, *WRONG]))
        x = entry.arrays[key].copy()
        if kind == "value":
            x = with_value(x, data.draw(st.sampled_from(VALUES)), data.draw(st.integers(0, 100)))
            arguments[key] = torch.as_tensor(x) if entry.tensors else x
        else:
            arguments[key] = (SAME | WRONG)[kind](x)
    _, complaint = judge(name, arguments)
    assert complaint is None
