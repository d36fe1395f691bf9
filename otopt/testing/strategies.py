"""Hypothesis strategies for transport problems; hypothesis is loaded on first use."""

from __future__ import annotations

import numpy as np

from otopt.errors import MissingDependencyError

from .problems import (
    block_problem,
    constant_cost_problem,
    dirac_problem,
    monotone_problem,
    permutation_problem,
)

__all__ = ["known_problems", "transport_problems"]


def _hypothesis():
    try:
        import hypothesis.strategies as st
    except ImportError:
        message = "otopt.testing strategies need hypothesis: pip install hypothesis"
        raise MissingDependencyError(message) from None
    return st


def _weights(rng, kind, size):
    if kind == "uniform":
        return np.full(size, 1.0 / size)
    if kind == "counts":
        x = rng.integers(0, 4, size).astype(float)
        x[rng.integers(size)] += 1
    elif kind == "zeros":
        x = rng.random(size) * (rng.random(size) < 0.6)
        x[rng.integers(size)] += 0.5
    elif kind == "skewed":
        x = rng.dirichlet(np.full(size, 0.2)) + 1e-12
    else:
        x = rng.uniform(0.5, 1.5, size)
    return x / x.sum()


def _cost(rng, kind, n, m):
    if kind == "ties":
        x, y = rng.integers(0, 3, (n, 2)), rng.integers(0, 3, (m, 2))
        return ((x[:, None] - y) ** 2).sum(axis=2).astype(float)
    if kind == "constant":
        return np.full((n, m), rng.normal())
    if kind == "integer":
        return rng.integers(-3, 4, (n, m))
    if kind == "float32":
        return rng.random((n, m)).astype(np.float32)
    return rng.random((n, m))


def transport_problems(
    max_n=8,
    max_m=8,
    *,
    weights=("uniform", "random", "counts", "zeros", "skewed"),
    costs=("random", "ties", "constant", "integer", "float32"),
    scales=(-12, 12),
):
    """Strategy of ``(a, b, C, k, reg)``: adversarial by default, tamed by the keywords.

    Parameters
    ----------
    max_n, max_m : int
        Largest numbers of rows and columns.
    weights, costs : tuple of str
        Kinds to draw from.
    scales : tuple of int
        Range of the powers of ten that multiply the cost and the masses.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        A strategy to draw from.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> from otopt.testing import transport_problems
    >>> @settings(max_examples=5, derandomize=True, deadline=None)
    ... @given(transport_problems(max_n=4, max_m=5))
    ... def test(problem):
    ...     a, b, C, k, reg = problem
    ...     assert C.shape == (len(a), len(b))
    >>> test()
    """
    st = _hypothesis()

    @st.composite
    def _draw_problem(draw):
        """Draw sizes, kinds and scales; the numbers come from a seeded generator."""
        n, m = draw(st.integers(1, max_n)), draw(st.integers(1, max_m))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        C = _cost(rng, draw(st.sampled_from(costs)), n, m)
        kind = draw(st.sampled_from(weights))
        a, b = _weights(rng, kind, n), _weights(rng, kind, m)
        mass = 10.0 ** draw(st.integers(*scales))
        if C.dtype != np.float32:
            C = C * 10.0 ** draw(st.integers(*scales))
        a, b = a * mass, b * mass
        k = draw(st.integers(1, n))
        relative = draw(st.sampled_from([1e-2, 0.1, 1.0, 10.0]))
        unit = float(np.ptp(C)) or float(np.abs(C).max()) or 1.0
        return a, b * (a.sum() / b.sum()), C, k, relative * unit / a.sum()

    return _draw_problem()


def known_problems(max_size=8):
    """Strategy of `KnownProblem`.

    Parameters
    ----------
    max_size : int
        Largest number of rows and columns of most of them.

    Returns
    -------
    hypothesis.strategies.SearchStrategy
        A strategy to draw from.

    Examples
    --------
    >>> import numpy as np
    >>> import otopt
    >>> from hypothesis import given, settings
    >>> from otopt.testing import known_problems
    >>> @settings(max_examples=5, derandomize=True, deadline=None)
    ... @given(known_problems())
    ... def test(p):
    ...     found = otopt.sparse_ot(p.a, p.b, p.C, p.k, reg=p.reg)
    ...     assert found.value >= found.dual_bound - 1e-9 * abs(found.value)
    >>> test()
    """
    st = _hypothesis()

    @st.composite
    def _draw_known(draw):
        """Draw one of the known problems."""
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        n, m = draw(st.integers(1, max_size)), draw(st.integers(1, max_size))
        reg = draw(st.sampled_from([1e-3, 1.0, 30.0]))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            return dirac_problem(rng.dirichlet(np.ones(m)), rng.normal(size=m), reg)
        if kind == 1:
            return permutation_problem(rng.permutation(n), rng.uniform(0.1, 1, (n, n)), reg)
        if kind == 2:
            x = rng.permutation(2 * n)[:n] + rng.uniform(0, 0.5, n)
            y = rng.permutation(2 * n)[:n] + rng.uniform(0, 0.5, n)
            return monotone_problem(x, y, reg)
        if kind == 3:
            k = draw(st.integers(1, 4))
            return block_problem(k, m, 1.0 + reg / (k * m), reg)
        return constant_cost_problem(n, m, rng.normal(), reg)

    return _draw_known()
