"""Loads, stores and arithmetic on vectors of a fixed length, for the code that intrinsics generate.

Arrays are C-contiguous and are addressed flat. LLVM cuts vectors into what the machine has.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils

__all__ = ["F32", "I32", "Emitter", "known"]

F32, I32 = ir.FloatType(), ir.IntType(32)


class Emitter:
    """Of one intrinsic: its builder, and its arguments by number."""

    def __init__(self, context, builder, signature, args):
        self.context, self.builder, self.signature, self.args = context, builder, signature, args

    def array(self, i):
        """Array argument i: its memory, shape and strides."""
        return self.context.make_array(self.signature.args[i])(
            self.context, self.builder, self.args[i]
        )

    def data(self, i):
        """The memory of array argument i."""
        return self.array(i).data

    def index(self, i):
        """Integer argument i, 64 bits wide."""
        return self.context.cast(self.builder, self.args[i], self.signature.args[i], types.intp)

    def number(self, value):
        return ir.Constant(self.context.get_value_type(types.intp), value)

    def load(self, data, at, length):
        kind = ir.VectorType(data.type.pointee, length)
        place = self.builder.bitcast(self.builder.gep(data, [at]), kind.as_pointer())
        return self.builder.load(place, align=4)

    def store(self, vector, data, at):
        place = self.builder.bitcast(self.builder.gep(data, [at]), vector.type.as_pointer())
        self.builder.store(vector, place, align=4)

    def broadcast(self, scalar, length):
        one = ir.VectorType(scalar.type, 1)
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

    def folded(self, vector, join):
        """The scalar that `join` leaves of a vector whose length is a power of two, by halving."""
        half = vector.type.count
        while half > 1:
            half //= 2
            low, high = list(range(half)), list(range(half, 2 * half))
            vector = join(self.shuffle(vector, low), self.shuffle(vector, high))
        return self.builder.extract_element(vector, ir.Constant(I32, 0))


def known(*kinds):
    """Whether all these arguments are constants."""
    return all(isinstance(kind, types.IntegerLiteral) for kind in kinds)
