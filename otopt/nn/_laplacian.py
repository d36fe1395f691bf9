"""The one linear operator of differentiation on a support: a Laplacian's pseudo-inverse."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch

__all__ = ["SupportGraph"]


class SupportGraph:
    r"""Bipartite graph of the nonzeros of a plan: an edge joins row i and column j.

    `spread` gives every edge the sum of the values of its two ends, :math:`u_i + v_j`; `collect` is
    its adjoint. Their product L is the signless Laplacian, a Laplacian once the columns change
    sign; in every connected component it has one null vector, +1 on rows and -1 on columns.

    Parameters
    ----------
    rows, columns : ndarray of int, shape (E,)
    n, m : int
    """

    def __init__(self, rows, columns, n, m):
        self.n, self.m = n, m
        self.rows = torch.from_numpy(np.ascontiguousarray(rows, np.int64))
        self.columns = torch.from_numpy(np.ascontiguousarray(columns, np.int64))
        self._sign = np.r_[np.ones(n), -np.ones(m)]

    def spread(self, values):
        """Sums of the values (n + m,) at both ends of every edge."""
        return values[self.rows] + values[self.n + self.columns]

    def collect(self, edges):
        """Sums of the edges (E,) at every row and column."""
        nodes = edges.new_zeros(self.n + self.m)
        return nodes.index_add(0, self.rows, edges).index_add(0, self.n + self.columns, edges)

    def solve(self, nodes):
        """Least-squares solution of least norm of L y = nodes, differentiable to any order."""
        return _Solve.apply(nodes, self)

    def solve_array(self, x):
        """`solve` for a NumPy array."""
        y = self._centred(self._factor.solve(self._centred(self._sign * x)))
        return self._sign * y

    @cached_property
    def _components(self):
        from scipy.sparse.csgraph import connected_components

        count, label = connected_components(self._adjacency, directed=False)
        return label, np.bincount(label, minlength=count)

    @cached_property
    def _adjacency(self):
        from scipy.sparse import csc_array

        i, j = self.rows.numpy(), self.n + self.columns.numpy()
        size = self.n + self.m
        return csc_array((np.ones(2 * len(i)), (np.r_[i, j], np.r_[j, i])), shape=(size, size))

    @cached_property
    def _factor(self):
        """Sparse factors of the Laplacian with one node of every component grounded."""
        from scipy.sparse import diags_array
        from scipy.sparse.linalg import splu

        label, _ = self._components
        # A conductance to the ground carries no current where the right-hand side balances.
        diagonal = np.asarray(self._adjacency.sum(axis=0)).ravel()
        diagonal[np.unique(label, return_index=True)[1]] += 1.0
        grounded = (diags_array(diagonal) - self._adjacency).tocsc()
        return splu(
            grounded,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    def _centred(self, x):
        label, size = self._components
        return x - (np.bincount(label, x, minlength=len(size)) / size)[label]


class _Solve(torch.autograd.Function):
    """A constant symmetric operator is its own derivative and its own adjoint."""

    @staticmethod
    def forward(ctx, nodes, graph):
        ctx.graph = graph
        return torch.from_numpy(graph.solve_array(nodes.detach().numpy()))

    @staticmethod
    def backward(ctx, *grads):
        return ctx.graph.solve(grads[0]), None
