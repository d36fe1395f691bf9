"""sinkhorn against closed forms, linear and conic programming, and its own claims recomputed."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otopt
from otopt.testing import transport_problems
from tests.judges.entropic import (
    entropic_optimum,
    extended_plan,
    marginal_error,
    objective,
    transport_optimum,
)

TINY = st.sampled_from([1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0])


def unit_of(C):
    C = np.asarray(C, float)
    return float(np.ptp(C)) or float(np.abs(C).max()) or 1.0


def strict_sinkhorn(*args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return otopt.sinkhorn(*args, **kwargs)


@given(transport_problems(12, 12), TINY)
def test_every_claim_holds_on_adversarial_problems(problem, relative):
    a, b, C, _, _ = problem
    unit = unit_of(C)
    reg = relative * unit
    result = strict_sinkhorn(a, b, C, reg=reg)
    C = np.asarray(C, float)
    mass = a.sum()
    b = b * (mass / b.sum())
    assert result.success
    assert np.isfinite(result.plan).all()
    # Meeting both marginals is, for a plan of this form, sufficient for optimality.
    error = marginal_error(extended_plan(result, a, b, C), a, b)
    assert error <= 1.01e-9 * mass
    assert error == pytest.approx(result.marginal_error, abs=1e-10 * mass)
    scale = mass * (unit + np.abs(C).max())
    assert objective(result.plan, a, b, C, reg) == pytest.approx(result.value, abs=1e-9 * scale)
    assert (result.plan * C).sum() == pytest.approx(result.linear_value, abs=1e-9 * scale)
    rounded = result.rounded()
    assert marginal_error(rounded, a, b) <= 1e-13 * mass
    rounding = 1e-12 * scale
    assert result.dual_bound - rounding <= objective(rounded, a, b, C, reg)
    assert objective(rounded, a, b, C, reg) <= result.primal_bound + rounding
    assert result.primal_bound - result.dual_bound <= 1e-7 * scale
    low, high = result.unregularised
    assert low - rounding <= transport_optimum(a / mass, b / mass, C / unit) * mass * unit
    assert (rounded * C).sum() <= high + rounding


@given(transport_problems(12, 12, scales=(0, 0)), TINY, st.integers(1, 30))
def test_bounds_enclose_the_optimum_wherever_the_solver_stops(problem, relative, maxiter):
    a, b, C, _, _ = problem
    reg = relative * unit_of(C)
    exact = strict_sinkhorn(a, b, C, reg=reg)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", otopt.errors.ConvergenceWarning)
        early = otopt.sinkhorn(a, b, C, reg=reg, maxiter=maxiter)
    slack = 1e-11 * (unit_of(C) + np.abs(np.asarray(C, float)).max())
    assert early.dual_bound <= exact.primal_bound + slack
    assert exact.dual_bound <= early.primal_bound + slack
    assert early.unregularised.lower <= exact.unregularised.upper + slack
    assert exact.unregularised.lower <= early.unregularised.upper + slack
    assert early.success == (early.marginal_error <= 1e-9 * a.sum())
    T = extended_plan(early, a, b * (a.sum() / b.sum()), np.asarray(C, float))
    error = marginal_error(T, a, b * (a.sum() / b.sum()))
    assert error == pytest.approx(early.marginal_error, rel=1e-6, abs=1e-10)
    assert marginal_error(early.rounded(), a, b * (a.sum() / b.sum())) <= 1e-13


@pytest.mark.parametrize("reg", [0.05, 1.0])
@pytest.mark.parametrize("penalties", [(np.inf, np.inf), (0.5, 0.5), (0.3, np.inf), (np.inf, 2.0)])
def test_value_against_exponential_cones(reg, penalties):
    rng = np.random.default_rng(0)
    a, b, C = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(6)), rng.random((5, 6))
    if np.isfinite(penalties).all():
        b = 1.7 * b
    expected = entropic_optimum(a, b, C, reg, *penalties)
    result = strict_sinkhorn(a, b, C, reg=reg, marginal_penalty=penalties)
    assert result.value == pytest.approx(expected, rel=1e-6)


def test_two_by_two():
    c, reg = 1.3, 0.4
    result = strict_sinkhorn([0.5, 0.5], [0.5, 0.5], [[0.0, c], [c, 0.0]], reg=reg)
    stay = 0.5 / (1 + np.exp(-c / reg))
    np.testing.assert_allclose(result.plan, [[stay, 0.5 - stay], [0.5 - stay, stay]], atol=1e-10)


@pytest.mark.parametrize("reg", [0.05, 0.5, 5.0])
def test_gaussians_on_a_line(reg):
    # The plan between N(0, s^2) and N(0, t^2) for the squared distance is Gaussian with covariance
    # (sqrt(4 s^2 t^2 + h^2) - h) / 2, h = reg / 2 (Janati et al. 2020, arXiv:2006.02572).
    s, t = 1.0, 0.6
    x, y = np.linspace(-7 * s, 7 * s, 401), np.linspace(-7 * t, 7 * t, 301)
    a, b = np.exp(-((x / s) ** 2) / 2), np.exp(-((y / t) ** 2) / 2)
    a, b = a / a.sum(), b / b.sum()
    result = strict_sinkhorn(a, b, (x[:, None] - y) ** 2, reg=reg)
    h = reg / 2
    expected = (np.sqrt(4 * s**2 * t**2 + h**2) - h) / 2
    assert x @ result.plan @ y == pytest.approx(expected, abs=1e-6)


@given(transport_problems(10, 10, scales=(0, 0)))
def test_large_regularisation_gives_the_independent_coupling(problem):
    a, b, C, _, _ = problem
    result = strict_sinkhorn(a, b, C, reg=1e6 * unit_of(C))
    np.testing.assert_allclose(result.plan, np.outer(a, b) / a.sum(), atol=1e-5)


@given(transport_problems(10, 10, scales=(0, 0)))
def test_small_regularisation_gives_linear_programming(problem):
    a, b, C, _, _ = problem
    unit = unit_of(C)
    b = b * (a.sum() / b.sum())
    result = strict_sinkhorn(a, b, C, reg=1e-4 * unit)
    optimum = transport_optimum(a, b, np.asarray(C, float))
    # The entropic plan costs at most reg times the entropy of a vertex more.
    assert optimum - 1e-9 * unit <= result.linear_value <= optimum + 1e-4 * unit * np.log(100)
    assert result.unregularised.lower <= optimum + 1e-12 * unit
    assert optimum <= result.unregularised.upper + 1e-12 * unit


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("shape", [(50, 70), (300, 8), (400, 200)])
def test_points_give_the_answer_of_their_matrix(metric, shape):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(shape[0], 3)), rng.normal(size=(shape[1], 3))
    a, b = rng.dirichlet(np.ones(shape[0])), rng.dirichlet(np.ones(shape[1]))
    a[3] = 0.0
    a /= a.sum()
    C = ((x[:, None] - y) ** 2).sum(axis=2)
    C = C if metric == "sqeuclidean" else np.sqrt(C)
    for reg in (0.3, 0.02):
        points = strict_sinkhorn(a, b, X=x, Y=y, metric=metric, reg=reg)
        matrix = strict_sinkhorn(a, b, C, reg=reg)
        np.testing.assert_allclose(points.plan, matrix.plan, atol=2e-9)
        assert points.value == pytest.approx(matrix.value, abs=1e-7)
        assert points.dual_bound <= matrix.primal_bound
        assert matrix.dual_bound <= points.primal_bound
        np.testing.assert_allclose(points.potentials.source, matrix.potentials.source, atol=1e-5)


@pytest.mark.parametrize("n", [60, 400])
@pytest.mark.parametrize("reg", [1e-2, 1e-4, 1e-5])
def test_tiny_regularisation_loses_nothing(n, reg):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 1.0
    C = ((x[:, None] - y) ** 2).sum(axis=2)
    a, b = rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(n, 5.0))
    result = strict_sinkhorn(a, b, C, reg=reg * C.max())
    assert np.isfinite(result.plan).all()
    assert marginal_error(result.plan, a, b) <= 1.1e-9


@given(
    transport_problems(10, 10, scales=(-3, 3)),
    st.sampled_from([1e-3, 0.1, 1.0]),
    st.sampled_from([0.05, 1.0, 20.0]),
    st.sampled_from(["both", "source", "target"]),
)
def test_relaxed_marginals_are_optimal(problem, relative, penalty, side):
    a, b, C, _, _ = problem
    C = np.asarray(C, float)
    unit = unit_of(C)
    reg, rho = relative * unit, penalty * unit
    penalties = {"both": (rho, 0.5 * rho), "source": (rho, None), "target": (None, rho)}[side]
    if side == "both":
        b = 1.4 * b
    result = strict_sinkhorn(a, b, C, reg=reg, marginal_penalty=penalties)
    scale = np.sqrt(a.sum() * b.sum())
    T = np.asarray(extended_plan(result, a, b, C), float)
    f, g = result.potentials
    wanted = [
        masses if p is None else masses * np.exp(-potential / p)
        for masses, p, potential in zip((a, b), penalties, (f, g), strict=True)
    ]
    assert marginal_error(T, *wanted) <= 1.1e-9 * scale
    price = [np.inf if p is None else p for p in penalties]
    value = objective(result.plan, a, b, C, reg, *price)
    size = scale * (unit + np.abs(C).max()) * (1 + penalty)
    assert value == pytest.approx(result.value, abs=1e-9 * size)
    assert result.dual_bound <= result.primal_bound + 1e-12 * size
    assert result.primal_bound - result.dual_bound <= 1e-7 * size


@pytest.mark.filterwarnings("ignore::otopt.errors.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(4))
def test_masses_of_any_size_converge_or_end_in_rounding_errors(seed):
    """Small ones were lost in the rounding of the stored kernel, and turned into NaN."""
    rng = np.random.default_rng(seed)
    for index in range(100):
        n, m = rng.integers(1, 7, 2)
        a, b = rng.dirichlet(np.full(n, 0.05)), rng.dirichlet(np.full(m, 0.05))
        reg = (1.0, 0.05, 0.01, 1e-3)[index % 4]
        result = otopt.sinkhorn(a, b, rng.random((n, m)), reg=reg)
        error = sum(np.abs(result.plan.sum(axis=k) - x).sum() for k, x in enumerate((b, a)))
        assert error == pytest.approx(result.marginal_error, abs=1e-12)
        assert result.success or result.status is otopt.Status.PRECISION_LIMIT
        assert error <= 1e-5


def test_a_mass_below_the_precision_of_the_stored_kernel_converges():
    result = otopt.sinkhorn([1.0], [1 - 1e-9, 1e-9], [[1.0, 0.0]], reg=0.05)
    np.testing.assert_allclose(result.plan, [[1 - 1e-9, 1e-9]], rtol=0, atol=1e-9)
    assert result.nit < 100
