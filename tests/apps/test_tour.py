"""The tour on small settings: it says the truth, and its page needs nothing but itself."""

import re

import numpy as np
import pytest

from ml_apps.tour import __main__ as tour
from ml_apps.tour import page, solve
from ml_apps.tour.parts import PARTS, digits, fairness, palette, race, routing

SMALL = {
    palette: {"paints": 16},
    digits: {"size": 60},
    fairness: {"splits": 2},
    race: {"budget": 150},
    routing: {"experts": 6, "width": 320},
}


@pytest.fixture(scope="module")
def parts():
    return {part: part.run(**SMALL[part]) for part in PARTS}


def cells(part, name):
    """The row of a method as a dictionary."""
    (row,) = (row for row in part.rows if row[0] == name)
    return dict(zip(part.columns, row, strict=True))


def test_every_part_fills_its_table_and_shows_pictures(parts):
    for part in parts.values():
        assert part.complete
        assert part.rows
        assert part.pictures
        assert all(len(row) == len(part.columns) for row in part.rows)
        assert all(picture.png.startswith(b"\x89PNG") for picture in part.pictures)
    names = [picture.name for part in parts.values() for picture in part.pictures]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("part", "limits"), [(palette, (1, 3, 8)), (digits, (1, 3))])
def test_our_plans_meet_their_marginals_and_pots_stand_beside_them(parts, part, limits):
    for k in limits:
        ours = cells(parts[part], f"otopt, k = {k}")
        assert ours["marginals missed by"].startswith("nothing")
        most = re.search(r"at most (\d+)", ours["sources per target"])
        assert int(most[1]) <= k
        assert cells(parts[part], f"POT, k = {k}")["gap"] == "not stated"


def test_one_source_each_is_certified(parts):
    for part in (palette, digits):
        assert cells(parts[part], "otopt, k = 1")["verdict"] == "proven best"


def test_the_race_counts_what_it_shows():
    fun = race.FUNCTIONS["valley"]
    points, _, result = race.race(fun, "pattern-search", 150)
    assert result.status in (0, 1)
    assert len(points) <= 150
    first, second, best = race.figures(fun, points)
    values = [fun(x) for x in points]
    assert values[int(first) - 1] <= 0.01 * values[0] < min(values[: int(first) - 1])
    assert float(best) == pytest.approx(min(values), rel=0.1)
    assert race.figures(fun, points[:3])[1] == "not reached"
    assert second == "not reached" or int(second) >= int(first)


def test_experts_get_equal_shares(parts):
    repaired = cells(parts[routing], "otopt, the same repaired")
    assert repaired["fullest expert over its share"] == repaired["emptiest"] == "1.00"
    nearest = cells(parts[routing], "nearest expert")
    assert float(nearest["fullest expert over its share"]) > 1.3
    bound = float(re.search(r"more than ([\d.]+) %", parts[routing].certificate)[1])
    assert float(repaired["similarity kept"].rstrip(" %")) <= bound + 0.06


def test_the_impossible_is_called_so(parts):
    assert cells(parts[palette], "otopt, impossible")["verdict"] == "proven impossible"
    assert "smallest k that the count allows is 2" in parts[palette].remarks[0]


def test_strength_closes_the_gap_down_to_chance(parts):
    plain = cells(parts[fairness], "least squares")
    fair = cells(parts[fairness], "otopt, strength 0.4")
    assert float(plain["gap"]) > 1.3 * float(plain["gap by chance"])
    assert float(fair["gap"]) < 0.6 * float(plain["gap"])
    assert int(fair["explained"].split()[0]) > 20


def test_without_strength_it_is_least_squares():
    X, y, groups = fairness.patients()
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(fairness.fit(X, y, groups, 0.0), expected, rtol=1e-6)


def test_a_row_does_not_flatter():
    a = b = np.full(4, 0.25)
    half = np.diag([0.25, 0.25, 0.0, 0.0])
    row = dict(zip(solve.COLUMNS, solve.row(solve.Answer("x", half, 1.0), a, b), strict=True))
    assert row["marginals missed by"] == "100 %"  # half is left over and half is missing
    assert row["verdict"] == "misses marginals"
    assert row["sources per target"] == "0.5 (at most 1)"


