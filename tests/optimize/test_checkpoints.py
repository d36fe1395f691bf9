"""Checkpoints: what goes on from them, what they refuse, and when."""

import functools

import numpy as np
import pytest

import otopt
from otopt.optimize import _checkpoint
from tests.optimize.objectives import Counted

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


def test_what_the_first_evaluation_raises_is_passed_on_as_long_as_none_is_known(tmp_path):
    path = tmp_path / "search.npz"
    otopt.pattern_search(fails_beyond_one, [2.0, 0.0], maxfev=0, checkpoint=path)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="no value there"):
            otopt.pattern_search(fails_beyond_one, [2.0, 0.0], checkpoint=path)


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
