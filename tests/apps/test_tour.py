"""The tour on small settings: it says the truth and its page needs nothing but itself."""

import re

import pytest

from ml_apps.tour import report
from ml_apps.tour.parts import PARTS, digits, palette

SMALL = {palette: {"colours": (24, 40)}, digits: {"size": 40}}


@pytest.fixture(scope="module")
def parts():
    return [part.run(**SMALL[part]) for part in PARTS]


def test_every_part_fills_its_table(parts):
    for part in parts:
        assert part.rows
        assert all(len(row) == len(part.columns) for row in part.rows)
        assert all(picture.png.startswith(b"\x89PNG") for picture in part.pictures)


def test_our_plans_meet_their_marginals_where_they_can(parts):
    for part in parts:
        ours = [row for row in part.rows if row[0].startswith("otopt")]
        for row in ours:
            possible = "k = 1" not in row[0] or part is parts[1]
            assert (float(row[3]) <= 1e-9) == possible, row
    assert parts[0].rows[0][1] in ("infeasible", "not found")
    assert "misses the marginals" in parts[0].remarks[0]


def test_assignment_of_digits_is_certified(parts):
    assert parts[1].rows[0][1] == "optimal"


def test_the_page_is_self_contained(parts, tmp_path):
    page = report.write(parts, "here <and> now", tmp_path)
    text = page.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "here &lt;and&gt; now" in text
    assert text.count("<img") == sum(len(part.pictures) for part in parts)
    assert {p.name for p in tmp_path.iterdir()} == {"index.html", "palette.png", "digits.png"}
