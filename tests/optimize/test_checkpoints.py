"""Checkpoints: what goes on from them, what they refuse, and when."""

import functools
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint

import otopt
from otopt.optimize import _checkpoint
from tests.optimize.objectives import Counted, same

SEARCHES = {
    "pattern_search": functools.partial(otopt.pattern_search, x0=[0.0, 0.0], maxfev=30),
    "guess_and_check": functools.partial(
        otopt.guess_and_check, bounds=[(-1, 1)] * 2, accept=0.1, max_candidates=200, rng=0
    ),
}
each_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)


def bowl(x, centre=0.3):
    return float(((x - centre) ** 2).sum())


def fails_beyond_one(x):
    if x[0] > 1:
        raise RuntimeError("no value there")
    return float((x[0] - 3) ** 2 + x[1] ** 2)


def is_nan_beyond_one(x):
    return float((x[0] - 3) ** 2 + x[1] ** 2) if x[0] <= 1 else np.nan


# Going on


@pytest.mark.parametrize("fun", [fails_beyond_one, is_nan_beyond_one])
@pytest.mark.parametrize("stopped_at", [0, 1, 7, 20, 60, 100])
def test_failures_do_not_tell_a_resumed_search_from_an_uninterrupted_one(tmp_path, fun, stopped_at):
    whole = otopt.pattern_search(fun, [0.0, 0.0])
    path = tmp_path / "search.npz"
    otopt.pattern_search(fun, [0.0, 0.0], maxfev=stopped_at, checkpoint=path)
    for _ in range(2):  # from part of the file, and from all of it
        again = otopt.pattern_search(fun, [0.0, 0.0], checkpoint=path)
        same(whole, again)
        assert (again.nfail, again.message) == (whole.nfail, whole.message)
        assert again.nahead == 0
    assert whole.nfail > 0


@pytest.mark.parametrize("stopped_at", range(30, 40))
def test_a_resumed_complete_poll_keeps_to_maxfev(tmp_path, stopped_at):
    path = tmp_path / "search.npz"
    fun = Counted(fails_beyond_one)
    for maxfev in (stopped_at, stopped_at + 2):
        result = otopt.pattern_search(
            fun, [0.0] * 4, poll="complete", search="none", maxfev=maxfev, checkpoint=path
        )
        assert len(fun.points) == result.nfev == maxfev
        assert result.nahead == 0


def test_what_the_first_evaluation_raises_is_passed_on_as_long_as_none_is_known(tmp_path):
    path = tmp_path / "search.npz"
    otopt.pattern_search(fails_beyond_one, [2.0, 0.0], maxfev=0, checkpoint=path)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no value there"):
            otopt.pattern_search(fails_beyond_one, [2.0, 0.0], checkpoint=path)


