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

F32, I32 = ir.FloatType(), ir.IntType(32)


class _Emitter:
    """Loads, stores and arithmetic on vectors of floats."""

    def __init__(self, context, builder, signature, args):
        self.context, self.builder, self.signature, self.args = context, builder, signature, args

    def data(self, i):
        """The memory of array argument i."""
        kind = self.signature.args[i]
        return self.context.make_array(kind)(self.context, self.builder, self.args[i]).data

    def index(self, i):
        """Integer argument i, 64 bits wide."""
        return self.context.cast(self.builder, self.args[i], self.signature.args[i], types.intp)

    def number(self, value):
        return ir.Constant(self.context.get_value_type(types.intp), value)

    def load(self, data, at, length):
        place = self.builder.bitcast(
            self.builder.gep(data, [at]), ir.VectorType(F32, length).as_pointer()
        )
        return self.builder.load(place, align=4)

    def store(self, vector, data, at):
        place = self.builder.bitcast(self.builder.gep(data, [at]), vector.type.as_pointer())
        self.builder.store(vector, place, align=4)

    def broadcast(self, scalar, length):
        one = ir.VectorType(F32, 1)
        vector = self.builder.insert_element(ir.Constant(one, None), scalar, ir.Constant(I32, 0))
        return self.shuffle(vector, [0] * length)

    def shuffle(self, vector, order):
        mask = ir.Constant(ir.VectorType(I32, len(order)), order)
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, None), mask)

    def fma(self, a, b, c):
        # llvmlite's own fma takes scalars only
        kind = ir.FunctionType(c.type, [c.type] * 3)
        name = f"llvm.fma.v{c.type.count}f32"
        function = cgutils.get_or_insert_function(self.builder.module, kind, name)
        return self.builder.call(function, [a, b, c])

    def larger(self, x, y):
        return self.builder.select(self.builder.fcmp_ordered(">", x, y), x, y)

    def rectified(self, x):
        return self.larger(x, ir.Constant(x.type, None))


def _known(*kinds):
    return all(isinstance(kind, types.IntegerLiteral) for kind in kinds)


def _convolve_pool(typingctx, out, at, image, start, plane, row, planes, theta, weights, bias,
                   ROWS, LENGTH, E):  # fmt: skip
    if not _known(ROWS, LENGTH, E):
        return None
    rows, length, e = ROWS.literal_value, LENGTH.literal_value, E.literal_value
    pairs = range(length // (2 * e))
    left = [2 * p * e + i for p in pairs for i in range(e)]
    right = [k + e for k in left]

    def generate(context, builder, signature, args):
        emit = _Emitter(context, builder, signature, args)
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
    if not _known(UNITS):
        return None
    units = UNITS.literal_value
    length = -(-units // 16) * 16  # whole vectors: what follows a row is read, and not used

    def generate(context, builder, signature, args):
        emit = _Emitter(context, builder, signature, args)
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
    if not _known(LANES):
        return None
    lanes = LANES.literal_value

    def generate(context, builder, signature, args):
        emit = _Emitter(context, builder, signature, args)
        left, right = emit.data(0), emit.data(2)
        zero = ir.Constant(ir.VectorType(F32, lanes), None)
        total = cgutils.alloca_once_value(builder, zero)
        builder.store(zero, total)
        with cgutils.for_range(builder, emit.index(4)) as loop:
            shift = builder.mul(loop.index, emit.number(lanes))
            a = emit.load(left, builder.add(emit.index(1), shift), lanes)
            b = emit.load(right, builder.add(emit.index(3), shift), lanes)
            builder.store(emit.fma(a, b, builder.load(total)), total)
        vector, half = builder.load(total), lanes
        while half > 1:
            half //= 2
            low, high = (
                emit.shuffle(vector, list(range(half))),
                emit.shuffle(vector, list(range(half, 2 * half))),
            )
            vector = builder.fadd(low, high)
        return builder.extract_element(vector, ir.Constant(I32, 0))

    return types.float32(x, first, y, second, blocks, LANES), generate


# Sum of x[first + i] * y[second + i] over blocks * LANES numbers; LANES is a power of two.
dot: Any = intrinsic(prefer_literal=True)(_dot)
