"""sparse_ot_batch: the answers of a loop over sparse_ot, however the problems are handed over."""

import os
import pickle
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

import otopt
from otopt.ot import sparse_batch
from otopt.testing import check_plan, transport_problems

RNG = np.random.default_rng(0)
COUNT, N, M, K = 6, 12, 9, 3
A, B = RNG.dirichlet(np.full(N, 3.0), COUNT), RNG.dirichlet(np.full(M, 3.0), COUNT)
COST = RNG.random((COUNT, N, M))


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.OtoptWarning)
        return function(*args, **kwargs)


def batch(*args, **kwargs):
    return quietly(otopt.sparse_ot_batch, *args, **kwargs)


def identical(first, second):
    """Bit for bit, but for the time they took."""
    assert len(first) == len(second)
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(x.rows, y.rows)
        np.testing.assert_array_equal(x.mass, y.mass)
        np.testing.assert_array_equal(x.potentials.source, y.potentials.source)
        assert (x.value, x.dual_bound, x.status, x.nit) == (y.value, y.dual_bound, y.status, y.nit)


@st.composite
def hard_problems(draw):
    a, b, C, k, reg = draw(transport_problems(8, 8, scales=(-3, 3)))
    k = draw(st.sampled_from([1, k, len(a), None]))
    return a, b, np.asarray(C, float), k, draw(st.sampled_from([reg, reg, None, 0.0]))


@given(hard_problems())
def test_small_problems_get_the_answer_of_sparse_ot(problem):
    a, b, C, k, reg = problem
    unit = (np.ptp(C) or np.abs(C).max() or 1.0) * a.sum()
    single = quietly(otopt.sparse_ot, a, b, C, k, reg=reg)
    (result,) = batch(a, b, C, k, reg=reg)
    check_plan(result, a, b, C, k)
    assume(abs(single.dual_bound) > 1e-3 * unit)  # at value 0 a relative gap decides by rounding
    assert result.status is single.status
    assert result.dual_bound == pytest.approx(single.dual_bound, rel=0, abs=1e-9 * unit)
    if result.status is otopt.Status.OPTIMAL:
        assert result.value == pytest.approx(single.value, rel=0, abs=1e-9 * unit)


@pytest.mark.reference
def test_a_batch_is_a_loop():
    for result, a, b, C in zip(batch(A, B, COST, K), A, B, COST, strict=True):
        single = quietly(otopt.sparse_ot, a, b, C, K)
        assert result.status is single.status
        assert result.value == pytest.approx(single.value, rel=1e-9)
        assert result.dual_bound == pytest.approx(single.dual_bound, rel=1e-9)


def test_large_problems_are_solved_too():
    rng = np.random.default_rng(1)
    C = rng.random((2, 160, 20))
    a, b = np.full(160, 1 / 160), np.full(20, 1 / 20)
    single = quietly(otopt.sparse_ot, a, b, C[1], 20)
    identical(batch(a, b, C, 20)[1:], [single])


@pytest.mark.reference
def test_leading_dimensions_broadcast():
    identical(batch(A[0], B[:3], COST[0], K), [batch(A[0], B[j], COST[0], K)[0] for j in range(3)])
    grid = batch(A[:2, None], B[:3], COST[0], K)
    identical(grid, [batch(A[i], B[j], COST[0], K)[0] for i in range(2) for j in range(3)])


@pytest.mark.parametrize("k", [K, None])
def test_a_stack_is_its_problems(k):
    """Stacks are checked all at once, sequences one by one: the problems are the same."""
    identical(batch(A, B, COST, k), batch(list(A), list(B), list(COST), k))
    swapped = batch(np.swapaxes(A, 0, 1).T, B, np.asfortranarray(COST), k)  # copied one by one
    identical(swapped, batch(A, B, COST, k))


def with_entries(x, at, value):
    x = x.copy()
    x[at] = value
    return x


@pytest.mark.parametrize(
    "arrays",
    [
        (A, B, with_entries(COST, (4, 2, 3), np.nan)),
        (A, B, with_entries(COST, (4, 2, 3), -np.inf)),
        (with_entries(A, (3, 1), -1e-3), B, COST),
        (with_entries(A, (3, 1), np.nan), B, COST),
        (A, with_entries(B, 5, 0.0), COST),
        (A, with_entries(B, 5, 2 * B[5]), COST),
        (with_entries(A, 2, 1e-200 * A[2]), with_entries(B, 2, 1e-200 * B[2]), COST),
        (A, B, with_entries(COST, 3, 1e200 * COST[3])),
    ],
)
def test_a_stack_is_refused_in_the_words_of_its_problem(arrays):
    with pytest.raises(ValueError, match="problem") as one_by_one:
        batch(*map(list, arrays), K)
    with pytest.raises(ValueError, match="problem") as at_once:
        batch(*arrays, K)
    assert str(at_once.value) == str(one_by_one.value)


