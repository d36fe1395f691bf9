"""What must not change when the entropic problem is rewritten, and what must change how."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otopt
from otopt.testing import transport_problems

TAME = {"scales": (0, 0), "weights": ("uniform", "random", "zeros")}
REGS = st.sampled_from([1e-3, 0.05, 1.0])


def solve(a, b, C, reg, **settings):
    result = otopt.sinkhorn(a, b, C, reg=reg, tol=1e-11, **settings)
    assert result.success
    return result


@given(transport_problems(10, 10, **TAME), REGS)
def test_transposing_swaps_the_potentials(problem, reg):
    a, b, C, _, _ = problem
    b = b * (a.sum() / b.sum())
    C = np.asarray(C, float)
    one, two = solve(a, b, C, reg), solve(b, a, np.ascontiguousarray(C.T), reg)
    np.testing.assert_allclose(one.plan, two.plan.T, atol=1e-9)
    assert one.value == pytest.approx(two.value, abs=1e-8)


@given(transport_problems(10, 10, **TAME), REGS)
def test_memory_order_changes_nothing(problem, reg):
    a, b, C, _, _ = problem
    one, two = solve(a, b, C, reg), solve(a, b, np.asfortranarray(C), reg)
    np.testing.assert_allclose(one.plan, two.plan, atol=1e-9)


@given(transport_problems(10, 10, **TAME), st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), REGS)
def test_scaling_of_cost_and_masses(problem, s, c, reg):
    a, b, C, _, _ = problem
    C = np.asarray(C, float)
    plain, scaled = solve(a, b, C, reg), solve(c * a, c * b, s * C, s * reg)
    np.testing.assert_allclose(scaled.plan / c, plain.plan, atol=1e-9)
    assert scaled.value == pytest.approx(s * c * plain.value, rel=1e-8, abs=1e-9 * s * c)


@given(transport_problems(10, 10, **TAME), REGS, st.integers(0, 1000))
def test_shift_of_the_cost_by_rows_and_columns(problem, reg, seed):
    a, b, C, _, _ = problem
    rng = np.random.default_rng(seed)
    u, v = rng.normal(size=len(a)), rng.normal(size=len(b))
    plain, shifted = solve(a, b, C, reg), solve(a, b, C + u[:, None] + v, reg)
    np.testing.assert_allclose(shifted.plan, plain.plan, atol=1e-9)
    b = b * (a.sum() / b.sum())
    assert shifted.value == pytest.approx(plain.value + a @ u + b @ v, abs=1e-8)


@given(transport_problems(10, 10, **TAME), REGS, st.integers(0, 1000))
def test_permutation_of_rows_and_columns(problem, reg, seed):
    a, b, C, _, _ = problem
    rng = np.random.default_rng(seed)
    p, q = rng.permutation(len(a)), rng.permutation(len(b))
    plain, permuted = solve(a, b, C, reg), solve(a[p], b[q], C[np.ix_(p, q)], reg)
    np.testing.assert_allclose(permuted.plan, plain.plan[np.ix_(p, q)], atol=1e-9)


@given(transport_problems(8, 8, **TAME), REGS)
def test_a_source_without_mass_changes_nothing(problem, reg):
    a, b, C, _, _ = problem
    plain = solve(a, b, C, reg)
    more = solve(np.append(a, 0.0), b, np.vstack([C, C[:1]]), reg)
    np.testing.assert_allclose(more.plan[:-1], plain.plan, atol=1e-9)
    assert (more.plan[-1] == 0).all()
    # Its potential is that of the same source with mass.
    assert more.potentials.source[-1] == pytest.approx(more.potentials.source[0], abs=1e-7) or (
        a[0] == 0
    )


@given(transport_problems(10, 10, **TAME))
def test_value_rises_and_cost_rises_with_reg(problem):
    a, b, C, _, _ = problem
    results = [solve(a, b, C, reg) for reg in (0.01, 0.1, 1.0)]
    assert (np.diff([r.value for r in results]) >= -1e-9).all()
    assert (np.diff([r.linear_value for r in results]) >= -1e-9).all()


@given(transport_problems(12, 12, costs=("float32",), scales=(0, 0)), REGS)
def test_single_precision_costs_give_the_double_precision_answer(problem, reg):
    a, b, C, _, _ = problem
    single, double = solve(a, b, C, reg), solve(a, b, C.astype(float), reg)
    assert single.plan.dtype == single.potentials.source.dtype == np.float64
    np.testing.assert_allclose(single.plan, double.plan, atol=1e-10)
    assert single.nit <= 1.5 * double.nit


@given(transport_problems(10, 10, scales=(0, 0)), st.sampled_from([0.05, 1.0]))
def test_large_penalties_approach_the_constraints(problem, reg):
    a, b, C, _, _ = problem
    b = b * (a.sum() / b.sum())
    strict = solve(a, b, C, reg)
    relaxed = otopt.sinkhorn(a, b, C, reg=reg, marginal_penalty=1e7)
    np.testing.assert_allclose(relaxed.plan, strict.plan, atol=1e-5)


@pytest.mark.parametrize("form", ["matrix", "points"])
def test_threads_change_nothing(form):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
    a, b = np.full(300, 1 / 300), np.full(200, 1 / 200)
    cost = {"X": x, "Y": y} if form == "points" else {"C": ((x[:, None] - y) ** 2).sum(2)}
    one, two = (otopt.sinkhorn(a, b, reg=0.05, workers=w, **cost) for w in (1, 2))
    assert one.value == two.value
    assert one.nit == two.nit
    np.testing.assert_array_equal(one.potentials.source, two.potentials.source)
    np.testing.assert_array_equal(one.potentials.target, two.potentials.target)
