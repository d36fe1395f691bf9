"""The loss of LeNet with one parameter changed, from what the last forward pass remembers.

A changed weight of a dense layer changes one unit: most of a network is in such layers. Costs are
given per example.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ._numba_exp import fma
from ._numba_guess import rectified
from ._numba_lenet_forward import accumulate, dense_tail, loss_sum, pool
from .numba_philox import philox4x32


class Scratch(NamedTuple):
    """Room for the changed part of a network."""

    logits: np.ndarray
    u1: np.ndarray  # (F1, n)
    u2: np.ndarray  # (F2, n)
    h1: np.ndarray
    h2: np.ndarray
    z1: np.ndarray  # (H1, H1, n)
    p1: np.ndarray  # (1, P1, P1, n)
    z2: np.ndarray  # (H2, H2, n)
    features: np.ndarray  # (C2 P2 P2, n)
    change: np.ndarray  # (n,) of the one unit that changed
    top: np.ndarray
    total: np.ndarray


@njit(cache=True)
def change_of_unit(u, step, inputs, has_inputs, out):
    """``relu(u + step * inputs) - relu(u)``; whether any of it is not zero."""
    size = np.float32(0)
    for e in range(len(u)):
        x = inputs[e] if has_inputs else np.float32(1)
        out[e] = rectified(fma(step, x, u[e])) - rectified(u[e])
    for e in range(len(u)):
        size += abs(out[e])
    return size > 0


@njit(cache=True)
def add_to_logits(logits, column, change):
    for k in range(logits.shape[0]):
        w, row = column[k], logits[k]
        for e in range(len(change)):
            row[e] = fma(w, change[e], row[e])


@njit(cache=True)
def through_second_layer(p, u2, change, row, logits, h):
    """Logits after `change` of unit `row` of the first dense layer: 84 units of 12 numbers each."""
    for i in range(u2.shape[0]):
        w, u = p.w4[row, i], u2[i]
        for e in range(len(change)):
            h[e] = rectified(fma(w, change[e], u[e])) - rectified(u[e])
        add_to_logits(logits, p.w5[:, i], h)


@njit(cache=True, inline="always")
def change_second_convolution(k, step, is_weight, p, caches, s):
    """One map of the second convolution; its map, s.z2 and s.features[: P2 P2] (a difference)."""
    C1, H2 = caches.p1.shape[0], caches.z2.shape[1]
    P2 = H2 // 2
    o = k // (C1 * 25) if is_weight else k
    z = caches.z2[o]
    c, i, j = (k // 25) % C1, (k % 25) // 5, k % 5
    for a in range(H2):
        for b in range(H2):
            out, old = s.z2[a, b], z[a, b]
            if is_weight:
                r = caches.p1[c, a + i, b + j]
                for e in range(len(out)):
                    out[e] = fma(step, r[e], old[e])
            else:
                for e in range(len(out)):
                    out[e] = old[e] + step
    block = s.features[: P2 * P2]
    pool(s.z2, block.reshape(P2, P2, -1))
    before = caches.features[o * P2 * P2 : (o + 1) * P2 * P2]
    for q in range(P2 * P2):
        for e in range(block.shape[1]):
            block[q, e] -= before[q, e]
    np.dot(p.w3[o * P2 * P2 : (o + 1) * P2 * P2].T, block, s.u1)
    add_rows(caches.u1, s.u1)
    return o


@njit(cache=True)
def add_rows(u, out):
    for i in range(u.shape[0]):
        for e in range(u.shape[1]):
            out[i, e] += u[i, e]


@njit(cache=True, inline="always")
def change_first_convolution(k, step, is_weight, x, p, caches, s):
    """One map of the first convolution, and through all of the second one."""
    C, H1, H2 = x.shape[0], caches.z1.shape[1], caches.z2.shape[1]
    C2, P2 = caches.z2.shape[0], caches.z2.shape[1] // 2
    o = k // (C * 25) if is_weight else k
    c, i, j = (k // 25) % C, (k % 25) // 5, k % 5
    for a in range(H1):
        for b in range(H1):
            out, old = s.z1[a, b], caches.z1[o, a, b]
            if is_weight:
                r = x[c, a + i, b + j]
                for e in range(len(out)):
                    out[e] = fma(step, r[e], old[e])
            else:
                for e in range(len(out)):
                    out[e] = old[e] + step
    pool(s.z1, s.p1[0])
    for a in range(s.p1.shape[1]):
        for b in range(s.p1.shape[2]):
            out, old = s.p1[0, a, b], caches.p1[o, a, b]
            for e in range(len(out)):
                out[e] -= old[e]
    for m in range(C2):
        for a in range(H2):
            for b in range(H2):
                out, old = s.z2[a, b], caches.z2[m, a, b]
                for e in range(len(out)):
                    out[e] = old[e]
        accumulate(s.p1, p.w2[m, o : o + 1], s.z2)
        pool(s.z2, s.features[m * P2 * P2 : (m + 1) * P2 * P2].reshape(P2, P2, -1))
    np.dot(p.w3.T, s.features, s.u1)
    for q in range(s.u1.shape[0]):
        row = s.u1[q]
        for e in range(len(row)):
            row[e] += p.b3[q]


@njit(cache=True, inline="always")
def layer_of(index, starts):
    layer = 0
    while index >= starts[layer + 1]:
        layer += 1
    return layer


@njit(cache=True, inline="always")
def changed_logits(index, step, starts, x, p, caches, s):
    """Fill s.logits; returns the layer, and the unit or map that changed."""
    layer = layer_of(index, starts)
    k = index - starts[layer]
    is_weight = layer % 2 == 0
    if layer < 4:
        if layer < 2:
            change_first_convolution(k, step, is_weight, x, p, caches, s)
            unit = -1
        else:
            unit = change_second_convolution(k, step, is_weight, p, caches, s)
        dense_tail(p, s.u1, s.u2, s.logits, s.h1, s.h2)
        return layer, unit
    s.logits[:] = caches.logits
    if layer < 8:
        u, inputs = (caches.u1, caches.features) if layer < 6 else (caches.u2, caches.u1)
        units = u.shape[0]
        unit = k % units
        source = inputs[k // units if is_weight else 0]
        if layer == 6:
            for e in range(len(s.top)):
                s.top[e] = rectified(source[e])
            source = s.top
        if change_of_unit(u[unit], step, source, is_weight, s.change):
            if layer < 6:
                through_second_layer(p, caches.u2, s.change, unit, s.logits, s.top)
            else:
                add_to_logits(s.logits, p.w5[:, unit], s.change)
        return layer, unit
    if is_weight:
        F2 = caches.u2.shape[0]
        unit = k // F2
        row, u = s.logits[unit], caches.u2[k % F2]
        for e in range(len(row)):
            row[e] = fma(step, rectified(u[e]), row[e])
    else:
        unit = k
        row = s.logits[unit]
        for e in range(len(row)):
            row[e] += step
    return layer, unit


@njit(cache=True, inline="always")
def loss_scale(squares):
    """What logits are multiplied by: 1 over the product of the norms over 3."""
    product = 1.0
    for s in squares:
        product *= np.sqrt(s) / 3.0
    return np.float32(1.0 / product)


@njit(cache=True, inline="always")
def moved(w, delta):
    """The parameter after a move, and the step that was made in float32."""
    new = np.float32(np.float64(w) + delta)
    return new, np.float32(np.float64(new) - np.float64(w))


@njit(cache=True, inline="always")
def moved_squares(layer, w, new, squares, out):
    out[:] = squares
    if layer % 2 == 0:
        out[layer // 2] += np.float64(new) ** 2 - np.float64(w) ** 2


@njit(cache=True)
def move_unit(u, unit, step, inputs, has_inputs):
    row = u[unit]
    for e in range(len(row)):
        row[e] = fma(step, inputs[e], row[e]) if has_inputs else row[e] + step


@njit(cache=True, inline="always")
def write_back(layer, unit, k, step, p, caches, s):
    """Make the caches those of the changed network, but for a change of the first convolution."""
    if layer < 4:
        P2 = caches.z2.shape[1] // 2
        caches.z2[unit] = s.z2
        add_rows(s.features[: P2 * P2], caches.features[unit * P2 * P2 : (unit + 1) * P2 * P2])
        caches.u1[:] = s.u1
        caches.u2[:] = s.u2
    elif layer < 6:
        for i in range(caches.u2.shape[0]):
            w, row = p.w4[unit, i], caches.u2[i]
            for e in range(len(row)):
                row[e] = fma(w, s.change[e], row[e])
        move_unit(caches.u1, unit, step, caches.features[k // len(caches.u1)], layer == 4)
    elif layer < 8:
        source = caches.u1[k // len(caches.u2) if layer == 6 else 0]
        for e in range(len(s.top)):
            s.top[e] = rectified(source[e])
        move_unit(caches.u2, unit, step, s.top, layer == 6)
    caches.logits[:] = s.logits


TRIAL, COMMIT, POLL = 0, 1, 2


@njit(cache=True, nogil=True)
def evaluate(mode, index, delta, order, first, last, opportunistic, key, turn, best,
             theta, starts, x, y, p, caches, squares, s, changed):  # fmt: skip
    """Summed losses with one parameter changed: the only entry, as compiling it takes seconds.

    TRIAL: of (index, delta); nothing but scratch is written. COMMIT: the same, and the change is
    made; after one in the first convolution the caches must be filled anew. POLL: of places
    first..last-1 in a random order of the moves 2 i (+delta on i) and 2 i + 1 (-delta), drawn as
    needed (Fisher and Yates) from key and turn. Returns the best loss below `best`, its place or
    -1, and where it ended.
    """
    k0, k1 = np.uint32(key), np.uint32(key >> np.uint64(32))
    c2, c3 = np.uint32(turn), np.uint32(np.uint64(turn) >> np.uint64(32))
    radius, where = delta, -1
    for m in range(first, last):
        if mode == POLL:
            word = philox4x32(np.uint32(m), np.uint32(1), c2, c3, k0, k1)[0]
            left = np.uint64(len(order) - m)
            j = m + np.int64((np.uint64(word) * left) >> np.uint64(32))
            order[m], order[j] = order[j], order[m]
            index = order[m] // 2
            delta = radius if order[m] % 2 == 0 else -radius
        old = theta[index]
        new, step = moved(old, delta)
        layer, unit = changed_logits(index, step, starts, x, p, caches, s)
        moved_squares(layer, old, new, squares, changed)
        if mode == COMMIT:
            theta[index] = new
            squares[:] = changed
            if layer > 1:
                write_back(layer, unit, index - starts[layer], step, p, caches, s)
        value = loss_sum(s.logits, y, loss_scale(changed), s.top, s.total)
        if value < best:
            best, where = value, m
            if opportunistic:
                return best, where, m + 1
    return best, where, last
