"""axis=1: k bounds the rows; the answer of the transposed problem, in the shape that was given."""

import numpy as np
import pytest
import torch

import otopt

RNG = np.random.default_rng(2)
A, B, C = RNG.dirichlet(np.ones(6)), RNG.dirichlet(np.ones(9)), RNG.random((6, 9))


@pytest.mark.parametrize("penalty", [None, (otopt.KLPenalty(0.5), otopt.MassBounds(0.5, 2.0))])
def test_is_the_transposed_problem(penalty):
    turned = penalty and penalty[::-1]
    rows = otopt.sparse_ot(A, B, C, 4, axis=1, reg=0.2, marginal_penalty=penalty)
    columns = otopt.sparse_ot(B, A, C.T, 4, reg=0.2, marginal_penalty=turned)
    assert rows.value == columns.value
    assert rows.rows.shape == (6, 4)
    assert ((rows.to_plan("dense") > 0).sum(axis=1) <= 4).all()
    np.testing.assert_array_equal(rows.to_plan("dense"), columns.to_plan("dense").T)
    np.testing.assert_array_equal(rows.plan.toarray(), rows.to_plan("coo").toarray())
    np.testing.assert_array_equal(rows.potentials.source, columns.potentials.target)
    np.testing.assert_array_equal(rows.relaxed.plan.toarray(), columns.relaxed.plan.toarray().T)
    assert rows.plan.shape == rows.relaxed.plan.shape == (6, 9)
    assert "6 x 9" in repr(rows)


def test_warm_start_points_tensors_and_batches():
    first = otopt.sparse_ot(A, B, C, 4, axis=1, reg=0.2)
    again = otopt.sparse_ot(A, B, C, 4, axis=1, reg=0.2, warm_start=first)
    assert again.dual_bound == pytest.approx(first.dual_bound, rel=1e-6)
    assert again.nit <= first.nit

    (one,) = otopt.sparse_ot_batch(A, B, C[None], 4, axis=1, reg=0.2)
    assert one.axis == 1
    assert one.dual_bound == pytest.approx(first.dual_bound, rel=1e-9)

    tensor = otopt.sparse_ot(*(torch.tensor(x) for x in (A, B, C)), 4, axis=1, reg=0.2)
    np.testing.assert_array_equal(tensor.plan.to_dense().numpy(), first.to_plan("dense"))
    np.testing.assert_array_equal(tensor.to_plan("csc").to_dense().numpy(), first.to_plan("dense"))

    X, Y = RNG.random((6, 2)), RNG.random((9, 2))
    cost = ((X[:, None] - Y) ** 2).sum(-1)
    points = otopt.sparse_ot(A, B, k=4, axis=1, X=X, Y=Y, reg=0.2)
    matrix = otopt.sparse_ot(A, B, cost, 4, axis=1, reg=0.2)
    assert points.dual_bound == pytest.approx(matrix.dual_bound, rel=1e-6)


def test_messages_speak_of_rows():
    with pytest.warns(otopt.errors.FeasibilityWarning, match="row"):
        result = otopt.sparse_ot([0.9, 0.1], [0.5, 0.5], np.ones((2, 2)), 1, axis=1)
    assert result.status is otopt.Status.INFEASIBLE
    assert "row 0 needs 2 columns" in result.message


def test_bad_input_is_named_as_given():
    with pytest.raises(ValueError, match="`axis` must be 0"):
        otopt.sparse_ot(A, B, C, 4, axis=2)
    with pytest.raises(ValueError, match="`a` must have one entry for every row"):
        otopt.sparse_ot(B, A, C, 4, axis=1)
    with pytest.raises(ValueError, match="problem 0: `b` must be non-negative"):
        otopt.sparse_ot_batch(A, -B, C[None], 4, axis=1)
