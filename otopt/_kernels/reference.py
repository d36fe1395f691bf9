"""Kernels in NumPy, column by column: slow, and the plain reading of the specification."""

import numpy as np

from ._reference_graph import (
    cancel_cycles,
    connected_rows,
    pivot_to_capacity,
    settle_on_forest,
)

__all__ = [
    "assemble_dense",
    "assemble_grouped",
    "assemble_sparse",
    "c_transform",
    "cancel_cycles",
    "cheapest_in_columns",
    "cheapest_in_rows",
    "column_system",
    "conjugate_gradient",
    "connected_rows",
    "cost_range",
    "curvature_coefficients",
    "entries",
    "entry_slack",
    "hessian_diagonal",
    "hessian_product",
    "list_entry_level",
    "pack_support",
    "pivot_to_capacity",
    "prox_columns",
    "row_entry_level",
    "row_step",
    "settle_on_forest",
    "simplex_potentials",
    "take_columns",
    "top_k_conjugate",
]

HEAD, TIE = 1, 2

# -- one column ---------------------------------------------------------------------------------


def _simplex_threshold(v, z):
    """The theta with ``sum(max(v - theta, 0)) == z``.

    Any p entries exceed theta by z in sum at most, so their ``(sum - z) / p`` is at most theta;
    those above theta attain it.
    """
    largest = np.sort(v)[::-1]
    return ((np.cumsum(largest) - z) / np.arange(1, len(v) + 1)).max()


def _tie_block(v, b, k, reg, mu):
    """Numbers of heads p and of heads and ties q, and the mass of the ties, for decreasing v.

    Every (p, q) with p < k < q is tried. With f = k - p, the cardinality weights of the ties sum
    to f and their mass to f s, so with y = v + beta the averages over both blocks are
    ``mean(y) = (reg + mu) (b - f s) / p`` on heads and ``mu f s / (q - p) + s reg`` on ties; the
    difference of the two gives s. The pair that violates least of the conditions

        y >= s (reg + mu) on heads,  s reg <= y <= s (reg + mu) on ties,  y <= s reg elsewhere

    is the solution: these conditions are necessary and sufficient.
    """
    both = reg + mu
    p, q = np.meshgrid(np.arange(k), np.arange(k + 1, len(v) + 1), indexing="ij")
    e, f = q - p, k - p
    total = np.concatenate([[0.0], np.cumsum(v)])
    mean_head = total[p] / np.maximum(p, 1)
    mean_tie = (total[q] - total[p]) / e
    s = (both * b - p * (mean_head - mean_tie)) / (both * f + p * (mu * f / e + reg))
    threshold = mean_tie - mu * f * s / e
    head_level = threshold + s * mu
    fenced = np.concatenate([[np.inf], v, [-np.inf]])  # v[r] is fenced[r + 1]
    violation = np.maximum.reduce(
        [
            head_level - fenced[p],
            fenced[p + 1] - head_level,
            threshold - fenced[q],
            fenced[q + 1] - threshold,
        ]
    )
    best = np.unravel_index(violation.argmin(), violation.shape)
    return p[best], q[best], f[best] * s[best]


def _solve_column(x, b, k, reg, mu):
    """Mass and kind of every entry, heads, ties, threshold and value; see `prox_columns`."""
    both = reg + mu
    order = np.argsort(-x, kind="stable")
    top = x[order[0]]
    v = x[order] - top  # entries that matter are near zero: no digits are lost
    t = np.zeros(len(v))
    threshold = _simplex_threshold(v, b * both)
    p = q = np.count_nonzero(v > threshold)
    if p <= k:
        t[:p] = (v[:p] - threshold) / both
    else:
        p = q = k
        theta = _simplex_threshold(v[:k], b * both)
        # The largest price at which the last head stays one keeps out the most.
        threshold = theta + (v[k - 1] - theta) * reg / both
        if v[k - 1] > theta and v[k] <= threshold:
            t[:k] = (v[:k] - theta) / both
        else:
            p, q, tied = _tie_block(v, b, k, reg, mu)
            if p > 0:
                t[:p] = (b - tied) / p + (v[:p] - v[:p].mean()) / both
            mean = v[p:q].mean()
            t[p:q] = tied / (q - p) + (v[p:q] - mean) / mu
            threshold = mean - mu * tied / (q - p)
            t = np.maximum(t, 0.0)
    # ||t||_ksup^2 by its closed form (Argyriou, Foygel, Srebro 2012, Prop. 2.1).
    square = t[:p] @ t[:p] + t[p:q].sum() ** 2 / max(k - p, 1)
    value = b * top + t @ v - 0.5 * reg * square - 0.5 * mu * (t @ t)
    mass, kind = np.zeros(len(v)), np.zeros(len(v), np.int8)
    mass[order] = t
    kind[order[:p]] = HEAD
    kind[order[p:q]] = TIE
    return mass, kind, p, q - p, threshold + top, value