def test_median_cut_gives_equal_shares():
    image = np.random.default_rng(0).random((20, 24, 3))
    colours, label = palette.median_cut(image, 8)
    assert set(np.bincount(label.ravel())) == {60}
    assert np.allclose(colours[3], image[label == 3].mean(axis=0))


def test_ctrl_c_keeps_the_answers_so_far():
    def stop():
        raise KeyboardInterrupt

    jobs = [("a", lambda: "first"), ("b", lambda: None), ("c", stop), ("d", lambda: "never")]
    assert solve.collect(jobs, lambda text: None) == (["first"], False)


def test_a_stopped_solve_stops_the_tour(monkeypatch):
    real = solve.otopt.sparse_ot

    def interrupted(*args, **kwargs):
        def stop(intermediate_result):
            raise StopIteration

        return real(*args, callback=stop, **kwargs)

    monkeypatch.setattr(solve.otopt, "sparse_ot", interrupted)
    w = np.full(5, 0.2)
    C = np.random.default_rng(0).random((5, 5))
    with pytest.raises(KeyboardInterrupt):
        solve.sparse(w, w, C, 2)


def test_every_part_says_what_came_out_what_is_proven_and_how_to_see_it_again(parts, tmp_path):
    text = page.write(list(parts.values()), "here", tmp_path).read_text(encoding="utf-8")
    for module, part in parts.items():
        assert module.__name__.endswith(f".{part.name}")
        assert part.headline
        assert part.certificate
        assert f"python -m ml_apps.tour --only {part.name}" in text


def test_the_gap_of_a_proof_is_that_of_the_groups():
    assert (
        fairness.distance_to_proof(np.array([0.0, 1.0, 1.0, 3.0]), np.array([0, 1, 0, 1])) < 1e-12
    )


def test_the_widest_gap_of_feasible_plans_is_stated():
    w, plan = np.full(2, 0.5), np.eye(2) / 2
    good = [solve.Answer("a", plan, 1.0, gap=gap) for gap in (0.01, 0.02)]
    wrong = solve.Answer("b", plan / 2, 1.0, gap=0.5)
    assert "2 plans" in (said := solve.proof([*good, wrong, solve.Answer("c", plan, 1.0)], w, w))
    assert "is 2 %" in said
    assert solve.proof([wrong], w, w) == ""


def test_one_part_alone(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(race, "run", lambda note: parts[race])
    monkeypatch.setattr(tour.solve, "warm_up", lambda: 0.0)
    assert tour.main(["--out", str(tmp_path), "--only", "race"]) == 0
    assert (tmp_path / "index.html").read_text(encoding="utf-8").count("<section") == 1


def test_the_page_is_self_contained(parts, tmp_path):
    file = page.write(list(parts.values()), "here <and> now", tmp_path)
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(|<script|<link", text)
    assert not re.search(r'(src|href)="(?!data:image/png;base64,)', text)
    assert "here &lt;and&gt; now" in text
    pictures = [picture for part in parts.values() for picture in part.pictures]
    assert text.count("<img") == len(pictures)
    assert {x.name for x in tmp_path.iterdir()} == {
        "index.html",
        *(f"{picture.name}.png" for picture in pictures),
    }


def test_the_command_keeps_the_parts_before_ctrl_c(parts, tmp_path, monkeypatch, capsys):
    class First:
        run = staticmethod(lambda note: parts[digits])

    class Second:
        @staticmethod
        def run(note):
            note("about to be stopped")
            raise KeyboardInterrupt

    monkeypatch.setattr(tour, "PARTS", (First, Second))
    monkeypatch.setattr(tour.solve, "warm_up", lambda: 0.0)
    assert tour.main(["--out", str(tmp_path)]) == 130
    assert "Which digit is which?" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "stopped" in capsys.readouterr().out
