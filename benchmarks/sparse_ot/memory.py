"""Peak memory of one solve, in a process of its own: ``python -m benchmarks.sparse_ot.memory``.

The problem is loaded from a file, because making it here would leave a higher peak behind than
the solve reaches.
"""

import json
import resource
import sys
import tracemalloc
from pathlib import Path

from benchmarks._environment import pin_threads

pin_threads()

import numpy as np  # noqa: E402

from .problems import Cell  # noqa: E402
from .solvers import ours  # noqa: E402


def resident_growth(function):
    """How far the resident memory rises above its present level, in bytes; None off Linux.

    Writing 5 to clear_refs lets the system forget the peak so far (compiling kernels has one).
    """
    try:
        Path("/proc/self/clear_refs").write_text("5")
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    before = pages * resource.getpagesize()
    function()
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def traced_peak(function):
    """Peak of what NumPy allocates, in bytes."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    function()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return peak


def main(file, k):
    """Print both peaks over the size of the cost matrix."""
    with np.load(file) as problem:
        a, b, C = problem["a"], problem["b"], problem["C"]
    # Kernels and libraries are loaded by a small problem that takes the same ways.
    ours(*Cell(500, 500, "gauss", "random", k, 1.0).arrays(), k, 1.0)

    def solve():
        ours(a, b, C, k, 1.0)

    growth, peak = resident_growth(solve), traced_peak(solve)
    record = {
        "traced_over_cost": peak / C.nbytes,
        "resident_growth_over_cost": None if growth is None else growth / C.nbytes,
    }
    sys.stdout.write(json.dumps(record) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
