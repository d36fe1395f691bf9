"""StratifiedBatchSampler: quotas, coverage, seeds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from otopt.nn import MMOTLoss, StratifiedBatchSampler

COUNTS = [300, 160, 27, 25, 12, 10, 5, 4]
LABELS = np.repeat(np.arange(8), COUNTS)


@given(
    counts=st.lists(st.integers(1, 200), min_size=1, max_size=6),
    least=st.integers(1, 8),
    more=st.integers(0, 50),
    seed=st.integers(0, 1000),
)
def test_every_batch_meets_its_quotas(counts, least, more, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    size = least * len(counts) + more
    sampler = StratifiedBatchSampler(labels, size, min_per_group=least)
    assert sampler.quotas.sum() == size
    assert sampler.quotas.min() >= least
    batches = list(sampler)
    assert len(batches) == len(sampler)
    for rows in batches:
        np.testing.assert_array_equal(
            np.bincount(labels[rows], minlength=len(counts)), sampler.quotas
        )
    assert set(np.concatenate(batches)) == set(range(len(labels)))  # nobody is left out


def test_within_a_pass_nobody_comes_twice():
    sampler = StratifiedBatchSampler(LABELS, 512, min_per_group=16)
    rows = np.concatenate(list(sampler))
    seen = np.bincount(rows, minlength=len(LABELS))
    for k in range(8):
        assert np.ptp(seen[k == LABELS]) <= 1


def test_weights_undo_the_oversampling():
    sampler = StratifiedBatchSampler(LABELS, 256, min_per_group=16)
    means = np.arange(8.0)
    value = torch.tensor(means[LABELS])
    for rows in sampler:
        weighted = (sampler.weights[rows] * value[rows]).mean()
        assert weighted.item() == pytest.approx(value.mean().item(), rel=1e-6)


def test_a_generator_makes_it_repeat():
    def epoch(seed):
        generator = torch.Generator().manual_seed(seed)
        return list(StratifiedBatchSampler(LABELS, 256, min_per_group=16, generator=generator))

    assert epoch(0) == epoch(0) != epoch(1)


def test_in_a_loader_it_lowers_what_a_fair_model_pays():
    scores = torch.rand(len(LABELS), generator=torch.Generator().manual_seed(0))
    labels = np.array(list("abcdefgh"))[LABELS]
    sampler = StratifiedBatchSampler(labels, 512, min_per_group=32)
    loader = DataLoader(TensorDataset(scores, torch.as_tensor(LABELS)), batch_sampler=sampler)
    loss = MMOTLoss()
    fresh = torch.Generator().manual_seed(1)
    shown = [loss(torch.rand(len(g), generator=fresh), g).item() for _, g in loader]
    assert np.mean(shown) < loss.null_level(COUNTS, rng=0).mean / 1.8


@pytest.mark.parametrize(
    ("args", "settings", "text"),
    [((LABELS, 100), {"min_per_group": 32}, "`batch_size`"),
     (([], 4), {}, "`groups`"), ((np.eye(3), 4), {}, "`groups`"),
     (([0, np.nan], 64), {}, "missing"), ((["a", None], 64), {}, "missing"),
     ((LABELS, 0), {}, "`batch_size`"), ((LABELS, 512), {"min_per_group": 0}, "`min_per_group`")],
)  # fmt: skip
def test_bad_input(args, settings, text):
    with pytest.raises((TypeError, ValueError), match=f"^StratifiedBatchSampler: .*{text}"):
        StratifiedBatchSampler(*args, **settings)
