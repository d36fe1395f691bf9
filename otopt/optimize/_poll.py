"""Poll directions: sets that span the space, or the cone of feasible directions, positively."""

import itertools

import numpy as np

__all__ = ["conforming_directions", "householder_directions"]

MOST_EDGES = 256  # facets that are combined before coordinates are relied on


def householder_directions(n, count):
    """2 n orthogonal directions +-H, H the reflection of a pseudo-random unit vector.

    Dense in the sphere as `count` runs through the integers (M. A. Abramson, C. Audet, J. E.
    Dennis, S. Le Digabel, "OrthoMADS", SIAM Journal on Optimization 20, 2009, doi
    10.1137/080716980), with an additive recurrence in place of Halton's sequence.
    """
    # Martin Roberts' generalised golden ratio: the root of x^(n+1) = x + 1.
    phi = 2.0
    for _ in range(40):
        phi = (1 + phi) ** (1 / (n + 1))
    unit = (0.5 + count * phi ** -np.arange(1.0, n + 1)) % 1.0
    q = np.tan(np.pi * (unit - 0.5) * 0.98)
    q /= np.linalg.norm(q) or 1.0
    H = np.eye(n) - 2 * np.outer(q, q)
    return np.vstack([H, -H])


def conforming_directions(domain, u, distance, V):
    """Directions that generate the feasible directions at u and its surroundings.

    Without near constraints +-V. Otherwise generators of the polar of the cone of their normals (R.
    M. Lewis, V. Torczon, "Pattern search methods for linearly constrained minimization", SIAM
    Journal on Optimization 10, 2000, doi 10.1137/S1052623497331373), and the inward normals.
    """
    near = domain.near(u, distance)
    if not near:
        return np.vstack([V, -V])
    N = domain.normals(near)
    n = N.shape[1]
    if all(i < 2 * n for i in near):  # coordinates conform to a box
        return np.vstack([np.eye(n), -np.eye(n)])
    along = domain.null_space(near)
    found = [*along.T, *-along.T, *_edges(N), *-N, *np.eye(n), *-np.eye(n)]
    return np.array([d / np.linalg.norm(d) for d in found if np.linalg.norm(d) > 1e-10])


def _edges(N):
    """Edges of the cone ``N d <= 0``, orthogonal to the directions along all constraints."""
    if np.linalg.matrix_rank(N) == len(N):
        return list(-np.linalg.pinv(N).T)
    rank = np.linalg.matrix_rank(N)
    edges = []
    for rows in itertools.islice(itertools.combinations(range(len(N)), rank), MOST_EDGES):
        part = N[list(rows)]
        if np.linalg.matrix_rank(part) == rank:
            edges += [d for d in -np.linalg.pinv(part).T if (N @ d <= 1e-10).all()]
    return edges
