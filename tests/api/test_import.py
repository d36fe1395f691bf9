"""What `import otopt` loads, and what it never needs."""

import os
import subprocess
import sys

import pytest

import otopt

HEAVY = ("numpy", "scipy", "numba", "torch", "matplotlib", "hypothesis")


def run_python(code, **environment):
    """Standard output of a fresh interpreter; its traceback where it fails."""
    env = {k: v for k, v in os.environ.items() if k != "EAGER_IMPORT"} | environment
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy():
    code = "import sys; before = set(sys.modules); import otopt; print(*set(sys.modules) - before)"
    loaded = {name.partition(".")[0] for name in run_python(code).split()}
    assert "otopt" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_errors_load_nothing_heavy():
    code = "import sys; import otopt; otopt.errors.OtoptError; print(*sys.modules)"
    assert set(run_python(code).split()).isdisjoint(HEAVY)


def test_every_public_name_loads_eagerly():
    code = "import otopt; print(*(name for name in otopt.__all__ if name in vars(otopt)))"
    assert set(run_python(code, EAGER_IMPORT="1").split()) == set(otopt.__all__)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="sparse_otter"):
        otopt.sparse_otter  # noqa: B018


BLOCKER = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name + " is blocked in this test")

sys.meta_path.insert(0, Blocked())
"""


@pytest.mark.reference
@pytest.mark.parametrize("kernels", ["", "reference"])
def test_sparse_ot_needs_no_optional_package(kernels):
    blocked = ("torch", "matplotlib", "sklearn", "ot", "cvxpy", "rich", "hypothesis")
    code = BLOCKER.format(blocked=blocked) + (
        "import numpy as np, otopt\n"
        "rng = np.random.default_rng(0)\n"
        "a, b = np.full(6, 1 / 6), np.full(9, 1 / 9)\n"
        "C = rng.random((6, 9))\n"
        "res = otopt.sparse_ot(a, b, C, k=3)\n"
        "assert res.success, res\n"
        "assert (res.plan.toarray() > 0).sum(axis=0).max() <= 3\n"
        "print(res.marginal_error)"
    )
    environment = {"OTOPT_KERNELS": kernels} if kernels else {}
    assert float(run_python(code, **environment)) <= 1e-9
