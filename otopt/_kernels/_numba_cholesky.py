"""Dense elimination for the small systems of a compiled solve: no call leaves compiled code."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ._numba_emitter import Emitter
from ._numba_leaf import leaf

PIVOTS = 4  # whose rows are subtracted together: one pass over the rest for all of them
LANES = 8
FUSED = ("contract",)  # a product and a difference may round once


def _subtract(typingctx, H, at, top, blocks, factors):
    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        data = emit.data(0)
        width = builder.extract_value(emit.array(0).shape, 1)
        many = range(signature.args[4].count), range(signature.args[4].dtype.count)
        by_row = [
            [emit.broadcast(builder.extract_value(args[4], [r, q]), LANES) for q in many[1]]
            for r in many[0]
        ]
        with cgutils.for_range(builder, emit.index(3)) as loop:
            step = builder.mul(loop.index, emit.number(LANES))
            places = [builder.add(emit.index(1), step)]
            sources = [builder.add(emit.index(2), step)]
            for _ in many[0][1:]:
                places.append(builder.add(places[-1], width))
            for _ in many[1][1:]:
                sources.append(builder.add(sources[-1], width))
            rows = [emit.load(data, place, LANES) for place in places]
            for q, source in enumerate(sources):
                pivot = emit.load(data, source, LANES)
                for r in many[0]:
                    product = builder.fmul(by_row[r][q], pivot, flags=FUSED)
                    rows[r] = builder.fsub(rows[r], product, flags=FUSED)
            for row, place in zip(rows, places, strict=True):
                emit.store(row, data, place)
        return context.get_dummy_value()

    return types.void(H, at, top, blocks, factors), generate


# From the rows at the flat place `at` subtract multiples of those at `top`, LANES * blocks entries:
# `factors` has a tuple for each row, which has a factor for each row at `top`.
subtract: Any = intrinsic(_subtract)


def _dot(typingctx, H, at, d, first, blocks):
    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        zero = ir.Constant(ir.VectorType(ir.DoubleType(), LANES), None)
        total = cgutils.alloca_once_value(builder, zero)
        builder.store(zero, total)  # allocated at the entry, set here
        with cgutils.for_range(builder, emit.index(4)) as loop:
            step = builder.mul(loop.index, emit.number(LANES))
            x = emit.load(emit.data(0), builder.add(emit.index(1), step), LANES)
            y = emit.load(emit.data(2), builder.add(emit.index(3), step), LANES)
            product = builder.fmul(x, y, flags=FUSED)
            builder.store(builder.fadd(builder.load(total), product, flags=FUSED), total)
        return emit.folded(builder.load(total), builder.fadd)

    return H.dtype(H, at, d, first, blocks), generate


# Inner product of LANES * blocks entries, in H from the flat place `at` and in d from `first` on.
dot: Any = intrinsic(_dot)


@njit(cache=True)
def cholesky_solve(H, g):
    """Solve H d = g by U' D^-1 U, U overwriting H; d and whether H is positive definite.

    Reads the upper triangle. Operations on contiguous rows: whole vectors, which end with the row
    and may begin left of the diagonal, where nothing is read.
    """
    n = g.shape[0]
    d = g.copy()
    for lo in range(0, n, PIVOTS):
        hi = min(lo + PIVOTS, n)
        for i in range(lo, hi):
            pivot = H[i, i]
            if not (pivot > 0.0 and pivot < np.inf):
                return d, False
            for r in range(i + 1, hi):
                factor = H[i, r] / pivot
                _subtract_one(H, i, r, ((factor,),))
                d[r] -= factor * d[i]
        if hi - lo < PIVOTS:
            break
        inverse = (
            1.0 / H[lo, lo], 1.0 / H[lo + 1, lo + 1],
            1.0 / H[lo + 2, lo + 2], 1.0 / H[lo + 3, lo + 3],
        )  # fmt: skip
        r = hi
        while r < n:
            first = _factors(H, lo, r, inverse)
            d[r] -= _product(first, d, lo)
            start = n - LANES * ((n - r + LANES - 1) // LANES)
            if r + 1 < n and start >= 0:  # two rows for one reading of the pivots'
                second = _factors(H, lo, r + 1, inverse)
                d[r + 1] -= _product(second, d, lo)
                blocks = (n - start) // LANES
                subtract(H, r * n + start, lo * n + start, blocks, (first, second))
                r += 2
            else:
                _subtract_one(H, lo, r, (first,))
                r += 1
    for i in range(n - 1, -1, -1):
        blocks = (n - i - 1) // LANES
        rest = n - LANES * blocks
        total = d[i] - dot(H, i * n + rest, d, rest, blocks)
        for j in range(i + 1, rest):
            total -= H[i, j] * d[j]
        d[i] = total / H[i, i]
        if not np.isfinite(d[i]):
            return d, False
    return d, True


@leaf
def _factors(H, lo, r, inverse):
    return (
        H[lo, r] * inverse[0], H[lo + 1, r] * inverse[1],
        H[lo + 2, r] * inverse[2], H[lo + 3, r] * inverse[3],
    )  # fmt: skip


@leaf
def _product(factors, d, lo):
    f0, f1, f2, f3 = factors
    return (f0 * d[lo] + f1 * d[lo + 1]) + (f2 * d[lo + 2] + f3 * d[lo + 3])


@leaf
def _subtract_one(H, top, r, factors):
    n = H.shape[1]
    start = n - LANES * ((n - r + LANES - 1) // LANES)
    if start >= 0:
        subtract(H, r * n + start, top * n + start, (n - start) // LANES, factors)
    else:
        for j in range(r, n):
            for q in range(len(factors[0])):
                H[r, j] -= factors[0][q] * H[top + q, j]
