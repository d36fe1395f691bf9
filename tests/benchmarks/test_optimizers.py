"""The optimisers' benchmark: published values of its functions, and honest accounts of runs."""

import json

import numpy as np
import pytest

from benchmarks.optimizers import __main__ as benchmark
from benchmarks.optimizers import bars, profiles, solvers
from benchmarks.optimizers.measure import history
from benchmarks.optimizers.more_wild import RESIDUALS, ROWS, start
from benchmarks.optimizers.problems import SETS, Problem, problems
from benchmarks.optimizers.second import SECOND


def test_there_are_53_problems():
    assert len(ROWS) == 53
    assert {number for number, *_ in ROWS} == set(range(1, 23))
    for number, n, m, _ in ROWS:
        x = start(number, n)
        assert x.shape == (n,)
        assert RESIDUALS[number - 1](x, m).shape == (m,)


# Minima as Moré, Garbow and Hillstrom print them, at points near theirs.
KNOWN = [
    (1, np.full(9, -1.0), 45, 36.0),
    (4, [1, 1], 2, 0),
    (5, [1, 0, 0], 3, 0),
    (6, np.zeros(4), 4, 0),
    (7, [5, 4], 2, 0),
    (8, [0.0824106, 1.1330361, 2.3436952], 15, 8.21487e-3),
    (9, [0.1928069, 0.1912823, 0.1230565, 0.1360624], 11, 3.07505e-4),
    (10, [0.00560963647, 6181.34635, 345.223635], 16, 87.9458),
    (12, [1, 10, 1], 10, 0),
    (13, [0.2578252, 0.2578252], 10, 124.362),
    (14, [-11.594440, 13.203630, -0.40343948, 0.23677877], 20, 85822.2),
    (16, np.ones(10), 10, 0),
    (17, [0.37541005, 1.9358469, -1.4646871, 0.01286753, 0.02212270], 33, 5.46489e-5),
]


@pytest.mark.parametrize(("number", "x", "m", "minimum"), KNOWN)
def test_minima_are_the_published_ones(number, x, m, minimum):
    value = (RESIDUALS[number - 1](np.array(x, float), m) ** 2).sum()
    assert value == pytest.approx(minimum, rel=2e-5, abs=1e-9)


def test_the_second_set_has_its_known_minima():
    def value(name, x):
        return SECOND[name][0](np.array(x, float))

    assert value("Beale", [3, 0.5]) == pytest.approx(0, abs=1e-12)
    assert value("Gulf", [50, 25, 1.5]) == pytest.approx(0, abs=1e-12)
    assert value("Biggs", [1, 10, 1, 5, 4, 3]) == pytest.approx(0, abs=1e-12)
    assert value("Wood", np.ones(4)) == 0
    assert value("Brown badly scaled", [1e6, 2e-6]) == pytest.approx(0, abs=1e-12)
    assert value("trigonometric", np.zeros(10)) == pytest.approx(0, abs=1e-12)
    assert value("variably dimensioned", np.ones(6)) == 0
    assert value("penalty I", np.full(10, 0.15812)) == pytest.approx(7.08765e-5, rel=1e-4)
    for name in ("Rosenbrock", "chained Rosenbrock", "LIARWHD"):
        assert value(name, np.ones(6)) == 0


@pytest.mark.parametrize("name", SETS)
def test_sets_are_different_and_can_be_evaluated(name):
    chosen = problems(name)
    assert len({p.name for p in chosen}) == len(chosen) >= 40
    for p in chosen:
        with np.errstate(all="ignore"):
            assert np.isfinite(p.fun(p.x0))
        if p.bounds is not None:
            assert (p.bounds[:, 0] <= p.x0).all()
            assert (p.x0 <= p.bounds[:, 1]).all()
    assert {p.name for p in problems(name, quick=True)} < {p.name for p in chosen}


