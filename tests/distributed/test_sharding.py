"""Laws of sharded solves, on ranks played by threads."""

import warnings

import numpy as np
import pytest

import otopt
from otopt._sharding.communicator import Alone
from otopt.ot._sharded import solve_sharded
from tests.distributed.cases import CASES, part, problem
from tests.distributed.threads import on_threads

DEFAULTS = {
    "tol": 1e-6, "maxiter": None, "rounding": "repair", "workers": 1, "callback": None,
    "options": None, "warm_start": None, "function": "sharded",
}  # fmt: skip


@pytest.fixture(autouse=True, params=[False, True], ids=["gathered", "sharded"])
def sharded(request, monkeypatch):
    """Small problems are gathered, unless this keeps them from it: on one process, too."""
    if request.param:
        monkeypatch.setattr("otopt.ot._sharded.has_small_shape", lambda problem: False)
        monkeypatch.setattr("otopt.ot._solve.is_small", lambda problem: False)


def solve_in_parts(whole, cuts, of_rank=None, **settings):
    def run(communicator):
        own = part(whole, cuts, communicator.rank)
        own |= {} if of_rank is None else of_rank(communicator.rank)
        return solve_sharded(communicator, **DEFAULTS | settings | own)

    return on_threads(len(cuts) + 1, run)


def solve(whole, **settings):
    """On one process, from the start that many can make: none of them sees the whole cost."""
    settings["options"] = {"linear_start": False} | (settings.get("options") or {})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return otopt.sparse_ot(**whole, **settings)


def assert_same_bits(answer, one):
    assert answer.status is one.status
    assert (answer.value, answer.dual_bound, answer.nit) == (one.value, one.dual_bound, one.nit)
    np.testing.assert_array_equal(answer.rows, one.rows)
    np.testing.assert_array_equal(answer.mass, one.mass)
    for found, expected in zip(answer.potentials, one.potentials, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.reference if name == "small" else ()) for name in CASES],
)
@pytest.mark.parametrize("count", [2, 3])
def test_cuts_do_not_change_a_bit(name, count):
    whole, cut = problem(name)
    cuts = [cut] if count == 2 else [1, cut + 1]
    one = solve(whole)
    for answer in solve_in_parts(whole, cuts):
        assert_same_bits(answer, one)


def test_one_process_is_a_group():
    whole, _ = problem("small")
    assert_same_bits(solve_sharded(Alone(), **DEFAULTS | whole), solve(whole))


def test_a_process_may_have_no_mass():
    whole, cut = problem("small")
    whole["b"][cut:] = 0.0
    whole["b"] /= whole["b"].sum()
    one = solve(whole)
    for answer in solve_in_parts(whole, [cut]):
        assert_same_bits(answer, one)


def test_second_search_gathers_feeders():
    rng = np.random.default_rng(3)
    a, b = rng.dirichlet(np.full(40, 0.5)), rng.dirichlet(np.full(30, 0.3))
    whole = {"a": a, "b": b, "C": rng.random((40, 30)), "k": 4, "reg": 1.0}
    one = solve(whole)
    for answer in solve_in_parts(whole, [11]):
        assert_same_bits(answer, one)


def test_warm_start_from_another_number_of_processes():
    whole, cut = problem("small")
    before = solve(whole)
    changed = whole | {"C": whole["C"] + 1e-3 * np.random.default_rng(0).random(whole["C"].shape)}
    one = solve(changed, warm_start=before)
    for answer in solve_in_parts(changed, [cut], warm_start=before):
        assert_same_bits(answer, one)


def test_one_callback_stops_all():
    whole, cut = problem("small")

    def stop_on_second(rank):
        def stop(intermediate_result):
            if intermediate_result.nit == 2:
                raise StopIteration

        return {"callback": stop} if rank == 1 else {}

    for answer in solve_in_parts(whole, [cut], stop_on_second):
        assert answer.status is otopt.Status.STOPPED
        assert answer.nit == 2


def test_failing_callback_is_known_to_all():
    whole, cut = problem("small")

    def fail(intermediate_result):
        raise ValueError("mine")

    mine, other = solve_in_parts(whole, [cut], lambda rank: {} if rank else {"callback": fail})
    assert isinstance(mine, ValueError)
    assert isinstance(other, RuntimeError)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"k": 0}, r"`k` must be an integer >= 1.*process 1 of 2"),
        ({"tol": -1.0}, r"`tol`.*process 1 of 2"),
        ({"rounding": "no"}, r"`rounding`.*process 1 of 2"),
        ({"k": 5}, r"`k` must be the same on every process; got 4 on process 0 and 5 on process 1"),
        ({"reg": 7.0}, r"`reg` must be the same on every process"),
        ({"a": np.full(30, 1 / 30)}, r"`a` must be the same on every process"),
        ({"b": np.ones(3)}, r"`b` must have one entry for every column.*process 1 of 2"),
        ({"C": np.ones((29, 17))}, r"`a` must have one entry for every row.*process 1 of 2"),
        ({"b": np.ones(17)}, r"`a` and `b` must have equal sums"),
    ],
)
def test_bad_input_is_refused_by_all(wrong, words):
    whole, cut = problem("small")
    failures = solve_in_parts(whole, [cut], lambda rank: wrong if rank == 1 else {})
    assert len(failures) == 2
    for failure in failures:
        with pytest.raises(ValueError, match=words):
            raise failure