def test_another_process_goes_on(tmp_path):
    path = tmp_path / "search.npz"
    code = (
        "import sys, otopt\n"
        "from scipy.optimize import LinearConstraint as L\n"
        "from tests.optimize.test_checkpoints import bowl\n"
        "otopt.pattern_search(bowl, [0., 0.], constraints=L([[1, 1]], -9, 0.4), maxfev=20,"
        " checkpoint=sys.argv[1])\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    fun = Counted(bowl)
    constraint = LinearConstraint(np.array([[1.0, 1.0]]), [-9], [0.4])
    rest = otopt.pattern_search(fun, [0.0, 0.0], constraints=[constraint], checkpoint=path)
    whole = otopt.pattern_search(bowl, [0.0, 0.0], constraints=constraint)
    same(whole, rest)
    assert len(fun.points) == whole.nfev - 20


def test_the_same_bounds_in_another_form_go_on(tmp_path):
    path = tmp_path / "search.npz"
    otopt.pattern_search(
        bowl, [0, 0], bounds=[(-1, 2), (None, 1)], maxfev=20, checkpoint=path, initial_step=[1, 1]
    )
    fun = Counted(bowl)
    rest = otopt.pattern_search(
        fun, np.zeros(2), bounds=Bounds([-1.0, -np.inf], [2.0, 1.0]), initial_step=1.0,
        checkpoint=str(path),
    )  # fmt: skip
    assert len(fun.points) == rest.nfev - 20


# Refusals

ROWS = np.ones((1, 2000))
CHANGED = np.where(np.arange(2000) == 1000, 2.0, ROWS)  # where a repr of it has dots


@pytest.mark.parametrize(
    ("search", "first", "second"),
    [
        ("pattern_search", {"args": (3.0,)}, {"args": (5.0,)}),
        ("pattern_search", {"args": (np.arange(2.0),)}, {"args": (np.arange(1, 3.0),)}),
        ("pattern_search", {"bounds": [(-1, 1)] * 2}, {"bounds": [(-1, 1), (-1, 2)]}),
        ("pattern_search", {"noisy": False}, {"noisy": True}),
        (
            "pattern_search",
            {"x0": np.zeros(2000), "constraints": LinearConstraint(ROWS, -1, 1), "maxfev": 1},
            {"x0": np.zeros(2000), "constraints": LinearConstraint(CHANGED, -1, 1), "maxfev": 1},
        ),
        ("guess_and_check", {"args": (0.3,)}, {"args": (0.4,)}),
        ("guess_and_check", {"accept": 0.1}, {"accept": 0.2}),
        ("guess_and_check", {"accept": 0.1}, {"accept": abs}),
        ("guess_and_check", {"examples": [0.1, 0.2]}, {"examples": [0.1, 0.3]}),
        ("guess_and_check", {"examples": [0.1]}, {"examples": [0.1], "combine": "sum"}),
        ("guess_and_check", {"rng": 1}, {"rng": 2}),
    ],
)
def test_other_arguments_are_refused(tmp_path, search, first, second):
    run = functools.partial(SEARCHES[search], bowl, checkpoint=tmp_path / "search.npz")
    run(**first)
    run(**first)
    with pytest.raises(ValueError, match=r"search\.npz does not; delete it"):
        run(**second)


@each_search
def test_a_file_of_another_function_is_refused(tmp_path, search):
    for run in SEARCHES.values():
        if run is not search:
            run(bowl, checkpoint=tmp_path / "search.npz")
    with pytest.raises(ValueError, match="same arguments"):
        search(bowl, checkpoint=tmp_path / "search.npz")


def _junk(path):
    path.write_text("hello")


def _empty(path):
    path.touch()


def _foreign(path):
    with path.open("wb") as file:
        np.savez(file, a=1)


def _array(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3.0))


def _objects(path):
    with path.open("wb") as file:
        np.savez(file, digest=np.array([{}], object))


def _cut_off(path):
    SEARCHES["pattern_search"](bowl, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-40])


@each_search
@pytest.mark.parametrize("write", [_junk, _empty, _foreign, _array, _objects, _cut_off])
def test_files_that_are_no_checkpoints_are_refused_and_kept(tmp_path, search, write):
    path = tmp_path / "search.npz"
    write(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"an earlier call wrote; .*search\.npz is none; give"):
        search(bowl, checkpoint=path)
    assert path.read_bytes() == before


@each_search
@pytest.mark.parametrize("place", ["missing/search.npz", "", "file/search.npz"])
def test_paths_that_cannot_be_written_are_refused_before_any_work(tmp_path, search, place):
    (tmp_path / "file").touch()
    fun = Counted(bowl)
    with pytest.raises(ValueError, match=r"must be a path that can be written; got .*; make its"):
        search(fun, checkpoint=tmp_path / place)
    assert not fun.points
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@each_search
def test_a_file_that_can_no_longer_be_written_costs_no_answer(tmp_path, search, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_checkpoint.np, "savez", full)
    with pytest.warns(RuntimeWarning, match="could not be written"):
        result = search(bowl, checkpoint=tmp_path / "search.npz")
    assert result.fun == search(bowl).fun