def test_noise_is_small_and_judged_without():
    for noisy, smooth in zip(problems("noisy"), problems("smooth"), strict=True):
        assert noisy.fun(noisy.x0) == pytest.approx(smooth.fun(smooth.x0), rel=1.01e-3)
    stochastic = problems("stochastic")[4]
    assert stochastic.fun(stochastic.x0) != stochastic.fun(stochastic.x0)
    assert stochastic.truth(stochastic.x0) == problems("smooth")[4].fun(stochastic.x0)


def test_moved_problems_keep_what_is_to_be_found():
    smooth, moved = problems("smooth"), problems("moved")
    starts, turns = moved[: len(smooth)], moved[len(smooth) :]
    for p, nearby, turned in zip(smooth, starts, turns, strict=True):
        assert nearby.fun(p.x0) == turned.fun(p.x0) == p.fun(p.x0)
        assert nearby.fun(nearby.x0) != p.fun(p.x0)
    p, turned = smooth[2], turns[2]  # quadratic of rank one: a turn moves values, keeps their sum
    around = p.x0 + np.concatenate([np.eye(p.n), -np.eye(p.n)])
    values = np.array([[q.fun(x) for x in around] for q in (p, turned)])
    assert not np.allclose(*values)
    assert values[0].sum() == pytest.approx(values[1].sum())
    quick = {p.name.split()[-1] for p in problems("moved", quick=True)}
    assert quick == {"start", "turned"}


def greedy(fun, x0, bounds, maxfev):
    while True:
        fun(x0)
        x0 = x0 / 2


def test_a_run_ends_at_the_budget_and_keeps_improvements():
    p = Problem("bowl", lambda x: float(x @ x), np.array([2.0, 0.0]))
    steps, _, calls, error = history(greedy, p, budget=2)
    assert calls == 6
    assert not error
    assert [count for count, _ in steps] == [1, 2, 3, 4, 5, 6]
    assert steps[-1][1] == 4 / 4.0**5
    outside = Problem("bowl", p.fun, p.x0, bounds=np.array([[1.0, 3.0], [-1.0, 1.0]]))
    assert [count for count, _ in history(greedy, outside, budget=2)[0]] == [1, 2]


def test_a_solver_that_fails_keeps_what_it_had():
    def solver(fun, x0, bounds, maxfev):
        fun(x0)
        raise ArithmeticError("no more")

    steps, _, _, error = history(solver, Problem("bowl", lambda x: float(x @ x), np.ones(2)))
    assert (steps, error) == ([(1, 2.0)], "ArithmeticError: no more")


def test_a_missing_package_is_no_failed_run():
    def solver(fun, x0, bounds, maxfev):
        raise ImportError

    with pytest.raises(ImportError):
        history(solver, Problem("bowl", lambda x: float(x @ x), np.ones(2)))


