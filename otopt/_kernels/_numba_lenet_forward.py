"""LeNet on all examples at once, the example innermost: forward pass, loss, what both remember."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ._numba_exp import exp32, fma
from ._numba_guess import larger, rectified

LANES = 8


class Parameters(NamedTuple):
    """Views of one flat vector: dense layers (inputs, units), the last one (classes, inputs)."""

    w1: np.ndarray
    b1: np.ndarray
    w2: np.ndarray
    b2: np.ndarray
    w3: np.ndarray
    b3: np.ndarray
    w4: np.ndarray
    b4: np.ndarray
    w5: np.ndarray
    b5: np.ndarray


class Caches(NamedTuple):
    """Everything that a forward pass computes, on n examples."""

    z1: np.ndarray  # (C1, H1, H1, n) first convolution
    p1: np.ndarray  # (C1, P1, P1, n) pooled and rectified
    z2: np.ndarray  # (C2, H2, H2, n)
    features: np.ndarray  # (C2 P2 P2, n)
    u1: np.ndarray  # (F1, n) dense layers before rectification
    u2: np.ndarray  # (F2, n)
    logits: np.ndarray  # (classes, n)


@njit(cache=True)
def convolve(x, w, bias, z):
    """``z = bias + x * w`` for x (C, S, S, n), one output map z (H, H, n), w (C, 5, 5)."""
    n = x.shape[3]
    for a in range(z.shape[0]):
        for b in range(z.shape[1]):
            for e in range(n):
                z[a, b, e] = bias
    accumulate(x, w, z)


@njit(cache=True)
def accumulate(x, w, z):
    """``z += x * w``."""
    n = x.shape[3]
    for a in range(z.shape[0]):
        for b in range(z.shape[1]):
            out = z[a, b]
            for c in range(x.shape[0]):
                for i in range(5):
                    w0, w1, w2, w3, w4 = (
                        w[c, i, 0], w[c, i, 1], w[c, i, 2], w[c, i, 3], w[c, i, 4]
                    )  # fmt: skip
                    r0, r1, r2 = x[c, a + i, b], x[c, a + i, b + 1], x[c, a + i, b + 2]
                    r3, r4 = x[c, a + i, b + 3], x[c, a + i, b + 4]
                    for e in range(n):
                        s = fma(w0, r0[e], out[e])
                        s = fma(w1, r1[e], s)
                        s = fma(w2, r2[e], s)
                        s = fma(w3, r3[e], s)
                        out[e] = fma(w4, r4[e], s)


@njit(cache=True)
def pool(z, out):
    """2 x 2 maxima of z (H, H, n), rectified, to out (H/2, H/2, n)."""
    for a in range(out.shape[0]):
        for b in range(out.shape[1]):
            q, r, s, t = (
                z[2 * a, 2 * b],
                z[2 * a, 2 * b + 1],
                z[2 * a + 1, 2 * b],
                z[2 * a + 1, 2 * b + 1],
            )
            o = out[a, b]
            for e in range(len(o)):
                o[e] = rectified(larger(larger(q[e], r[e]), larger(s[e], t[e])))


@njit(cache=True)
def add_bias(u, bias):
    for i in range(len(bias)):
        row = u[i]
        for e in range(len(row)):
            row[e] += bias[i]


@njit(cache=True)
def rectify(u, out):
    for i in range(u.shape[0]):
        row, o = u[i], out[i]
        for e in range(len(row)):
            o[e] = rectified(row[e])


@njit(cache=True)
def dense_tail(p, u1, u2, logits, h1, h2):
    """From u1 to the logits; h1 and h2 are overwritten."""
    rectify(u1, h1)
    np.dot(p.w4.T, h1, u2)
    add_bias(u2, p.b4)
    rectify(u2, h2)
    np.dot(p.w5, h2, logits)
    add_bias(logits, p.b5)


@njit(cache=True, nogil=True)
def forward(x, p, caches, h1, h2):
    """Fill the caches for images x (C, S, S, n)."""
    z1, p1, z2, features, u1, u2, logits = caches
    pooled = features.reshape(z2.shape[0], z2.shape[1] // 2, z2.shape[1] // 2, x.shape[3])
    for o in range(z1.shape[0]):
        convolve(x, p.w1[o], p.b1[o], z1[o])
        pool(z1[o], p1[o])
    for o in range(z2.shape[0]):
        convolve(p1, p.w2[o], p.b2[o], z2[o])
        pool(z2[o], pooled[o])
    np.dot(p.w3.T, features, u1)
    add_bias(u1, p.b3)
    dense_tail(p, u1, u2, logits, h1, h2)


@njit(cache=True)
def loss_sum(logits, y, scale, top, total):
    """Cross entropy of ``scale * logits (K, n)``, summed; top and total (n,) are overwritten.

    The logarithms are those of products of 64 sums, each in 1..K: as good, and fewer.
    """
    K, n = logits.shape
    for e in range(n):
        top[e] = logits[0, e]
        total[e] = np.float32(0)
    for k in range(1, K):
        row = logits[k]
        for e in range(n):
            top[e] = larger(top[e], row[e])
    for k in range(K):
        row = logits[k]
        for e in range(n):
            total[e] += exp32(scale * (row[e] - top[e]))
    value = 0.0
    for first in range(0, n, 64):
        product = 1.0
        for e in range(first, min(first + 64, n)):
            product *= total[e]
            value += np.float64(scale) * np.float64(top[e] - logits[y[e], e])
        value += np.log(product)
    return value


@njit(cache=True)
def count_right(logits, y):
    """How many columns have their largest entry at y, and nowhere else."""
    right = 0
    for e in range(logits.shape[1]):
        top = True
        for k in range(logits.shape[0]):
            top &= k == y[e] or logits[k, e] < logits[y[e], e]
        right += top
    return right
