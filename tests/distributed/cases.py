"""Problems, and where to cut their columns; importable by the processes of a test."""

import numpy as np

CASES = ("small", "general", "one column", "ties", "k = 1", "k >= n", "empty lines", "float32")


def problem(name):
    """Keyword arguments of `sparse_ot` and the first column of the second process."""
    rng = np.random.default_rng(CASES.index(name))
    n, m, k, reg, cut = {
        "small": (30, 50, 4, 2.0, 33),
        "general": (160, 100, 4, 8.0, 70),
        "one column": (152, 90, 5, 5.0, 1),
        "ties": (160, 120, 3, 8.0, 45),
        "k = 1": (151, 453, 1, 2.0, 200),
        "k >= n": (155, 80, 155, 9.0, 20),
        "empty lines": (156, 90, 4, None, 8),
        "float32": (170, 100, 4, 5.0, 50),
    }[name]
    a, b, C = rng.random(n) + 0.3, rng.random(m) + 0.3, rng.random((n, m))
    if name in ("ties", "k = 1"):
        a[:], b[:], C = 1.0, 1.0, np.rint(3 * C)
    if name == "empty lines":
        a[[2, 9]] = b[[0, 12]] = 0.0
    if name == "float32":
        C = C.astype(np.float32)
    return {"a": a / a.sum(), "b": b / b.sum(), "C": C, "k": k, "reg": reg}, cut


def part(problem, cuts, rank):
    """What process `rank` is given."""
    columns = np.split(np.arange(len(problem["b"])), cuts)[rank]
    return problem | {"b": problem["b"][columns], "C": problem["C"][:, columns]}
