"""Penalised and bounded marginals: against Clarabel, brute force, limits, and bad input."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import otopt
from otopt import KLPenalty, L2Penalty, MassBounds
from otopt.nn import sparse_ot_value
from tests.judges.convex import penalised_optimum

SIDES = [None, KLPenalty(0.5), L2Penalty(3.0), MassBounds(), MassBounds(0.5, 1.5)]
PAIRS = [(f, g) for f in SIDES for g in SIDES if not (f is None and g is None)]


def problem(rng, penalties, largest=7):
    """Masses of different sums that the penalties allow, and a cost that makes them move."""
    n, m = rng.integers(3, largest, 2)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    if None in penalties:
        a, b = a / a.sum(), b / b.sum()
        if isinstance(penalties[0], MassBounds):
            b *= 0.7
        if isinstance(penalties[1], MassBounds):
            a *= 0.7
    else:  # bounds of both sides overlap
        b *= a.sum() / b.sum() * rng.uniform(0.8, 1.2)
    C = rng.random((n, m)) - (0.7 if all(isinstance(p, MassBounds) for p in penalties) else 0.0)
    return a, b, C


def distance_to_allowed(penalty, mass, nominal):
    if penalty is None:
        return np.abs(mass - nominal).sum()
    if isinstance(penalty, MassBounds):
        low, high = penalty.low * nominal, penalty.high * nominal
        return np.abs(mass - np.clip(mass, low, high)).sum()
    return 0.0


def objective(T, a, b, C, reg, penalties):
    value = (C * T).sum() + 0.5 * reg * (T**2).sum()
    for penalty, mass, nominal in ((penalties[0], T.sum(1), a), (penalties[1], T.sum(0), b)):
        if isinstance(penalty, KLPenalty):
            terms = np.where(mass > 0, mass * np.log(np.maximum(mass, 1e-300) / nominal), 0.0)
            value += penalty.rho * (terms - mass + nominal).sum()
        elif isinstance(penalty, L2Penalty):
            value += 0.5 * penalty.rho * ((mass - nominal) ** 2).sum()
    return value


@pytest.mark.parametrize("penalties", PAIRS, ids=str)
@pytest.mark.filterwarnings("ignore::otopt.errors.FeasibilityWarning")
def test_relaxation_and_bound_are_those_of_the_convex_programme(penalties):
    rng = np.random.default_rng(7)
    for k, reg in ((2, 0.5), (3, 0.02)):
        a, b, C = problem(rng, penalties)
        expected = penalised_optimum(a, b, C, k, reg, penalties)
        result = otopt.sparse_ot(a, b, C, k, reg=reg, marginal_penalty=penalties)
        assert result.relaxed.value == pytest.approx(expected, rel=3e-6, abs=1e-8)
        assert result.dual_bound == pytest.approx(expected, rel=3e-6, abs=1e-8)
        assert result.dual_bound <= expected + 1e-7 * (1 + abs(expected))
        if result.success:
            T = result.to_plan("dense")
            assert ((T > 0).sum(axis=0) <= k).all()
            assert distance_to_allowed(penalties[0], T.sum(1), a) <= 1e-8
            assert distance_to_allowed(penalties[1], T.sum(0), b) <= 1e-8
            assert result.value == pytest.approx(objective(T, a, b, C, reg, penalties), rel=1e-7)


def test_bound_is_below_every_plan_on_every_support():
    # Columns of one nonzero: all supports can be listed, each a convex programme of its own.
    rng, penalties, reg = np.random.default_rng(3), (KLPenalty(0.4), L2Penalty(2.0)), 0.3
    a, b, C = rng.random(3) + 0.2, rng.random(3) + 0.2, rng.random((3, 3))
    result = otopt.sparse_ot(a, b, C, 1, reg=reg, marginal_penalty=penalties)
    best = np.inf
    for support in itertools.product(range(3), repeat=3):
        priced = np.full((3, 3), 1e3)
        priced[support, range(3)] = C[support, range(3)]
        best = min(best, penalised_optimum(a, b, priced, 3, reg, penalties))
    assert result.success
    assert result.dual_bound <= best * (1 + 1e-7)
    assert best * (1 - 1e-7) <= result.value <= best * 1.1


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from(PAIRS), st.integers(1, 4))
@pytest.mark.filterwarnings("ignore::otopt.errors.OtoptWarning")
def test_certificate_holds(seed, penalties, k):
    rng = np.random.default_rng(seed)
    a, b, C = problem(rng, penalties, 5)
    result = otopt.sparse_ot(a, b, C, k, reg=0.1, marginal_penalty=penalties)
    assert result.status in (
        otopt.Status.OPTIMAL, otopt.Status.FEASIBLE, otopt.Status.NOT_FOUND,
        otopt.Status.INFEASIBLE,
    )  # fmt: skip
    if result.success:
        assert result.dual_bound <= result.value + 1e-9 * (1 + abs(result.value))
        assert np.isfinite(result.gap)
        assert result.relaxed.value <= result.value + 1e-5 * (1 + abs(result.value))


def test_steep_penalties_approach_the_balanced_problem():
    rng = np.random.default_rng(1)
    a, b, C = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(5)), rng.random((6, 5))
    balanced = otopt.sparse_ot(a, b, C, 3, reg=0.1).dual_bound
    for penalty in (KLPenalty(1e4), L2Penalty(1e5), MassBounds(1.0, 1.0)):
        result = otopt.sparse_ot(a, b, C, 3, reg=0.1, marginal_penalty=penalty)
        assert result.dual_bound == pytest.approx(balanced, rel=2e-3)
        assert result.dual_bound <= balanced * (1 + 1e-6)
    same = otopt.sparse_ot(a, b, C, 3, reg=0.1, marginal_penalty=(None, np.inf))
    assert same.dual_bound == balanced
    number = otopt.sparse_ot(a, b, C, 3, reg=0.1, marginal_penalty=0.5)
    assert (
        number.value == otopt.sparse_ot(a, b, C, 3, reg=0.1, marginal_penalty=KLPenalty(0.5)).value
    )


@pytest.mark.parametrize("penalties", [(KLPenalty(0.5), None), (None, L2Penalty(2.0)),
                                       (MassBounds(), KLPenalty(0.8))], ids=str)  # fmt: skip
@pytest.mark.parametrize("which", ["value", "bound"])
def test_gradients_match_central_differences(penalties, which):
    rng = np.random.default_rng(5)
    a, b, C = problem(rng, penalties)
    inputs = [torch.tensor(x, requires_grad=True) for x in (a, b, C)]
    how = {"reg": 0.5, "marginal_penalty": penalties, "objective": which, "tol": 1e-11}
    value = sparse_ot_value(*inputs, len(a), **how)
    value.backward()
    arrays = [x.detach().clone() for x in inputs]
    for number, x in enumerate(inputs):
        direction = torch.from_numpy(rng.standard_normal(x.shape))
        if None in penalties and number < 2 and isinstance(penalties[number], type(None)):
            direction = direction.abs() * arrays[number]
        h = 1e-5
        up, down = ([*arrays] for _ in range(2))
        up[number], down[number] = arrays[number] + h * direction, arrays[number] - h * direction
        difference = sum(
            sign * sparse_ot_value(*y, len(a), **how) for sign, y in ((1, up), (-1, down))
        ) / (2 * h)
        assert (x.grad * direction).sum().item() == pytest.approx(difference.item(), abs=2e-5)


def test_second_derivatives_are_refused():
    a, b = (torch.full((3,), 0.5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    C = torch.rand(3, 3, dtype=torch.float64)
    value = sparse_ot_value(a, b, C, 2, reg=1.0, marginal_penalty=1.0)
    (gradient,) = torch.autograd.grad(value, a, create_graph=True)
    with pytest.raises(NotImplementedError, match="differentiable once"):
        gradient.sum().backward()


@pytest.mark.parametrize(
    ("penalty", "error", "match"),
    [
        ("kl", TypeError, "must be a KLPenalty"),
        ((1.0, 1.0, 1.0), ValueError, "got 3"),
        (-1.0, ValueError, "`marginal_penalty` must be a finite number > 0"),
    ],
)
def test_bad_penalties_are_refused(penalty, error, match):
    with pytest.raises(error, match=match):
        otopt.sparse_ot([1.0], [1.0], [[0.0]], 1, marginal_penalty=penalty)


@pytest.mark.parametrize("penalties", [(None, L2Penalty(72.0)), (L2Penalty(72.0), None)])
def test_the_side_that_is_given_is_met_beside_a_steep_penalty(penalties):
    result = otopt.sparse_ot([0.79], [0.41], [[0.29]], None, reg=0.0, marginal_penalty=penalties)
    mass = 0.41 if penalties[1] is None else 0.79
    assert result.status is otopt.Status.OPTIMAL
    assert result.mass.sum() == pytest.approx(mass, abs=1e-11)
    assert result.value == pytest.approx(0.29 * mass + 36.0 * 0.38**2, abs=1e-9)


@pytest.mark.parametrize(
    ("seed", "side"), [(4, 0), (6, 0), (8, 1), (13, 0), (21, 0), (29, 1), (31, 1)]
)
def test_a_full_support_has_a_plan_where_potentials_dwarf_the_cost(seed, side):
    rng = np.random.default_rng(seed)
    a, b, C = rng.random(10) + 0.05, rng.random(6) + 0.05, rng.random((10, 6))
    penalties = (L2Penalty(1e4), None) if side == 0 else (None, L2Penalty(1e4))
    result = otopt.sparse_ot(a, b, C, None, reg=0.0, marginal_penalty=penalties)
    assert result.status is otopt.Status.OPTIMAL
    assert result.marginal_error < 1e-8


def test_a_weak_penalty_follows_the_side_that_is_given():
    a, b, C = np.array([0.42, 0.32]), np.array([0.34]), np.array([[0.22], [0.52]])
    penalties = None, KLPenalty(0.0153)
    result = otopt.sparse_ot(a, b, C, 2, reg=1.0, marginal_penalty=penalties)
    assert result.status is otopt.Status.OPTIMAL
    assert result.nit < 20
    np.testing.assert_allclose(result.to_plan("dense"), a[:, None], atol=1e-9)
    expected = objective(a[:, None], a, b, C, 1.0, penalties)
    assert result.value == pytest.approx(expected, rel=1e-9)


def test_empty_columns_do_not_slow_the_rows():
    a, b, C = np.array([0.47, 0.91, 0.97]), np.array([0.07]), np.array([[0.68], [0.75], [0.16]])
    penalties = MassBounds(0.0, 3.0), L2Penalty(0.062)  # a first mass is worth 0.062 * 0.07
    result = otopt.sparse_ot(a, b, C, 1, reg=0.0, marginal_penalty=penalties)
    assert result.status is otopt.Status.OPTIMAL
    assert (result.mass == 0).all()
    assert result.value == pytest.approx(0.031 * 0.07**2, rel=1e-12)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("side", [0, 1])
def test_a_full_support_always_has_a_plan(seed, side):
    rng = np.random.default_rng(seed)
    a, b, C = rng.random(5) + 0.05, rng.random(5) + 0.05, rng.random((5, 5))
    penalties = (KLPenalty(100.0), None) if side == 0 else (None, KLPenalty(100.0))
    result = otopt.sparse_ot(a, b, C, None, reg=0.0, marginal_penalty=penalties)
    assert result.status is otopt.Status.OPTIMAL
    assert result.marginal_error < 1e-9
    assert result.value >= result.dual_bound - 1e-9 * abs(result.value)


@pytest.mark.parametrize("k", [1, 2, None])
@pytest.mark.parametrize("reg", [None, 0.0, 0.5])
def test_nothing_moves_where_everything_costs_and_nothing_must(k, reg):
    a, C = np.array([0.5, 0.5]), np.array([[1.0, 2.0], [2.0, 1.0]])
    result = otopt.sparse_ot(a, a, C, k, reg=reg, marginal_penalty=MassBounds())
    assert result.status is otopt.Status.OPTIMAL
    assert (result.value, result.relaxed.value, result.marginal_error) == (0.0, 0.0, 0.0)
    assert (result.mass == 0).all()
    assert result.dual_bound == pytest.approx(0.0, abs=1e-20)


def test_columns_that_only_cost_stay_empty():
    rng = np.random.default_rng(0)
    a, b, C = rng.random(30) + 0.1, rng.random(20) + 0.1, rng.random((30, 20)) - 0.1
    C[:, ::3] = np.abs(C[:, ::3]) + 0.1
    result = otopt.sparse_ot(a, b, C, 10, marginal_penalty=MassBounds())
    assert result.status is otopt.Status.OPTIMAL
    assert (result.mass[::3] == 0).all()
    assert (result.rows[::3] == -1).all()


def test_other_bad_input_is_refused():
    with pytest.raises(ValueError, match="must not exceed"):
        MassBounds(2.0, 1.0)
    with pytest.raises(ValueError, match="must let the masses of both sides be equal"):
        otopt.sparse_ot([1.0], [3.0], [[0.0]], 1, marginal_penalty=(MassBounds(), None))
    with pytest.raises(ValueError, match="must be positive where"):
        otopt.sparse_ot([1.0, 0.0], [1.0], [[0.0], [1.0]], 1, marginal_penalty=1.0)
    with pytest.raises(ValueError, match="needs the cost as a matrix"):
        otopt.sparse_ot([1.0], [1.0], k=1, X=[[0.0]], Y=[[1.0]], marginal_penalty=1.0)


@pytest.mark.parametrize("penalty", [None, 1.0])
def test_the_message_names_the_limit_that_was_given(penalty):
    rng = np.random.default_rng(0)
    a, b, C = rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(6)), rng.random((8, 6))
    with pytest.warns(otopt.errors.ConvergenceWarning, match="Stopped at maxiter = 1 after 1 New"):
        otopt.sparse_ot(
            a, b, C, 3, reg=0.01, marginal_penalty=penalty, maxiter=1,
            options={"linear_start": False},
        )  # fmt: skip


def test_rows_that_cannot_all_be_served_are_proven_infeasible():
    with pytest.warns(otopt.errors.FeasibilityWarning):
        result = otopt.sparse_ot(
            np.ones(4), np.ones(2), np.ones((4, 2)), 1, marginal_penalty=(None, 1.0)
        )
    assert result.status is otopt.Status.INFEASIBLE


@pytest.mark.parametrize("cost", [0.3, 1.0, 9.0, 100.0])
@pytest.mark.parametrize(("n", "mass"), [(2, 1.0), (3, 0.7)])
def test_a_transport_that_costs_nothing_ends(n, mass, cost):
    """Its gap, relative to a value of zero, is all rounding, and no iteration makes it smaller."""
    a, b, C = np.full(n, mass), [mass], np.full((n, 1), cost)
    C[0] = 0.0
    penalty = MassBounds(), None
    result = otopt.sparse_ot(a, b, C, 1, reg=0.0, marginal_penalty=penalty, maxiter=60)
    assert result.status in (otopt.Status.OPTIMAL, otopt.Status.FEASIBLE)
    assert result.value == 0.0
    np.testing.assert_allclose(result.dual_bound, 0.0, atol=1e-13 * cost)