def test_stacks_with_empty_rows_or_a_flat_cost():
    a = with_entries(A, (1, slice(None)), np.where(np.arange(N) < 7, A[1], 0.0))
    a[1] /= a[1].sum()
    cost = with_entries(COST, 2, 0.0)
    identical(batch(a, B, cost, K), batch(list(a), list(B), list(cost), K))


@pytest.mark.reference
def test_ragged_lists_and_padding_with_zeros():
    small = A[1, :7] / A[1, :7].sum()
    ragged = batch([A[0], small], [B[0], B[1]], [COST[0], COST[1, :7]], K)
    padded = batch(
        np.stack([A[0], np.pad(small, (0, N - 7))]), B[:2], COST[:2], K, reg=ragged[0].reg
    )
    assert ragged[1].plan.shape == (7, M)
    same = batch([small], [B[1]], [COST[1, :7]], K, reg=ragged[0].reg)[0]
    assert padded[1].value == pytest.approx(same.value, rel=1e-12)
    assert padded[1].rows.max() < 7


def test_tensors_in_tensors_out():
    arrays = batch(A, B, COST, K)
    results = batch(*(torch.as_tensor(x) for x in (A, B, COST)), K)
    for x, y in zip(results, arrays, strict=True):
        np.testing.assert_array_equal(x.mass.numpy(), y.mass)


def test_an_empty_batch_is_empty():
    assert batch(np.zeros((0, N)), B[0], COST[:1].repeat(0, 0), K) == []
    assert batch([], [], [], K) == []


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((A[:2], B[:3], COST[0], K), "must broadcast; got a"),
        (
            ([A[0], A[1]], [B[0]], [COST[0], COST[1]], K),
            "`b` must hold one array for each of the 2",
        ),
        ((A, B, COST[0, 0], K), "`C` must have at least 2"),
        ((A, B[:, :-1], COST, K), "problem 0: `b` must have one entry for every column"),
        ((A, 2 * B, COST, K), "problem 0: `a` and `b` must have equal sums"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        otopt.sparse_ot_batch(*arguments)


@pytest.mark.parametrize("settings", [{"workers": 0}, {"rounding": "up"}, {"tol": 0}])
def test_bad_settings_are_refused(settings):
    with pytest.raises(ValueError, match="sparse_ot_batch: `"):
        otopt.sparse_ot_batch(A, B, COST, K, **settings)


def test_workers_change_nothing():
    alone = batch(A, B, COST, K)
    identical(alone, batch(A, B, COST, K, workers=2))
    with ThreadPoolExecutor(2) as pool:
        identical(alone, batch(A, B, COST, K, workers=pool.map))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        identical(alone, batch(A, B, COST, K, workers=pool.map))


def test_dask_runs_a_batch_unchanged():
    # Everything in one process and no dashboard: this asks whether its `map` fits, not whether
    # it scales.
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            1, processes=False, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as pool,
    ):
        warnings.simplefilter("ignore")
        results = batch(A, B, COST, K, workers=pool.map)
    identical(batch(A, B, COST, K), results)


def test_results_pickle():
    (result,) = batch(A[0], B[0], COST[0], K)
    identical([pickle.loads(pickle.dumps(result))], [result])


def test_one_warning_for_the_batch():
    with pytest.warns(otopt.errors.FeasibilityWarning, match="6 of 6 problems") as caught:
        otopt.sparse_ot_batch(A, B, COST, 1)
    assert len(caught) == 1
    assert caught[0].filename == os.path.abspath(__file__)  # noqa: PTH100


def test_ctrl_c_keeps_what_is_done(monkeypatch):
    real, calls = sparse_batch._solve, []

    def interrupted(job, stopped=False):
        calls.append(job)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(job, stopped)

    monkeypatch.setattr(sparse_batch, "_solve", interrupted)
    results = batch(A, B, COST, K)
    assert [r.status is otopt.Status.STOPPED for r in results] == [False] * 2 + [True] * 4
    assert all(np.isfinite(r.dual_bound) for r in results)