def _list_every_row(j, Ct, lists):
    n = Ct.shape[1]
    listed = lists.rows[j, : lists.count[j]]
    centre = np.zeros(n)
    centre[listed] = lists.centre[j, : lists.count[j]]
    lists.rows[j, :n] = np.arange(n)
    lists.cost[j, :n] = Ct[j]
    lists.centre[j, :n] = centre
    lists.count[j] = n
    lists.bound[j] = -np.inf


def prox_columns(alpha, rise, Ct, b, k, reg, mu, lists, columns, workers=1):
    # Once a list is complete there is nothing unlisted that could rise: `rise` is not needed.
    m, n = len(b), len(alpha)
    value = np.zeros(m)
    need = 0
    for j in range(m):
        if lists.bound[j] > -np.inf:
            if lists.rows.shape[1] < n:
                need = n
                continue
            _list_every_row(j, Ct, lists)
        used = slice(lists.count[j])
        columns.mass[j] = columns.kind[j] = 0
        x = alpha[lists.rows[j, used]] - lists.cost[j, used] + mu * lists.centre[j, used]
        (
            columns.mass[j, used], columns.kind[j, used],
            columns.heads[j], columns.ties[j], columns.threshold[j], value[j],
        ) = _solve_column(x, b[j], k[j], reg, mu)  # fmt: skip
    return value, need


def top_k_conjugate(alpha, Ct, b, k, reg, workers=1):
    m = len(b)
    value, beta = np.empty(m), np.empty(m)
    most = k.max(initial=1)
    rows, mass = np.full((m, most), -1, np.int32), np.zeros((m, most))
    for j in range(m):
        x = alpha - Ct[j]
        largest = np.argsort(-x, kind="stable")[: k[j] if reg > 0 else 1]
        top = x[largest[0]]
        v = x[largest] - top
        theta = _simplex_threshold(v, b[j] * reg)
        t = np.maximum(v - theta, 0.0) / reg if reg > 0 else np.array([b[j]])
        used = np.count_nonzero(t)
        rows[j, :used], mass[j, :used] = largest[:used], t[:used]
        value[j] = b[j] * top + t @ v - 0.5 * reg * (t @ t)
        beta[j] = -(theta + top)
    return value, beta, rows, mass


def simplex_potentials(x, M, mass, reg):
    gain = x - M
    top = gain.max(axis=1)
    theta = [
        _simplex_threshold(row, z) for row, z in zip(gain - top[:, None], mass * reg, strict=True)
    ]
    return -(np.array(theta) + top)


def c_transform(x, M):
    return (M - x).min(axis=1)


def cost_range(Ct):
    return float(Ct.min()), float(Ct.max())


def entries(Ct, columns, rows):
    return Ct[columns, rows]


def entry_slack(Ct, alpha, threshold, label, column_label):
    slack = np.full(len(alpha), np.inf)
    np.minimum.at(slack, label, row_entry_level(Ct, threshold, label, column_label) - alpha)
    return slack


def take_columns(Ct, sample):
    return np.ascontiguousarray(Ct[sample])


def cheapest_in_columns(alpha, Ct, count):
    return np.argsort(Ct - alpha, axis=1, kind="stable")[:, :count].astype(np.int32)


def cheapest_in_rows(alpha, beta, Ct, count):
    reduced = Ct.T - alpha[:, None] - beta
    return np.argsort(reduced, axis=1, kind="stable")[:, :count].astype(np.int32)


# -- curvature ----------------------------------------------------------------------------------


def pack_support(lists, columns):
    support = [np.flatnonzero(columns.kind[j, :used]) for j, used in enumerate(lists.count)]
    start = np.concatenate([[0], np.cumsum([len(slots) for slots in support])]).astype(np.int64)
    column = np.repeat(np.arange(len(support)), np.diff(start))
    slot = np.concatenate([np.zeros(0, int), *support])
    arrays = lists.rows, lists.cost, columns.mass, columns.kind
    return start, *(array[column, slot] for array in arrays)


