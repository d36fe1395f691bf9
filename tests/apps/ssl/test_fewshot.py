"""Episodes hold what they say, classifiers are their formulas, intervals those of Student's t."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ml_apps.ssl import evaluate, fewshot


@given(
    way=st.integers(1, 4), shot=st.integers(1, 3), query=st.integers(1, 4), seed=st.integers(0, 99)
)
def test_episodes_hold_distinct_images_of_distinct_classes(way, shot, query, seed):
    y = torch.randperm(40, generator=torch.Generator().manual_seed(seed)) % 5 + 7
    x = torch.arange(40)[:, None]
    episodes = list(fewshot.fewshot_episodes(x, y, way, shot, query, seed, tasks=3))
    assert len(episodes) == 3
    for e in episodes:
        assert e.support.shape == (way * shot, 1)
        assert e.query.shape == (way * query, 1)
        assert len(torch.cat([e.support, e.query]).unique()) == way * (shot + query)
        for c in range(way):
            asked = y[torch.cat([e.support[e.support_labels == c], e.query[e.query_labels == c]])]
            assert len(asked) == shot + query
            assert len(asked.unique()) == 1
        assert len(y[e.support].unique()) == way


def test_tasks_depend_on_the_seed_alone():
    y = torch.arange(60) % 6
    x = torch.arange(60.0)[:, None]

    def drawn(features, rng):
        return [
            e.query.ravel() for e in fewshot.fewshot_episodes(features, y, 3, 1, 4, rng, tasks=5)
        ]

    one, other = drawn(x, 3), drawn(2 * x, np.random.default_rng(3))
    assert all(torch.equal(2 * a, b) for a, b in zip(one, other, strict=True))
    assert not torch.equal(torch.cat(one), torch.cat(drawn(x, 4)))
    images = torch.rand(60, 1, 4, 4)
    e = next(fewshot.fewshot_episodes(images, y, 3, 1, 4, 0))
    assert e.query.shape == (12, 1, 4, 4)
    assert fewshot.nearest_prototype(*e[:3]).shape == (12,)


def test_accuracy_and_its_interval_by_hand():
    y = torch.arange(40) % 4
    episodes = list(fewshot.fewshot_episodes(torch.eye(4)[y], y, 4, 1, 3, 0, tasks=3))
    perfect = fewshot.accuracy(episodes)
    assert perfect == (1.0, 0.0, [1.0] * 3)
    answers = iter([[0] * 12, [0, 0, 0, 1] + [0] * 8, [0, 0, 0, 1, 1, 1] + [0] * 6])
    found = fewshot.accuracy(episodes, lambda *_: torch.tensor(next(answers)))
    assert found.accuracies == [0.25, 4 / 12, 0.5]
    assert found.mean == pytest.approx(13 / 36)
    assert found.half_width == pytest.approx(evaluate.t_interval(found.accuracies)[1])
    with pytest.raises(ValueError, match="at least one episode"):
        fewshot.accuracy([])


def test_half_widths_cover_in_95_percent():
    # Tasks of a classifier that is right with probability 0.6: the interval holds it.
    g = torch.Generator().manual_seed(0)
    y = torch.arange(60) % 3
    held = 0
    for seed in range(200):
        episodes = fewshot.fewshot_episodes(y[:, None], y, 3, 1, 5, seed, tasks=20)

        def classify(support, labels, query):
            right = torch.arange(3).repeat_interleave(5)
            return torch.where(torch.rand(15, generator=g) < 0.6, right, (right + 1) % 3)

        found = fewshot.accuracy(episodes, classify)
        held += abs(found.mean - 0.6) <= found.half_width
    assert 180 <= held <= 199  # 190 and three standard deviations


def test_classifiers():
    g = torch.Generator().manual_seed(0)
    labels = torch.tensor([1, 0, 1, 0, 2, 2])
    x, query = torch.randn(6, 5, generator=g), torch.randn(7, 5, generator=g)
    z = F.normalize(x, dim=1)
    prototypes = torch.stack([z[labels == c].mean(0) for c in range(3)])
    expected = (query @ F.normalize(prototypes, dim=1).T).argmax(1)
    assert torch.equal(fewshot.nearest_prototype(x, labels, query), expected)
    apart = 5 * torch.eye(3)[labels] + 0.1 * torch.randn(6, 3, generator=g)
    asked = 5 * torch.eye(3) + 0.1
    with torch.no_grad():
        x_ = fewshot.nearest_prototype(apart, labels, asked)
    assert x_.tolist() == fewshot.linear(apart, labels, asked).tolist() == [0, 1, 2]


X, Y = torch.rand(30, 2), torch.arange(30) % 3
HOLE = X.clone()
HOLE[4, 1] = math.nan


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        ("way must be at most the number of classes, 3; got 4", (X, Y, 4, 1, 1, 0)),
        (r"shot \+ query = 11 images; got 10 of class 0", (X, Y, 2, 1, 10, 0)),
        ("9 of class 2", (X[:-1], Y[:-1], 2, 1, 9, 0)),
        ("shot must be an integer >= 1; got 0", (X, Y, 2, 0, 1, 0)),
        ("labels must be .* got None", (X, None, 2, 1, 1, 0)),
        ("labels must be .* got shape", (X, Y[:-1], 2, 1, 1, 0)),
        ("labels must be .* torch.float32", (X, Y.float(), 2, 1, 1, 0)),
        ("got -1 for 10 of them; leave out", (X, Y - 1, 2, 1, 1, 0)),
        (r"features must be finite; got nan at \[4, 1\]", (HOLE, Y, 2, 1, 1, 0)),
    ],
)
def test_refuses_before_anything_is_drawn(message, arguments):
    with pytest.raises(ValueError, match=message):
        fewshot.fewshot_episodes(*arguments)
