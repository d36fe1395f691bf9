"""Curvature of the proximal dual: packing, assembly and products, over compressed columns.

A support is ``start (m + 1,), rows, mass, kind``. With A = 1/(reg + mu) on heads and M = 1/mu on
ties, column j contributes diag(A or M) minus a block of three values (hh, he, ee) to the Hessian.
"""

import numpy as np
from numba import njit

from ._numba_column import HEAD
from ._numba_leaf import leaf


@njit(cache=True)
def pack_support(lists, columns):
    m = lists.count.shape[0]
    start = np.zeros(m + 1, np.int64)
    for j in range(m):
        used = 0
        for q in range(lists.count[j]):
            used += columns.kind[j, q] > 0
        start[j + 1] = start[j] + used
    rows = np.empty(start[m], np.int32)
    cost = np.empty(start[m])
    mass = np.empty(start[m])
    kind = np.empty(start[m], np.int8)
    z = 0
    for j in range(m):
        for q in range(lists.count[j]):
            if columns.kind[j, q] > 0:
                rows[z] = lists.rows[j, q]
                cost[z] = lists.cost[j, q]
                mass[z] = columns.mass[j, q]
                kind[z] = columns.kind[j, q]
                z += 1
    return start, rows, cost, mass, kind


@njit(cache=True)
def curvature_coefficients(heads, ties, k, reg, mu):
    m = heads.shape[0]
    coefficients = np.zeros((m, 3))
    A = 1.0 / (reg + mu)
    for j in range(m):
        p, e = heads[j], ties[j]
        if e == 0:
            coefficients[j, 0] = A / p
        else:
            M = 1.0 / mu
            free = max(k[j] - p, 1)
            rho = (free + M * e * reg) * A / free
            det = M * e + rho * p
            coefficients[j, 0] = A * rho / det
            coefficients[j, 1] = A * M / det
            coefficients[j, 2] = M * (M / det) * (1.0 + reg * A * p / free)
    return coefficients


@njit(cache=True)
def hessian_product(start, rows, kind, coefficients, A, M, shift, x, y):
    y[:] = shift * x
    for j in range(start.shape[0] - 1):
        heads = 0.0
        ties = 0.0
        for q in range(start[j], start[j + 1]):
            if kind[q] == HEAD:
                heads += x[rows[q]]
            else:
                ties += x[rows[q]]
        on_head = coefficients[j, 0] * heads + coefficients[j, 1] * ties
        on_tie = coefficients[j, 1] * heads + coefficients[j, 2] * ties
        for q in range(start[j], start[j + 1]):
            i = rows[q]
            y[i] += A * x[i] - on_head if kind[q] == HEAD else M * x[i] - on_tie


@njit(cache=True)
def hessian_diagonal(start, rows, kind, coefficients, A, M, shift, n):
    diagonal = np.full(n, shift)
    for j in range(start.shape[0] - 1):
        for q in range(start[j], start[j + 1]):
            if kind[q] == HEAD:
                diagonal[rows[q]] += A - coefficients[j, 0]
            else:
                diagonal[rows[q]] += M - coefficients[j, 2]
    return diagonal


@njit(cache=True)
def conjugate_gradient(start, rows, kind, coefficients, A, M, shift, g, rtol, maxiter):
    """Solve (H + shift) d = g by Jacobi-preconditioned conjugate gradients; d and iterations."""
    n = g.shape[0]
    diagonal = hessian_diagonal(start, rows, kind, coefficients, A, M, shift, n)
    d = np.zeros(n)
    r = g.copy()
    z = r / diagonal
    p = z.copy()
    Hp = np.empty(n)
    rz = np.dot(r, z)
    target = rtol * rtol * rz
    iteration = 0
    while iteration < maxiter and rz > target:
        hessian_product(start, rows, kind, coefficients, A, M, shift, p, Hp)
        curvature = np.dot(p, Hp)
        if curvature <= 0.0:
            break
        step = rz / curvature
        d += step * p
        r -= step * Hp
        z = r / diagonal
        rz_new = np.dot(r, z)
        p = z + (rz_new / rz) * p
        rz = rz_new
        iteration += 1
    return d, iteration


@njit(cache=True)
def _block_entry(a, b, coefficients):
    if a == HEAD and b == HEAD:
        return -coefficients[0]
    if a == HEAD or b == HEAD:
        return -coefficients[1]
    return -coefficients[2]


@njit(cache=True)
def assemble_dense(start, rows, kind, coefficients, A, M, shift, n):
    H = assemble_upper(start, rows, kind, coefficients, A, M, shift, n)
    for i in range(n):
        H[i + 1 :, i] = H[i, i + 1 :]
    return H


@njit(cache=True)
def assemble_upper(start, rows, kind, coefficients, A, M, shift, n):
    """The upper triangle of `assemble_dense`; zeros below."""
    H = np.zeros((n, n))
    for i in range(n):
        H[i, i] = shift
    for j in range(start.shape[0] - 1):
        _add_column(H, start[j], start[j + 1], rows, kind, coefficients, j, A, M)
    return H


@leaf
def _add_column(H, lo, hi, rows, kind, coefficients, j, A, M):
    for q in range(lo, hi):
        i, on_head, on_tie = rows[q], coefficients[j, 0], coefficients[j, 1]
        if kind[q] == HEAD:
            H[i, i] += A - on_head
        else:
            on_head, on_tie = on_tie, coefficients[j, 2]
            H[i, i] += M - on_tie
        for r in range(lo, q):
            other = rows[r]
            H[min(i, other), max(i, other)] -= on_head if kind[r] == HEAD else on_tie


