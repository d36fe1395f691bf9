"""The linear programme over all n^d tuples, by HiGHS."""

import itertools

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

# The costs by their definitions, one tuple at a time.
DEFINITIONS = {
    "range": lambda x, w, delta: max(x) - min(x),
    "pairwise_l1": lambda x, w, delta: sum(
        w[k] * w[l] * abs(x[k] - x[l]) for k, l in itertools.combinations(range(len(x)), 2)
    ),
    "pairwise_l2": lambda x, w, delta: sum(
        w[k] * w[l] * (x[k] - x[l]) ** 2 for k, l in itertools.combinations(range(len(x)), 2)
    ),
    "huber": lambda x, w, delta: sum(
        w[k] * w[l] * _huber(x[k] - x[l], delta)
        for k, l in itertools.combinations(range(len(x)), 2)
    ),
    "median": lambda x, w, delta: min(np.dot(w, abs(np.subtract(x, y))) for y in x),
    "variance": lambda x, w, delta: np.dot(w, np.subtract(x, np.average(x, weights=w)) ** 2),
}


def _huber(t, delta):
    return t * t / 2 if abs(t) <= delta else delta * (abs(t) - delta / 2)


def all_tuples(sizes):
    """Every tuple of bins, (T, d)."""
    return np.array(list(itertools.product(*map(range, sizes))))


def tuple_costs(name, supports, w, delta):
    """Cost of every tuple, in the order of `all_tuples`."""
    tuples = all_tuples([len(x) for x in supports])
    places = [[x[i] for x, i in zip(supports, t, strict=True)] for t in tuples]
    return np.array([DEFINITIONS[name](x, w, delta) for x in places])


def explicit_value(masses, costs):
    """Least cost over all couplings of the masses."""
    sizes = [len(a) for a in masses]
    tuples = all_tuples(sizes)
    rows = (tuples + np.concatenate([[0], np.cumsum(sizes)[:-1]])).ravel()
    columns = np.repeat(np.arange(len(tuples)), len(sizes))
    A = csr_array((np.ones(len(rows)), (rows, columns)))
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    solved = linprog(costs, A_eq=A, b_eq=np.concatenate(masses), method="highs", options=options)
    assert solved.status == 0, solved.message
    return solved.fun
