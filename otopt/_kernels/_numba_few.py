"""Up to sixteen numbers in a vector: ordered, summed and counted without branches on their values.

So short, a list costs less in work than in branches that a processor cannot foresee. Numbers stand
at the head of a buffer with room for `ROOM`, of which the rest is scratch space; lists that are
shorter end in -inf. The functions in NumPy say what the vectors do, and do it where numba is off.
"""

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from ._numba_emitter import I32, Emitter
from ._numba_leaf import leaf

FEW = 16
LANES = 8
ROOM = 2 * FEW + 1
I64, WORD = ir.IntType(64), ir.IntType(FEW)
in_vectors: Any = partial(overload, inline="always")


def _where(builder, relation, x, y):
    return builder.bitcast(builder.fcmp_ordered(relation, x, y), WORD)


def _how_many(builder, word):
    return builder.zext(builder.ctpop(word), I64)


def _count(relation):
    def typed(typingctx, v, level):
        def generate(context, builder, signature, args):
            emit = Emitter(context, builder, signature, args)
            x = emit.load(emit.data(0), emit.number(0), FEW)
            return _how_many(builder, _where(builder, relation, x, emit.broadcast(args[1], FEW)))

        return types.int64(v, level), generate

    return typed


_above: Any = intrinsic(_count(">"))
_reaching: Any = intrinsic(_count(">="))


def above(v, level):
    """How many of ``v[:FEW]`` are above a level."""
    return int(np.count_nonzero(v[:FEW] > level))


@in_vectors(above)
def _(v, level):
    return lambda v, level: _above(v, level)  # noqa: PLW0108 (compiled by numba)


def reaching(v, level):
    """How many of ``v[:FEW]`` reach a level."""
    return int(np.count_nonzero(v[:FEW] >= level))


@in_vectors(reaching)
def _(v, level):
    return lambda v, level: _reaching(v, level)  # noqa: PLW0108 (compiled by numba)


def _place(typingctx, v, q):
    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        x = emit.load(emit.data(0), emit.number(FEW), FEW)
        at = builder.add(emit.number(FEW), emit.index(1))
        y = emit.broadcast(builder.load(builder.gep(emit.data(0), [at])), FEW)
        one = ir.Constant(WORD, 1)
        earlier = builder.sub(builder.shl(one, builder.trunc(emit.index(1), WORD)), one)
        equals = builder.and_(_where(builder, "==", x, y), earlier)
        return _how_many(builder, builder.or_(_where(builder, ">", x, y), equals))

    return types.int64(v, q), generate


_place_of: Any = intrinsic(_place)


def place_of(v, q):
    """The place of ``v[FEW + q]`` among ``v[FEW : 2 FEW]``: largest first, equals as they stand."""
    x = v[FEW : 2 * FEW]
    return int(np.count_nonzero(x > x[q]) + np.count_nonzero(x[:q] == x[q]))


@in_vectors(place_of)
def _(v, q):
    return lambda v, q: _place_of(v, q)  # noqa: PLW0108 (compiled by numba)


def _running(typingctx, v, window):
    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        x = emit.load(emit.data(0), emit.number(0), FEW)
        total, step = x, 1
        while step < FEW:
            order = [FEW] * step + list(range(FEW - step))
            mask = ir.Constant(ir.VectorType(I32, FEW), order)
            shifted = builder.shuffle_vector(total, ir.Constant(x.type, None), mask)
            total, step = builder.fadd(total, shifted), 2 * step
        none = ir.Constant(x.type.element, 0.0)
        builder.store(none, builder.gep(emit.data(0), [emit.number(FEW)]))
        emit.store(total, emit.data(0), emit.number(FEW + 1))
        ranks = ir.Constant(x.type, [float(r + 1) for r in range(FEW)])
        level = builder.fsub(total, emit.broadcast(args[1], FEW))
        return _how_many(builder, _where(builder, ">", builder.fmul(x, ranks), level))

    return types.int64(v, window), generate


_sums: Any = intrinsic(_running)


def sums(v, window):
    """Write the sums of the first 0, 1, ... of ``v[:FEW]``, which decrease, to ``v[FEW:]``.

    Returns how many are above the theta with ``sum(max(v - theta, 0)) == window``: the r with
    ``r v[r - 1] > sum(v[:r]) - window`` (Held, Wolfe and Crowder 1974).
    """
    total = np.cumsum(v[:FEW])
    v[FEW], v[FEW + 1 : ROOM] = 0.0, total
    return int(np.count_nonzero(v[:FEW] * np.arange(1, FEW + 1) > total - window))


@in_vectors(sums)
def _(v, window):
    return lambda v, window: _sums(v, window)  # noqa: PLW0108 (compiled by numba)


def _tally(typingctx, v, blocks, level):
    def generate(context, builder, signature, args):
        emit = Emitter(context, builder, signature, args)
        level = emit.broadcast(args[2], LANES)
        none = ir.Constant(level.type, None)
        one = ir.Constant(level.type, [1.0] * LANES)
        places = [cgutils.alloca_once_value(builder, none) for _ in range(2)]
        for place in places:  # allocated at the entry, set here
            builder.store(none, place)
        with cgutils.for_range(builder, emit.index(1)) as loop:
            x = emit.load(emit.data(0), builder.mul(loop.index, emit.number(LANES)), LANES)
            inside = builder.fcmp_ordered(">", x, level)
            for place, term in zip(places, (x, one), strict=True):
                chosen = builder.select(inside, term, none)
                builder.store(builder.fadd(builder.load(place), chosen), place)
        totals = [emit.folded(builder.load(place), builder.fadd) for place in places]
        return context.make_tuple(builder, signature.return_type, totals)

    return types.UniTuple(types.float64, 2)(v, blocks, level), generate


_tally_blocks: Any = intrinsic(_tally)


def tally_blocks(v, blocks, level):
    """Sum and number (a float) of those of ``v[: LANES * blocks]`` that are above a level."""
    x = v[: LANES * blocks]
    return float(x[x > level].sum()), float(np.count_nonzero(x > level))


@in_vectors(tally_blocks)
def _(v, blocks, level):
    return lambda v, blocks, level: _tally_blocks(v, blocks, level)  # noqa: PLW0108 (compiled by numba)


@leaf
def tally(v, n, level):
    """Sum and number (a float) of those of ``v[:n]`` that are above `level`."""
    blocks = n // LANES
    total, count = tally_blocks(v, blocks, level)
    for i in range(LANES * blocks, n):
        inside = v[i] > level
        total += v[i] if inside else 0.0
        count += inside
    return total, count


@njit(cache=True, nogil=True)
def scratch(n):
    """Buffers for n entries and their indices, with room for the functions here."""
    return np.empty(max(n, ROOM)), np.empty(max(n, ROOM), np.int64)


@leaf
def rank(v, order, count, top):
    """Bring ``v[:count] - top`` in decreasing order, `order` along; equals keep theirs."""
    for q in range(count):
        v[FEW + q] = v[q] - top
        order[FEW + q] = order[q]
    for q in range(count, FEW):
        v[FEW + q] = -np.inf
    for q in range(count, FEW):
        v[q] = -np.inf
    for q in range(count):
        r = place_of(v, q)
        v[r] = v[FEW + q]
        order[r] = order[FEW + q]
