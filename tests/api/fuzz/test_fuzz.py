"""Adversarial arguments: exceptions that are documented and ours, no harm to inputs, no warnings
but ours, and the same answer where only the container differs."""

import inspect
import pkgutil
import re
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from otopt.errors import OtoptWarning
from tests.api.fuzz.adversaries import ODD, SAME, VALUES, WRONG, fingerprint, with_value
from tests.api.fuzz.entries import ENTRIES, METHODS, NO_ENTRY, public_callables, public_methods

CALLABLE = {"accept", "callback", "cost", "fun", "method", "sampler", "workers"}
NAMES = sorted(ENTRIES)
OURS = {part for name in public_callables() for part in (name, name.partition(".")[2])}
PREFIX = re.compile(r"([\w.]+)(: |, | \()")


def test_every_public_name_has_an_entry_or_a_reason():
    covered = {name.partition(",")[0] for name in ENTRIES}
    excused = set().union(*NO_ENTRY.values())
    public = set(public_callables())
    assert not public - covered - excused
    assert not excused - public  # nothing is excused that is gone
    assert not covered & excused
    assert public_methods() == set(METHODS)
    assert not {m for m in METHODS.values() if m.startswith("otopt.")} - covered


def documented(name):
    """The exceptions that the docstring of a public name tells of."""
    thing = pkgutil.resolve_name(name.partition(",")[0])
    docs = [thing.__doc__ or ""]
    if inspect.isclass(thing):
        docs += [getattr(thing, m).__doc__ or "" for m in ("__init__", "forward") if hasattr(thing, m)]
    found = set()
    for doc in docs:
        section = re.search(r"Raises\n\s*-+\n(.*?)(\n\n\s*\w+( \w+)?\n\s*---|$)", doc, flags=re.DOTALL)
        found |= set(re.findall(r"\b(\w+Error)\b", section[1])) if section else set()
    import builtins

    from otopt import errors

    return tuple(getattr(builtins, e, None) or getattr(errors, e) for e in sorted(found))


def good(entry):
    """Fresh arguments of the good call."""
    arrays = {name: x.copy() for name, x in entry.arrays.items()}
    if entry.tensors:
        arrays = {name: torch.as_tensor(x) for name, x in arrays.items()}
    return arrays | entry.settings


def judged(name, arguments, what):
    """Call; return the answer or None; complain about everything that is not as documented."""
    entry = ENTRIES[name]
    before = {key: fingerprint(x) for key, x in arguments.items()}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = entry.call(**arguments)
        except Exception as error:  # noqa: BLE001 (judged below)
            text = f"{type(error).__name__}: {error}"
            assert isinstance(error, documented(name)), f"{what}: undocumented {text}"
            assert is_ours(str(error)), f"{what}: not in our words: {text}"
            answer = None
    for warning in caught:
        ours = issubclass(warning.category, OtoptWarning) or is_ours(str(warning.message))
        assert ours, f"{what}: {warning.category.__name__}: {warning.message} ({warning.filename}:{warning.lineno})"
    after = {key: fingerprint(x) for key, x in arguments.items()}
    assert before == after, f"{what}: an argument was modified"
    return answer


def is_ours(text):
    """Whether a message begins with the name of a public function or method."""
    start = PREFIX.match(text)
    return bool(start) and any(start[1] == o or o.endswith(f".{start[1]}") for o in OURS | set(ENTRIES))


@pytest.mark.parametrize("name", NAMES)
def test_the_container_of_numbers_does_not_matter(name):
    entry = ENTRIES[name]
    expected = entry.answer(judged(name, good(entry), "the good call"))
    if entry.tensors:
        return
    for key in entry.arrays:
        for kind, change in SAME.items():
            arguments = good(entry)
            arguments[key] = change(arguments[key])
            found = judged(name, arguments, f"{key}: {kind}")
            assert found is not None or expected is None, f"{key}: {kind} was refused"
            if isinstance(expected, (float, np.ndarray)):
                np.testing.assert_allclose(entry.answer(found), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_arrays(name):
    entry = ENTRIES[name]
    for key, x in entry.arrays.items():
        for kind, change in WRONG.items():
            arguments = good(entry) | {key: change(x.copy())}
            judged(name, arguments, f"{key}: {kind}")
        for value in VALUES:
            arguments = good(entry) | {key: with_value(x, value, 1)}
            if entry.tensors:
                arguments[key] = torch.as_tensor(arguments[key])
            judged(name, arguments, f"{key}: {value}")


def all_parameters(name):
    """Names of parameters that take anything but arrays and functions."""
    entry = ENTRIES[name]
    thing = pkgutil.resolve_name(name.partition(",")[0])
    parameters = inspect.signature(thing).parameters.values()
    names = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    names |= set(entry.settings)
    return sorted(names - {"self", *entry.arrays, *entry.skip})


@pytest.mark.parametrize("name", NAMES)
def test_odd_settings(name):
    entry = ENTRIES[name]
    for key in all_parameters(name):
        for kind, value in ODD.items():
            if kind == "function" and key in CALLABLE:
                continue  # a good one, whose errors are the user's
            judged(name, good(entry) | {key: value}, f"{key}: {kind}")


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
    judged(name, arguments, f"{arguments}")
