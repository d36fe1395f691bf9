"""LeNet by one changed parameter against full evaluation in NumPy and in torch."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from otopt._kernels import numba_lenet, reference_lenet, reference_philox

SIZES, CLASSES, N = (2, 20, 3, 4, 18, 7), 3, 37
STARTS = reference_lenet.offsets(SIZES, CLASSES)


def problem(seed=0, n=N):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, SIZES[0] * SIZES[1] ** 2)).astype(np.float32)
    theta = reference_philox.signed32(seed, [0], STARTS[-1])[0].copy()
    return theta, X, rng.integers(0, CLASSES, n)


def torch_loss(theta, X, y):
    """In double precision, by torch's own layers."""
    p = [torch.from_numpy(np.array(v, float)) for v in numba_lenet.views(theta, SIZES, CLASSES)]
    z = torch.from_numpy(X.astype(float)).reshape(-1, SIZES[0], SIZES[1], SIZES[1])
    for w, b in ((p[0], p[1]), (p[2], p[3])):
        z = F.max_pool2d(F.relu(F.conv2d(z, w, b)), 2)
    z = z.flatten(1)
    z = F.relu(z @ p[4] + p[5])
    z = F.relu(z @ p[6] + p[7])
    z = z @ p[8].T + p[9]
    norm = np.prod([w.norm().item() / 3 for w in p[::2]])
    return z.numpy(), F.cross_entropy(z / norm, torch.from_numpy(y)).item()


@pytest.mark.parametrize("module", [numba_lenet, reference_lenet])
@pytest.mark.parametrize("n", [1, N, 300])
def test_logits_and_loss_are_those_of_torch(module, n):
    theta, X, y = problem(n=n)
    z, loss = torch_loss(theta, X, y)
    found = module.logits(theta, X, SIZES, CLASSES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, z, atol=2e-6 * np.abs(z).max())
    search = module.Search(theta, X, y, SIZES, CLASSES)
    assert search.loss == pytest.approx(loss, rel=1e-6)
    assert search.accuracy() == (z.argmax(axis=1) == y).mean()


def test_trials_of_every_layer_are_exact_and_leave_no_trace():
    theta, X, y = problem(1)
    search = numba_lenet.Search(theta, X, y, SIZES, CLASSES)
    rng = np.random.default_rng(2)
    before = theta.copy(), [a.copy() for a in search.caches], search.loss
    for first, last in pairwise(STARTS):
        for delta in (1.0, -1.0, 0.3):
            index = int(rng.integers(first, last))
            changed = theta.copy()
            changed[index] += np.float32(delta)
            expected = torch_loss(changed, X, y)[1]
            assert search.trial(index, delta) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(theta, before[0])
    for kept, now in zip(before[1], search.caches, strict=True):
        np.testing.assert_array_equal(now, kept)
    assert search.loss == before[2]


def test_commits_keep_the_caches():
    theta, X, y = problem(3)
    search = numba_lenet.Search(theta, X, y, SIZES, CLASSES)
    rng = np.random.default_rng(4)
    for _ in range(199):  # the next one would refresh
        index = int(rng.integers(STARTS[2], STARTS[10]))
        delta = float(rng.choice([-0.5, 0.5]))
        expected = search.trial(index, delta)
        before = theta[index]
        assert search.commit(index, delta) == expected == search.loss
        assert theta[index] == np.float32(before + delta)
    kept = [a.copy() for a in search.caches]
    drifted = search.loss
    assert search.refresh() == pytest.approx(drifted, rel=1e-6)
    for old, new in zip(kept, search.caches, strict=True):
        assert np.abs(old - new).max() <= 1e-5 * np.abs(new).max()
    expected = search.trial(3, 1.0)  # of the first convolution
    assert search.commit(3, 1.0) == pytest.approx(expected, rel=1e-6)
    assert search.loss == pytest.approx(torch_loss(theta, X, y)[1], rel=1e-6)


@pytest.mark.parametrize("opportunistic", [False, True])
def test_polls_choose_as_the_reference_does(opportunistic):
    theta, X, y = problem(5)
    searches = [
        module.Search(theta.copy(), X, y, SIZES, CLASSES)
        for module in (numba_lenet, reference_lenet)
    ]
    for turn in (0, 1, 2**33):
        found = [s.poll(0, 40, 1.0, opportunistic, 2**40 + 9, turn) for s in searches]
        assert found[0] == found[1]
        for s in searches:
            s.commit(*found[0][0])
    np.testing.assert_array_equal(searches[0].order, searches[1].order)


def test_a_turn_tries_every_move_once():
    theta, X, y = problem(6, n=1)
    search = numba_lenet.Search(theta, X, y, SIZES, CLASSES)
    search.loss = -np.inf  # nothing improves on it
    for first in range(0, 2 * len(theta), 500):
        last = min(first + 500, 2 * len(theta))
        assert search.poll(first, last, 1.0, False, 1, 0) == (None, last - first)
    assert not np.array_equal(search.order, np.arange(2 * len(theta)))
    np.testing.assert_array_equal(np.sort(search.order), np.arange(2 * len(theta)))