@njit(cache=True)
def entries_by_row(start, rows, n):
    """The support in compressed rows: ``begin (n + 1,)``, and column and place of every entry."""
    begin = np.zeros(n + 1, np.int64)
    for q in range(rows.shape[0]):
        begin[rows[q] + 1] += 1
    begin = np.cumsum(begin)
    fill = begin[:-1].copy()
    column = np.empty(rows.shape[0], np.int32)
    place = np.empty(rows.shape[0], np.int32)
    for j in range(start.shape[0] - 1):
        for q in range(start[j], start[j + 1]):
            i = rows[q]
            column[fill[i]] = j
            place[fill[i]] = q
            fill[i] += 1
    return begin, column, place


@njit(cache=True)
def _neighbours(i, start, rows, begin, column, last_seen):
    """How many rows share a column with row i, itself included; `last_seen` is scratch space."""
    count = 1
    last_seen[i] = i
    for p in range(begin[i], begin[i + 1]):
        j = column[p]
        for r in range(start[j], start[j + 1]):
            count += last_seen[rows[r]] != i
            last_seen[rows[r]] = i
    return count


@njit(cache=True)
def assemble_sparse(start, rows, kind, coefficients, A, M, shift, n):
    begin, column, place = entries_by_row(start, rows, n)
    where = np.full(n, -1)
    indptr = np.zeros(n + 1, np.int32)
    for i in range(n):
        indptr[i + 1] = indptr[i] + _neighbours(i, start, rows, begin, column, where)
    indices = np.empty(indptr[n], np.int32)
    values = np.zeros(indptr[n])
    where[:] = -1
    for i in range(n):
        z = indptr[i]
        indices[z] = i
        values[z] = shift
        where[i] = z
        z += 1
        for p in range(begin[i], begin[i + 1]):
            j, q = column[p], place[p]
            values[where[i]] += A if kind[q] == HEAD else M
            for r in range(start[j], start[j + 1]):
                other = rows[r]
                if where[other] < indptr[i]:
                    where[other] = z
                    indices[z] = other
                    z += 1
                values[where[other]] += _block_entry(kind[q], kind[r], coefficients[j])
    return indptr, indices, values


@njit(cache=True)
def _group_column(lo, hi, rows, kind, group, label, heads, ties):
    """The groups that a column touches, and its heads and ties in each; how many groups."""
    found = 0
    for q in range(lo, hi):
        r = 0
        while r < found and label[r] != group[rows[q]]:
            r += 1
        if r == found:
            label[r], heads[r], ties[r] = group[rows[q]], 0.0, 0.0
            found += 1
        if kind[q] == HEAD:
            heads[r] += 1.0
        else:
            ties[r] += 1.0
    return found


@njit(cache=True)
def assemble_grouped(start, rows, kind, coefficients, A, M, shift, group):
    """Triplets of P' (H + shift) P, P the indicator of groups of rows; duplicates add up."""
    width = max(1, np.diff(start).max())
    label = np.empty(width, np.int64)
    heads = np.empty(width)
    ties = np.empty(width)
    total = group.shape[0]
    for j in range(start.shape[0] - 1):
        total += _group_column(start[j], start[j + 1], rows, kind, group, label, heads, ties) ** 2
    I, J, V = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total)
    for i in range(group.shape[0]):
        I[i], J[i], V[i] = group[i], group[i], shift
    z = group.shape[0]
    for j in range(start.shape[0] - 1):
        found = _group_column(start[j], start[j + 1], rows, kind, group, label, heads, ties)
        hh, he, ee = coefficients[j]
        for q in range(found):
            for r in range(found):
                I[z], J[z] = label[q], label[r]
                V[z] = -hh * heads[q] * heads[r] - ee * ties[q] * ties[r]
                V[z] -= he * (heads[q] * ties[r] + ties[q] * heads[r])
                if q == r:
                    V[z] += A * heads[q] + M * ties[q]
                z += 1
    return I, J, V


@leaf
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def connected_rows(start, rows, n):
    """Label of every row: the smallest row it is connected to through columns (union-find)."""
    parent = np.arange(n)
    _connect(parent, start, rows)
    return parent


@leaf
def _connect(parent, start, rows):
    for j in range(start.shape[0] - 1):
        if start[j + 1] > start[j]:
            first = _root(parent, rows[start[j]])
            for q in range(start[j] + 1, start[j + 1]):
                i = rows[q]
                if parent[i] == first:
                    continue
                other = _root(parent, i)
                if other < first:
                    parent[first] = other
                    first = other
                else:
                    parent[other] = first
                    parent[i] = first
    for i in range(parent.shape[0]):
        parent[i] = _root(parent, i)


@njit(cache=True)
def row_entry_level(Ct, threshold, label, column_label):
    """Per row the smallest ``c_ij + threshold_j`` over the columns of another component.

    The potential at which the row starts to carry mass there.
    """
    m, n = Ct.shape
    level = np.full(n, np.inf)
    for j in range(m):
        c = Ct[j]
        own = column_label[j]
        for i in range(n):
            entry = c[i] + threshold[j]
            entry = entry if label[i] != own else np.inf
            level[i] = entry if entry < level[i] else level[i]
    return level


@njit(cache=True)
def list_entry_level(lists, threshold, label, column_label):
    """As `row_entry_level`, over the listed entries only (sparse costs)."""
    level = np.full(label.shape[0], np.inf)
    for j in range(lists.count.shape[0]):
        for q in range(lists.count[j]):
            i = lists.rows[j, q]
            if label[i] != column_label[j]:
                level[i] = min(level[i], lists.cost[j, q] + threshold[j])
    return level
