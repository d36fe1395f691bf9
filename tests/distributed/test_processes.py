"""Two real processes over gloo give the answer of one."""

import warnings

import numpy as np
import pytest
import torch
import torch.distributed as dist

import otopt
from otopt.distributed import sparse_ot
from otopt.testing import check_plan
from tests.distributed.cases import CASES, part, problem
from tests.distributed.processes import on_processes


@pytest.fixture(scope="module")
def of_one():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # No process sees the whole cost, so that their start is the other one.
        alike = {"linear_start": False}
        return {name: otopt.sparse_ot(**problem(name)[0], options=alike) for name in CASES}


def solve_parts(rank, size):
    warnings.simplefilter("ignore")
    answers = {}
    for name in CASES:
        whole, cut = problem(name)
        answers[name] = sparse_ot(**part(whole, [cut], rank))
    whole, cut = problem("general")
    own = part(whole, [cut], rank)
    tensors = own | {name: torch.from_numpy(own[name]) for name in ("a", "b", "C")}
    answers["tensors"] = sparse_ot(**tensors).value.item()
    if rank == 1:
        own["C"] = own["C"].copy()
        own["C"][2, 3] = np.nan
    try:
        sparse_ot(**own)
    except ValueError as error:
        answers["bad input"] = str(error)
    return answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory, of_one):  # after it: the processes find compiled kernels
    return on_processes(2, solve_parts, tmp_path_factory.mktemp("group"))


@pytest.mark.parametrize("name", CASES)
def test_two_processes_answer_as_one(answers, of_one, name):
    whole, one = problem(name)[0], of_one[name]
    for answer in (rank[name] for rank in answers):
        assert answer.status is one.status
        assert answer.value == pytest.approx(one.value, rel=1e-10, abs=1e-12)
        assert answer.dual_bound == pytest.approx(one.dual_bound, rel=1e-10, abs=1e-12)
        for found, expected in zip(answer.potentials, one.potentials, strict=True):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)
        np.testing.assert_array_equal(answer.rows, one.rows)
        np.testing.assert_allclose(answer.mass, one.mass, rtol=0, atol=1e-12)
        if answer.success:
            check_plan(answer, whole["a"], whole["b"], whole["C"], whole["k"])


def test_tensors_are_taken(answers, of_one):
    assert answers[0]["tensors"] == pytest.approx(of_one["general"].value, rel=1e-10)


def test_bad_input_on_one_process_raises_on_both(answers):
    for rank in answers:
        assert "`C` must be finite; got C[2, 3] = nan" in rank["bad input"]
        assert "process 1 of 2" in rank["bad input"]


def test_needs_a_process_group():
    assert not dist.is_initialized()
    with pytest.raises(ValueError, match="init_process_group"):
        sparse_ot([1.0], [1.0], [[0.0]], 1)
