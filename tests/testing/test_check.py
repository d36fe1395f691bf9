"""The checker catches every kind of lie."""

import dataclasses

import numpy as np
import pytest

import otopt
from otopt import Status
from otopt.testing import check_plan

RNG = np.random.default_rng(0)
A, B, C = RNG.dirichlet(np.ones(6)), RNG.dirichlet(np.ones(9)), RNG.random((6, 9))
TRUE = otopt.sparse_ot(A, B, C, 3)


def test_truth_passes():
    assert TRUE.success
    check_plan(TRUE, A, B, C, 3)


LIES = {
    "value": {"value": TRUE.value * 1.001},
    "linear value": {"linear_value": TRUE.linear_value + 1e-3},
    "bound": {"dual_bound": TRUE.dual_bound + 1e-3},
    "marginal error": {"marginal_error": 1e-3},
    "masses": {"mass": TRUE.mass * 1.01},
    "negative mass": {"mass": -TRUE.mass},
    "gap": {"gap": TRUE.gap + 0.1},
    "status": {"status": Status.NOT_FOUND},
    "infeasible": {"status": Status.INFEASIBLE},
    "potentials": {
        "potentials": type(TRUE.potentials)(TRUE.potentials.source + 1, TRUE.potentials.target)
    },
    "relaxed value": {"relaxed": dataclasses.replace(TRUE.relaxed, value=TRUE.value / 2)},
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_are_caught(lie):
    with pytest.raises(AssertionError, match="check_plan"):
        check_plan(dataclasses.replace(TRUE, **LIES[lie]), A, B, C, 3)


def test_too_many_nonzeros_are_caught():
    with pytest.raises(AssertionError, match="a column has"):
        check_plan(TRUE, A, B, C, 1)