def curvature_coefficients(heads, ties, k, reg, mu):
    """Implicit differentiation of the column problem.

    Heads are ``t = (x + beta) / (reg + mu)``, ties ``t = (x - h) / mu`` for the threshold h =
    s reg - beta; sum t = b and (sum of the ties) = (k - heads) s determine (beta, h).
    """
    coefficients = np.zeros((len(heads), 3))
    both = reg + mu
    for j, (p, e) in enumerate(zip(heads, ties, strict=True)):
        if e == 0:
            coefficients[j, 0] = 1.0 / (both * p)
            continue
        f = k[j] - p
        system = np.array([[p / both, -e / mu], [-f / reg, -(e / mu + f / reg)]])
        d_beta, d_h = np.linalg.solve(system, [-1.0 / both, 0.0])  # x of one head rises
        coefficients[j, :2] = -d_beta / both, d_h / mu
        d_beta, d_h = np.linalg.solve(system, [-1.0 / mu, -1.0 / mu])  # x of one tie rises
        coefficients[j, 2] = d_h / mu
    return coefficients


def assemble_dense(start, rows, kind, coefficients, A, M, shift, n):
    H = shift * np.eye(n)
    for j, (hh, he, ee) in enumerate(coefficients):
        i = rows[start[j] : start[j + 1]]
        is_tie = (kind[start[j] : start[j + 1]] == TIE).astype(int)
        block = np.array([[hh, he], [he, ee]])[np.ix_(is_tie, is_tie)]
        H[np.ix_(i, i)] += np.diag(np.array([A, M])[is_tie]) - block
    return H


def assemble_sparse(start, rows, kind, coefficients, A, M, shift, n):
    H = assemble_dense(start, rows, kind, coefficients, A, M, shift, n)
    i, j = np.nonzero(H)
    indptr = np.searchsorted(i, np.arange(n + 1))
    return indptr.astype(np.int32), j.astype(np.int32), H[i, j]


def assemble_grouped(start, rows, kind, coefficients, A, M, shift, group):
    H = assemble_dense(start, rows, kind, coefficients, A, M, shift, len(group))
    P = np.eye(group.max() + 1)[group]
    i, j = np.nonzero(P.T @ H @ P)
    return i.astype(np.int32), j.astype(np.int32), (P.T @ H @ P)[i, j]


def hessian_diagonal(start, rows, kind, coefficients, A, M, shift, n):
    return np.diag(assemble_dense(start, rows, kind, coefficients, A, M, shift, n)).copy()


def hessian_product(start, rows, kind, coefficients, A, M, shift, x, y):
    y[:] = assemble_dense(start, rows, kind, coefficients, A, M, shift, len(x)) @ x


def conjugate_gradient(start, rows, kind, coefficients, A, M, shift, g, rtol, maxiter):
    H = assemble_dense(start, rows, kind, coefficients, A, M, shift, len(g))
    return np.linalg.solve(H, g), 1  # an exact answer meets any rtol


def _shift_weights(start, rows, kind, heads, ties, A, M, n):
    """How the shifts of heads and of ties of every column act on the rows: (n, unknowns)."""
    weights = []
    for j in range(len(heads)):
        i, is_head = rows[start[j] : start[j + 1]], kind[start[j] : start[j + 1]] == HEAD
        for count, chosen, weight in ((heads[j], is_head, A), (ties[j], ~is_head, M)):
            if count > 0:
                weights.append(np.bincount(i[chosen], np.full(count, weight), minlength=n))
    return np.array(weights).T


def column_system(start, rows, kind, heads, ties, k, reg, A, M, shift, g):
    U = _shift_weights(start, rows, kind, heads, ties, A, M, len(g))
    S = np.diag(U.sum(axis=0))
    first = np.concatenate([[0], np.cumsum((heads > 0).astype(int) + (ties > 0))])
    for j in np.flatnonzero((heads > 0) & (ties > 0)):
        both = slice(first[j], first[j] + 2)
        S[both, both] += (k[j] - heads[j]) / reg * np.array([[1.0, -1.0], [-1.0, 1.0]])
    diagonal = shift + U.sum(axis=1)
    return S - U.T @ (U / diagonal[:, None]), -U.T @ (g / diagonal), diagonal


def row_step(start, rows, kind, heads, ties, A, M, diagonal, g, u):
    return (g - _shift_weights(start, rows, kind, heads, ties, A, M, len(g)) @ u) / diagonal


def row_entry_level(Ct, threshold, label, column_label):
    elsewhere = column_label[:, None] != label
    return np.where(elsewhere, Ct + threshold[:, None], np.inf).min(axis=0)


def list_entry_level(lists, threshold, label, column_label):
    level = np.full(len(label), np.inf)
    for j, used in enumerate(lists.count):
        i = lists.rows[j, :used]
        entry = np.where(label[i] != column_label[j], lists.cost[j, :used] + threshold[j], np.inf)
        level[i] = np.minimum(level[i], entry)
    return level
