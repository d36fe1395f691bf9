"""Rows of scores less prices, many entries in one instruction: their maximum, and where it is near.

numba leaves the maximum of floats to a chain of single comparisons, since it may not reorder them.
Both functions here are exact whatever the width of the machine's vectors.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from ._numba_emitter import Emitter, known

__all__ = ["WORD", "first_bit", "largest_between", "largest_lead", "reaching"]

I64 = ir.IntType(64)
WIDE, NARROW = 16, 4
WORD = 64  # entries that `reaching` answers for


def _block_max(typingctx, s, at, q, first, count, LANES):
    if not known(LANES):
        return None
    lanes = LANES.literal_value

    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        scores, prices = emit.data(0), emit.data(2)

        def lead(step):
            x = emit.load(scores, builder.add(emit.index(1), step), lanes)
            return builder.fsub(x, emit.load(prices, builder.add(emit.index(3), step), lanes))

        start = lead(emit.number(0))
        most = cgutils.alloca_once_value(builder, start)
        builder.store(start, most)  # allocated at the entry, set here
        with cgutils.for_range(builder, emit.index(4)) as loop:
            step = builder.mul(loop.index, emit.number(lanes))
            builder.store(emit.larger(lead(step), builder.load(most)), most)
        return emit.folded(builder.load(most), emit.larger)

    return s.dtype(s, at, q, first, count, LANES), generate


# Maximum of s - q over count * LANES > 0 entries, in s from `at` and in q from `first` on.
block_max: Any = intrinsic(prefer_literal=True)(_block_max)


def _block_mask(typingctx, s, at, q, first, level, LANES):
    if not known(LANES):
        return None
    lanes = LANES.literal_value

    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        x, price = (emit.load(emit.data(a), emit.index(a + 1), lanes) for a in (0, 2))
        lead = builder.fsub(x, price)
        least = context.cast(builder, args[4], signature.args[4], signature.args[0].dtype)
        found = builder.fcmp_ordered(">=", lead, emit.broadcast(least, lanes))
        return builder.zext(builder.bitcast(found, ir.IntType(lanes)), I64)

    return types.uint64(s, at, q, first, level, LANES), generate


# Bits of LANES entries, likewise, where s - q reaches a level of the type of s.
block_mask: Any = intrinsic(prefer_literal=True)(_block_mask)


def _first_bit(typingctx, word):

    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(word), generate


first_bit: Any = intrinsic(_first_bit)  # number of the lowest bit of a uint64 that is not 0


@njit(cache=True, nogil=True, inline="always")
def largest_between(S, i, q, first, end):
    """Maximum of ``S[i] - q`` over first <= j < end, which are not none."""
    m = S.shape[1]
    x = S[i, end - 1] - q[end - 1]
    wide = (end - first) // WIDE
    if wide > 0:
        x = max(x, block_max(S, i * m + first, q, first, wide, 16))
    rest = first + WIDE * wide
    narrow = (end - rest) // NARROW
    if narrow > 0:
        x = max(x, block_max(S, i * m + rest, q, rest, narrow, 4))
    for j in range(rest + NARROW * narrow, end - 1):
        x = max(x, S[i, j] - q[j])
    return x


@njit(cache=True, nogil=True, inline="always")
def largest_lead(S, i, q):
    """Maximum of ``S[i] - q``, which are not empty."""
    return largest_between(S, i, q, 0, S.shape[1])


@njit(cache=True, nogil=True, inline="always")
def reaching(S, i, q, first, level):
    """Bits of the up to 64 entries from `first` on where ``S[i] - q`` reaches `level`.

    The level has the type of the scores.
    """
    m = S.shape[1]
    if first + WORD <= m:
        return block_mask(S, i * m + first, q, first, level, 64)
    word = np.uint64(0)
    j = first
    while j + WIDE <= m:
        word |= block_mask(S, i * m + j, q, j, level, 16) << np.uint64(j - first)
        j += WIDE
    while j + NARROW <= m:
        word |= block_mask(S, i * m + j, q, j, level, 4) << np.uint64(j - first)
        j += NARROW
    while j < m:
        if S[i, j] - q[j] >= level:
            word |= np.uint64(1) << np.uint64(j - first)
        j += 1
    return word
