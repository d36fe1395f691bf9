"""What kernels share with their callers: structs of arrays, and how exact numbers are."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BOUND_ERROR = 8 * float(np.finfo(float).eps)  # of a semi-dual, relative to the sum of its terms
NO_GAP = 4 * BOUND_ERROR  # between a value and a bound, likewise: rounding alone
PRICE_ERROR = 1e-14  # of a reduced cost, relative to the largest potentials


class CandidateLists(NamedTuple):
    """Per column the entries that can carry mass; every other one has ``x <= bound``."""

    rows: NDArray  # (m, L) int32
    cost: NDArray  # (m, L)
    centre: NDArray  # (m, L) proximal centre; entries with positive centre are always listed
    count: NDArray  # (m,) entries in use  # pyright: ignore[reportIncompatibleMethodOverride]
    bound: NDArray  # (m,)
    margin: NDArray  # (m,) how far below the threshold the next rebuild reaches

    @classmethod
    def empty(cls, m, capacity):
        """Lists without entries: the first evaluation builds them."""
        return cls(
            rows=np.zeros((m, capacity), np.int32),
            cost=np.zeros((m, capacity)),
            centre=np.zeros((m, capacity)),
            count=np.zeros(m, np.int64),
            bound=np.full(m, np.inf),
            margin=np.zeros(m),
        )

    def enlarged(self, capacity):
        """The same lists with room for more entries a column."""
        more = ((0, 0), (0, capacity - self.rows.shape[1]))
        wide = {name: np.pad(getattr(self, name), more) for name in ("rows", "cost", "centre")}
        return self._replace(**wide)


class ColumnSolutions(NamedTuple):
    """Solution of every column problem, aligned with the candidate lists."""

    mass: NDArray  # (m, L), zero in slots that are not in use
    kind: NDArray  # (m, L) int8: 0 none, 1 head, 2 tie
    heads: NDArray  # (m,)
    ties: NDArray  # (m,)
    threshold: NDArray  # (m,) entries with x below it carry nothing
    depth: NDArray  # (m,) how far below the largest x it lay: where a kernel may look first

    @classmethod
    def empty(cls, m, capacity):
        """Room for the solutions of m columns."""
        return cls(
            mass=np.zeros((m, capacity)),
            kind=np.zeros((m, capacity), np.int8),
            heads=np.zeros(m, np.int64),
            ties=np.zeros(m, np.int64),
            threshold=np.full(m, -np.inf),
            depth=np.full(m, np.inf),
        )
