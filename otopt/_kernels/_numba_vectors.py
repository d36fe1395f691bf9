"""Sums in registers: code for vectors of a fixed length, generated where loops would go to memory.

numba cannot tell LLVM that two arrays do not overlap, so a loop that adds to an array loads and
stores it each time. These functions name their running sums as vectors of a length known when they
are compiled; every sum is a chain of fused multiply-adds in the order of the loops, whatever the
width of the machine's vectors. Arrays are C-contiguous float32 and are addressed flat; arguments
in capitals must be constants.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ._numba_emitter import F32, Emitter, known


def _convolve_pool(typingctx, out, at, image, start, plane, row, planes, theta, weights, bias,
                   ROWS, LENGTH, E):  # fmt: skip
    if not known(ROWS, LENGTH, E):
        return None
    rows, length, e = ROWS.literal_value, LENGTH.literal_value, E.literal_value
    pairs = range(length // (2 * e))
    left = [2 * p * e + i for p in pairs for i in range(e)]
    right = [k + e for k in left]

    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        target, source, parameters = emit.data(0), emit.data(2), emit.data(7)
        first = emit.broadcast(builder.load(builder.gep(parameters, [emit.index(9)])), length)
        sums = [cgutils.alloca_once_value(builder, first) for _ in range(rows)]
        for place in sums:  # allocated at the entry, set here
            builder.store(first, place)
        with cgutils.for_range(builder, emit.index(6)) as loop:
            begin = builder.add(emit.index(3), builder.mul(loop.index, emit.index(4)))
            tap = builder.add(emit.index(8), builder.mul(loop.index, emit.number(25)))
            kept = [builder.load(place) for place in sums]
            for i in range(5):
                for j in range(5):
                    where = builder.gep(parameters, [builder.add(tap, emit.number(5 * i + j))])
                    w = emit.broadcast(builder.load(where), length)
                    for y in range(rows):
                        down = builder.mul(emit.index(5), emit.number(y + i))
                        place = builder.add(builder.add(begin, down), emit.number(j * e))
                        kept[y] = emit.fma(w, emit.load(source, place, length), kept[y])
            for value, place in zip(kept, sums, strict=True):
                builder.store(value, place)
        for y in range(rows // 2):
            top = emit.larger(builder.load(sums[2 * y]), builder.load(sums[2 * y + 1]))
            pooled = emit.larger(emit.shuffle(top, left), emit.shuffle(top, right))
            place = builder.add(emit.index(1), emit.number(y * length // 2))
            emit.store(emit.rectified(pooled), target, place)
        return context.get_dummy_value()

    return types.void(out, at, image, start, plane, row, planes, theta, weights, bias,
                      ROWS, LENGTH, E), generate  # fmt: skip


# ROWS rows (an even number) of LENGTH = columns * E numbers, E examples interleaved, of a 5 x 5
# convolution: 2 x 2 maxima, rectified, go to `out` from `at` on. The image has `planes` planes
# `plane` apart with rows `row` apart from `start` on; 25 weights a plane stand from `weights` on.
convolve_pool: Any = intrinsic(prefer_literal=True)(_convolve_pool)


def _dense(typingctx, out, at, inputs, start, step, count, theta, weights, bias, UNITS):
    if not known(UNITS):
        return None
    units = UNITS.literal_value
    length = -(-units // 16) * 16  # whole vectors: what follows a row is read, and not used

    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        target, source, parameters = emit.data(0), emit.data(2), emit.data(6)
        first = emit.load(parameters, emit.index(8), length)
        total = cgutils.alloca_once_value(builder, first)
        builder.store(first, total)
        with cgutils.for_range(builder, emit.index(5)) as loop:
            place = builder.add(emit.index(3), builder.mul(loop.index, emit.index(4)))
            x = emit.broadcast(builder.load(builder.gep(source, [place])), length)
            row = builder.add(emit.index(7), builder.mul(loop.index, emit.number(units)))
            builder.store(
                emit.fma(x, emit.load(parameters, row, length), builder.load(total)), total
            )
        emit.store(emit.rectified(builder.load(total)), target, emit.index(1))
        return context.get_dummy_value()

    return types.void(out, at, inputs, start, step, count, theta, weights, bias, UNITS), generate


# A rectified dense layer of UNITS units: `count` inputs `step` apart from `start` on. `out` and
# `theta` have room for 15 numbers more.
dense: Any = intrinsic(prefer_literal=True)(_dense)


def _dot(typingctx, x, first, y, second, blocks, LANES):
    if not known(LANES):
        return None
    lanes = LANES.literal_value

    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        left, right = emit.data(0), emit.data(2)
        zero = ir.Constant(ir.VectorType(F32, lanes), None)
        total = cgutils.alloca_once_value(builder, zero)
        builder.store(zero, total)
        with cgutils.for_range(builder, emit.index(4)) as loop:
            shift = builder.mul(loop.index, emit.number(lanes))
            a = emit.load(left, builder.add(emit.index(1), shift), lanes)
            b = emit.load(right, builder.add(emit.index(3), shift), lanes)
            builder.store(emit.fma(a, b, builder.load(total)), total)
        return emit.folded(builder.load(total), builder.fadd)

    return types.float32(x, first, y, second, blocks, LANES), generate


# Sum of x[first + i] * y[second + i] over blocks * LANES numbers; LANES is a power of two.
dot: Any = intrinsic(prefer_literal=True)(_dot)