def test_unknown_solvers_are_refused_before_anything_is_measured(tmp_path, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(["--solvers", "Simplex", "--out", str(tmp_path / "run.json")])
    assert "'Simplex'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def runs_of(*histories):
    return {
        name: [
            {"steps": h, "seconds": 1.0, "calls": 100, "error": "" if len(h) > 1 else "E: e"}
            for h in per_problem
        ]
        for name, per_problem in histories
    }


def test_profiles_by_hand():
    chosen = [Problem(str(i), lambda x: 10.0, np.zeros(1)) for i in range(2)]
    runs = runs_of(
        ("a", [[(1, 10.0), (4, 0.5), (20, 0.0)], [(1, 10.0)]]),
        ("b", [[(1, 10.0), (40, 0.0)], [(1, 10.0), (30, 1.0), (50, 0.0)]]),
    )
    entry = profiles.summarise(chosen, runs)
    assert entry["best"] == [0.0, 0.0]
    assert [entry["solvers"][name]["raised"] for name in "ab"] == [1, 0]
    assert entry["solvers"]["a"]["evaluations"]["0.1"] == [4, None]
    assert entry["solvers"]["b"]["evaluations"]["0.1"] == [40, 30]
    shares = profiles.data_profile(entry, "b", 1e-1, np.array([14.9, 15, 20]))
    np.testing.assert_array_equal(shares, [0, 0.5, 1])
    shares = profiles.performance_profile(entry, "b", 1e-1, np.array([1, 9.9, 10]))
    np.testing.assert_array_equal(shares, [0.5, 0.5, 1])
    assert not profiles.performance_profile(entry, "a", 1e-5, np.array([1e9]))[0] > 0.5


def run_with(ours, peer):
    """A run in which each solves the first so many of 100 problems."""

    def entry(shares):
        return {"evaluations": {f"{t:g}": [5] * s + [None] * (100 - s) for t, s in shares.items()},
                "microseconds": 1.0}  # fmt: skip

    one = {"problems": [""] * 100, "n": [1] * 100, "start": [1] * 100, "best": [0] * 100,
           "solvers": {bars.OURS: entry(ours), "nlopt Sbplx": entry(peer)}}  # fmt: skip
    return {"sets": dict.fromkeys(("smooth", "noisy", "nonsmooth", "second"), one)}


GOOD = dict(zip(profiles.TAUS, (100, 95, 90, 50), strict=True))


@pytest.mark.parametrize(
    ("ours", "peer", "broken"),
    [
        (GOOD, GOOD | {1e-5: 89}, set()),
        (GOOD, GOOD, {"smooth, tau 1e-05: lead", "second, tau 1e-05: lead"}),
        (GOOD | {1e-1: 97}, GOOD | {1e-1: 90, 1e-5: 1}, {"smooth, tau 0.1: share"}),
        (GOOD | {1e-3: 93}, GOOD | {1e-3: 96, 1e-5: 1}, {"noisy, tau 0.001"}),
        (GOOD | {1e-1: 98}, GOOD | {1e-1: 99, 1e-5: 1}, {"nonsmooth, tau 0.1"}),
    ],
)
def test_a_broken_promise_is_seen(ours, peer, broken):
    rows = bars.summary(run_with(ours, peer))
    found = [name for name, _, kept in rows if kept is not None and not kept]
    assert len(found) == len(broken)
    assert all(any(name.startswith(b) for name in found) for b in broken)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


@pytest.fixture
def tiny(monkeypatch):
    bowl = [Problem(f"{i}", lambda x: float(x @ x), np.ones(2)) for i in range(2)]
    monkeypatch.setattr(benchmark, "SETS", {"mine": lambda: bowl})
    monkeypatch.setitem(SETS, "mine", lambda: bowl)
    return ["--sets", "mine", "--solvers", f"{bars.OURS},scipy Nelder-Mead"]


def test_a_run_writes_strict_json_and_a_picture_and_resumes(tiny, tmp_path, capsys):
    path = tmp_path / "run.json"
    assert benchmark.main([*tiny, "--out", str(path), "--minutes", "1e-9"]) == 0
    assert "4 measurements left" in capsys.readouterr().out
    assert benchmark.main([*tiny, "--out", str(path), "--resume"]) == 0
    run = json.loads(path.read_text(), parse_constant=strict)
    assert set(run["sets"]["mine"]["solvers"]) == {bars.OURS, "scipy Nelder-Mead"}
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    lines = path.with_name("run_runs.jsonl").read_text()
    benchmark.main([*tiny, "--out", str(path), "--resume"])
    assert path.with_name("run_runs.jsonl").read_text() == lines  # nothing was measured again
    assert "share solved" in capsys.readouterr().out


def test_solvers_whose_package_is_missing_are_left_out(monkeypatch):
    monkeypatch.setitem(solvers.PACKAGES, "nlopt", "no_such_module")
    names = solvers.installed()
    assert "scipy Powell" in names
    assert not [name for name in names if name.startswith("nlopt")]


@pytest.mark.parametrize("name", ["scipy direct", "scipy differential_evolution", "scipy COBYLA"])
@pytest.mark.parametrize("set_name", ["smooth", "bounded"])
def test_peers_run(name, set_name):
    steps, _, calls, error = history(solvers.SOLVERS[name], problems(set_name)[6], budget=20)
    assert not error
    assert calls <= 60
    assert len(steps) > 1
