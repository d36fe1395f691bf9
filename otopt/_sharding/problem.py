"""From what every process was given to one problem, the same on all of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from otopt._core.problems import NEGLIGIBLE, SparseOT, balanced
from otopt._core.validation import as_cardinality, as_cost, as_masses, as_real

from .communicator import gather_arrays
from .cost import ColumnShards, RowPieces

__all__ = ["ShardedSparseOT", "checked_shard", "fingerprint"]


@dataclass(frozen=True)
class ShardedSparseOT(SparseOT):
    """`SparseOT` with `ColumnShards` for costs; columns are numbered in order of the ranks."""

    def row_block(self, rows):
        own = self.columns[self.Ct.own] - self.cost.own.start
        block = np.ascontiguousarray(self.cost.by_rows[np.ix_(rows, own)])
        return RowPieces(block, self.Ct)

    def column_block(self, columns):
        held, place = self.cost.owned(columns)
        local = np.ascontiguousarray(self.cost.local[place[held]])
        counts = _counts(self.cost.communicator, int(held.sum()))
        return ColumnShards(local, local.T, counts, self.cost.communicator), np.arange(
            self.shape[0]
        )

    def gathered(self):
        """The problem with the cost on every process."""
        communicator = self.Ct.communicator
        (Ct,) = gather_arrays(communicator, self.Ct.local)
        (cost,) = gather_arrays(communicator, self.cost.local)
        given: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        given |= {"Ct": Ct, "C": np.ascontiguousarray(Ct.T), "cost": cost.T}
        return SparseOT(**given)

    @classmethod
    def from_shards(cls, communicator, function, a, b, cost, k, reg, single):
        """Put checked shards together; `b` and `cost` are those of this process."""
        columns_of = _counts(communicator, len(b))
        (b,) = gather_arrays(communicator, b)
        b, mass = balanced(function, a, b, single=single)
        rows = np.flatnonzero(a > NEGLIGIBLE * mass)
        columns = np.flatnonzero(b > NEGLIGIBLE * mass)
        given = ColumnShards(cost.T, cost, columns_of, communicator)
        held, place = given.owned(columns)
        kept = cost
        if len(rows) < len(a) or len(columns) < len(b):
            kept = cost[np.ix_(rows, place[held])]
        low = communicator.reduce(np.array([kept.min(initial=np.inf)], float), "min")
        high = communicator.reduce(np.array([kept.max(initial=-np.inf)], float), "max")
        unit = float(high[0] - low[0]) or abs(float(high[0])) or 1.0
        local = np.ascontiguousarray(kept.T)
        # numba compiles anew for read-only arrays; the transposed copy serves there too.
        by_rows = kept if kept.flags.c_contiguous and kept.flags.writeable else local.T
        Ct = ColumnShards(local, by_rows, _counts(communicator, len(local)), communicator)
        return cls(
            a=a[rows], b=b[columns], Ct=Ct, C=Ct.transposed,
            k=np.full(len(columns), min(k, len(rows))),
            reg=unit / mass if reg is None else reg, mass=mass, unit=unit,
            rows=rows, columns=columns, cost=given, shape=(len(a), len(b)),
        )  # fmt: skip


def _counts(communicator, count):
    return tuple(int(x) for x in gather_arrays(communicator, np.array([count], np.int64))[0])


def checked_shard(function, arrays, k, reg):
    """Check and cast what this process was given; the facts that all must agree on."""
    a, b, C = arrays
    cost, _, _ = as_cost(function, "C", C)
    a, a_single = as_masses(function, "a", a, cost.shape[0])
    b, b_single = as_masses(function, "b", b, cost.shape[1], may_vanish=True)
    k = as_cardinality(function, "k", k, cost.shape[0])
    if reg is not None:
        reg = as_real(function, "reg", reg, low=0.0, sized=True)
    facts = {
        "C.dtype": str(cost.dtype),
        "C.shape[0]": str(cost.shape[0]),
        "a": fingerprint(a),
        "k": str(k),
        "reg": repr(reg),
        "b.dtype": "single" if b_single else "double",
    }
    return (a, b, cost, k, reg, a_single or b_single), facts


def fingerprint(*arrays):
    """A short text that tells arrays apart."""
    digest = hashlib.sha256()
    for x in arrays:
        digest.update(np.ascontiguousarray(x).tobytes())
    return f"an array with digest {digest.hexdigest()[:12]}"
