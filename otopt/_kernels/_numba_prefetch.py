"""A hint to the processor, which Numba has no word for."""

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

__all__ = ["prefetch"]


def _prefetch(typing, x, index):
    """Ask for the cache line of ``x[index]``, which may lie behind the end of x."""

    def generate(context, builder, signature, arguments):
        array, at = arguments
        data = context.make_array(signature.args[0])(context, builder, array).data
        byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, *[integer] * 3])
        call = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        read, keep, is_data = (integer(value) for value in (0, 3, 1))
        line = builder.bitcast(builder.gep(data, [at]), byte)
        builder.call(call, [line, read, keep, is_data])
        return context.get_dummy_value()

    return types.void(x, index), generate


def _nothing(x, index):
    """In place of it where code is interpreted."""


_settings: Any = config
prefetch: Any = _nothing if _settings.DISABLE_JIT else intrinsic(_prefetch)
