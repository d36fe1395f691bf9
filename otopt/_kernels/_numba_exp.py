"""Polynomial exponentials that LLVM turns into vector code, accurate to their dtype.

``exp(x) = 2^k exp(r)`` with k the integer next to ``x / log 2`` and ``|r| <= log(2) / 2``: a Taylor
polynomial for ``exp(r)`` and the bits of k added to the exponent. Arguments below the smallest
normal result give (about) that number, not zero; arguments must be so small that the result does
not overflow.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LOG2E = 1.4426950408889634
LN2_HIGH = 6.93147180369123816490e-01  # its low bits are zero: k * LN2_HIGH is exact
LN2_LOW = 1.90821492927058770002e-10
SHIFTER = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the rounded integer in the low bits
LOWEST = -708.0

LOG2E_32 = np.float32(1.4426950408889634)
LN2_HIGH_32 = np.float32(0.693359375)
LN2_LOW_32 = np.float32(-2.12194440e-4)
SHIFTER_32 = np.float32(12582912.0)  # 1.5 * 2^23
LOWEST_32 = np.float32(-87.0)
ONE_32, HALF_32 = np.float32(1.0), np.float32(0.5)
C3_32, C4_32, C5_32 = np.float32(1 / 6), np.float32(1 / 24), np.float32(1 / 120)
C6_32, C7_32 = np.float32(1 / 720), np.float32(1 / 5040)


def _fma(typingctx, a, b, c):

    def generate(context, builder, signature, args):
        pairs = zip(args, signature.args, strict=True)
        return builder.fma(*(context.cast(builder, x, kind, c) for x, kind in pairs))

    return c(a, b, c), generate


fma: Any = intrinsic(_fma)  # a * b + c in one rounding, in the floating type of c


def _to_integer(typingctx, x):
    integer = {types.float64: types.int64, types.float32: types.int32}[x]

    def generate(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(integer.bitwidth))

    return integer(x), generate


_bits: Any = intrinsic(_to_integer)


def _to_real(typingctx, n):
    real = {types.int64: types.float64, types.int32: types.float32}[n]

    def generate(context, builder, signature, args):
        kind = ir.DoubleType() if real is types.float64 else ir.FloatType()
        return builder.bitcast(args[0], kind)

    return real(n), generate


_from_bits: Any = intrinsic(_to_real)


@njit(cache=True, inline="always")
def exp64(x):
    """Exp of a double; relative error below 1e-15 from -708 to 709."""
    x = max(x, LOWEST)
    shifted = fma(x, LOG2E, SHIFTER)
    k = shifted - SHIFTER
    r = fma(-k, LN2_HIGH, x)
    r = fma(-k, LN2_LOW, r)
    p = fma(1 / 479001600, r, 1 / 39916800)
    p = fma(p, r, 1 / 3628800)
    p = fma(p, r, 1 / 362880)
    p = fma(p, r, 1 / 40320)
    p = fma(p, r, 1 / 5040)
    p = fma(p, r, 1 / 720)
    p = fma(p, r, 1 / 120)
    p = fma(p, r, 1 / 24)
    p = fma(p, r, 1 / 6)
    p = fma(p, r, 0.5)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    return _from_bits(_bits(p) + (_bits(shifted) << 52))


@njit(cache=True, inline="always")
def exp32(x):
    """Exp of a float; relative error below 3e-7 from -87 to 88."""
    x = max(x, LOWEST_32)
    shifted = fma(x, LOG2E_32, SHIFTER_32)
    k = shifted - SHIFTER_32
    r = fma(-k, LN2_HIGH_32, x)
    r = fma(-k, LN2_LOW_32, r)
    p = fma(C7_32, r, C6_32)
    p = fma(p, r, C5_32)
    p = fma(p, r, C4_32)
    p = fma(p, r, C3_32)
    p = fma(p, r, HALF_32)
    p = fma(p, r, ONE_32)
    p = fma(p, r, ONE_32)
    return _from_bits(np.int32(_bits(p) + (_bits(shifted) << np.int32(23))))
