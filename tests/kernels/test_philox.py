"""Philox4x32-10: the published answers, and numba against NumPy to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otopt._kernels import numba_philox, reference_philox

ONES = 0xFFFFFFFF
# Random123, kat_vectors: counter, key, answer
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter, key, answer):
    assert tuple(int(w) for w in reference_philox.philox4x32(counter, key)) == answer
    words = (np.uint32(x) for x in (*counter, *key))
    assert tuple(int(w) for w in numba_philox.philox4x32(*words)) == answer


@pytest.mark.parametrize("draw", ["signed32", "unit64"])
@given(
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**63),
    size=st.integers(1, 23),
    stream=st.integers(0, 2**32 - 1),
)
def test_numba_draws_the_numbers_of_the_reference(draw, seed, first, size, stream):
    candidates = np.arange(first, first + 3, dtype=np.uint64)
    expected = getattr(reference_philox, draw)(seed, candidates, size, stream)
    found = getattr(numba_philox, draw)(seed, candidates, size, stream)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    alone = getattr(reference_philox, draw)(seed, candidates[1:2], size, stream)
    np.testing.assert_array_equal(alone[0], expected[1])


def test_planar_layout():
    words = reference_philox.philox4x32((np.arange(3), 7, 5, 0), (9, 0)).view(np.int32)
    expected = np.float32(words >> 8).ravel() * np.float32(2.0**-23)
    np.testing.assert_array_equal(reference_philox.signed32(9, [5], 11, 7)[0], expected[:11])


@pytest.mark.parametrize("module", [reference_philox, numba_philox])
def test_numbers_are_uniform(module):
    for values in (module.unit64(3, np.arange(500), 40), module.signed32(3, np.arange(500), 40)):
        unit = np.sort((values if values.dtype == float else (values + 1) / 2).ravel())
        distance = np.abs(unit - (np.arange(len(unit)) + 0.5) / len(unit)).max()
        assert distance < 1.95 / np.sqrt(len(unit))  # Kolmogorov, one in a thousand
        assert abs(np.corrcoef(values[:, 0], values[:, 1])[0, 1]) < 0.15
