"""Every kernel file against the reference: cycles, pivots and settling."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otopt._kernels import reference
from tests.kernels.cases import FILES, load


@pytest.fixture(params=FILES, scope="module")
def kernels(request):
    return load(request.param)


@pytest.fixture(params=[*FILES, "reference"], scope="module")
def any_kernels(request):
    return load(request.param)


@st.composite
def supports(draw, mass="random"):
    """Arcs in random order, some of them empty: rows, columns, mass, price, n, m; and rng."""
    n, m = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    arcs = rng.permutation(n * m)[: draw(st.integers(1, n * m))]
    rows, columns = np.divmod(arcs, m)
    if mass == "equal":
        masses = rng.integers(0, 3, len(arcs)).astype(float)
    else:
        masses = rng.random(len(arcs)) * (rng.random(len(arcs)) < draw(st.floats(0.2, 1.0)))
    return rows, columns, masses, rng.random(len(arcs)), n, m, rng


def allowed(k, m):
    """Columns in turn with k, k + 1 and k + 2 slots."""
    return k + np.arange(m) % 3


def degrees(columns, mass, m):
    return np.bincount(columns[mass > 0], minlength=m)


def moved(rows, columns, change, n, m):
    """Largest change of a marginal."""
    by_row, by_column = np.bincount(rows, change, n), np.bincount(columns, change, m)
    return max(np.abs(by_row).max(), np.abs(by_column).max())


def is_forest(rows, columns, mass, n, m):
    """Whether the nonzeros hold no cycle: leaves can be plucked until nothing is left."""
    arcs = list(np.flatnonzero(mass > 0))
    while arcs:
        ends = np.bincount(np.concatenate([rows[arcs], n + columns[arcs]]), minlength=n + m)
        left = [e for e in arcs if ends[rows[e]] > 1 and ends[n + columns[e]] > 1]
        if len(left) == len(arcs):
            return False
        arcs = left
    return True


@given(graph=supports(), k=st.integers(1, 4))
def test_cancel_cycles_makes_the_same_choices(kernels, graph, k):
    rows, columns, mass, price, n, m, _ = graph
    k = allowed(k, m)
    ours, judged = mass.copy(), mass.copy()
    kernels.cancel_cycles(rows, columns, ours, price, n, m, k)
    reference.cancel_cycles(rows, columns, judged, price, n, m, k)
    np.testing.assert_allclose(ours, judged, rtol=0, atol=1e-14)


@given(graph=supports(mass="equal"), k=st.integers(1, 4))
def test_cancel_cycles_where_masses_are_equal(any_kernels, graph, k):
    rows, columns, mass, price, n, m, _ = graph
    k = allowed(k, m)
    left = mass.copy()
    parent, arc = any_kernels.cancel_cycles(rows, columns, left, price, n, m, k)
    assert moved(rows, columns, left - mass, n, m) == 0
    assert (left >= 0).all()
    assert not left[mass == 0].any()
    assert is_forest(rows, columns, left, n, m)
    # The forest that is returned holds the nonzeros, and every node hangs from its parent.
    hung = arc[arc >= 0]
    assert set(np.flatnonzero(left)) <= set(hung)
    np.testing.assert_array_equal(parent >= 0, arc >= 0)
    for node in np.flatnonzero(arc >= 0):
        assert {node, parent[node]} == {rows[arc[node]], n + columns[arc[node]]}


@given(graph=supports(), k=st.integers(1, 4), patience=st.integers(0, 60))
def test_pivots_are_the_same(kernels, graph, k, patience):
    rows, columns, mass, price, n, m, rng = graph
    luck = rng.random(101)
    ours, judged = mass.copy(), mass.copy()
    k = allowed(k, m)
    args = price, n, m, k, luck, patience
    done = kernels.pivot_to_capacity(rows, columns, ours, *args)
    assert done == reference.pivot_to_capacity(rows, columns, judged, *args)
    np.testing.assert_allclose(ours, judged, rtol=0, atol=1e-13)
    assert moved(rows, columns, ours - mass, n, m) <= 1e-13
    assert done == (degrees(columns, ours, m) <= k).all()
    assert is_forest(rows, columns, ours, n, m)


@given(graph=supports(mass="equal"), k=st.integers(1, 4))
def test_pivots_where_masses_are_equal(any_kernels, graph, k):
    rows, columns, mass, price, n, m, rng = graph
    left = mass.copy()
    any_kernels.pivot_to_capacity(
        rows, columns, left, price, n, m, allowed(k, m), rng.random(101), 60
    )
    assert moved(rows, columns, left - mass, n, m) == 0
    assert (left >= 0).all()
    assert is_forest(rows, columns, left, n, m)


def test_success_of_degenerate_pivots_is_true(any_kernels):
    # Pivots that move nothing swap arcs without mass, which count as used slots.
    rows, columns = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 0, 1, 1, 1])
    mass = np.array([2.0, 2.0, 2.0, 2.0, 1.0, 3.0])
    price = np.array([0.25, 0.89, 0.27, 0.44, 0.73, 0.68])
    done = any_kernels.pivot_to_capacity(
        rows, columns, mass, price, 4, 2, np.full(2, 2), np.zeros(1), 50
    )
    assert done == (degrees(columns, mass, 2).max() <= 2)


@given(graph=supports())
def test_settle_on_forest(kernels, graph):
    """Where needs can be met the answer is unique, as far as the heaviest forest is."""
    rows, columns, mass, _, n, m, rng = graph
    change = np.where(mass > 0, 1e-3 * rng.normal(size=len(mass)), 0.0)
    needs = np.bincount(rows, change, n), np.bincount(columns, change, m)
    ours, judged = mass.copy(), mass.copy()
    kernels.settle_on_forest(rows, columns, ours, *needs)
    reference.settle_on_forest(rows, columns, judged, *needs)
    np.testing.assert_allclose(ours, judged, rtol=0, atol=1e-13)
    assert moved(rows, columns, ours - mass - change, n, m) <= 1e-15
    np.testing.assert_array_equal(ours[mass == 0], 0.0)
