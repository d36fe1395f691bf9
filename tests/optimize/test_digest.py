"""The digest of arguments: equal for equal values in any process, different for others."""

import itertools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import LinearConstraint
from scipy.sparse import csr_array

from otopt.optimize._digest import digest

LONG = np.arange(2000.0)
CHANGED = np.where(LONG == 1000, -1, LONG)  # where a repr of it has dots
LOOP = [1]
LOOP.append(LOOP)
DIFFERENT = [
    None, True, 1, 1.0, "1", b"1", np.nan, LONG, CHANGED, LONG[:, None], LONG.astype(np.float32),
    [1, 2], [[1], 2], [1, [2]], [], {"a": 1}, {"a": 2}, {"b": 1}, {1}, {1, 2}, len, LOOP,
    SimpleNamespace(a=1), SimpleNamespace(a=2), LinearConstraint([[1, 2]], 0, 1),
    LinearConstraint([[1, 3]], 0, 1), csr_array([[1, 0, 2]]), csr_array([[1, 2, 0]]),
    np.array([1, "a"], object), np.array([2, "a"], object),
]  # fmt: skip


def test_different_values_have_different_digests():
    for a, b in itertools.combinations(DIFFERENT, 2):
        assert digest(a) != digest(b), (a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (LONG, LONG.copy()),
        (LONG.reshape(40, 50).T, np.array(LONG.reshape(40, 50).T, order="C")),
        ((1, 2), [1, 2]),
        (3.0, np.float64(3)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a", "b", "c"}, {"c", "b", "a"}),
        (LinearConstraint([[1, 2]], 0, 1), LinearConstraint([[1, 2]], 0, 1)),
        (SimpleNamespace(x=LONG), SimpleNamespace(x=LONG.copy())),
        (len, max),
        (object(), object()),
    ],
)
def test_equal_values_have_equal_digests(a, b):
    assert digest(a) == digest(b)


def test_the_digest_is_the_same_in_another_process():
    code = (
        "from scipy.optimize import LinearConstraint as L\n"
        "from otopt.optimize._digest import digest\n"
        "print(digest(L([[1, 2]], 0, 1), {'a', 'b', 'c'}, {'x': 1.5}))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = digest(LinearConstraint([[1, 2]], 0, 1), {"a", "b", "c"}, {"x": 1.5})
    assert other.stdout.strip() == here
