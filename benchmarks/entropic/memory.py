"""Peak resident memory of one solve between point clouds: ``python -m benchmarks.entropic.memory``.

Prints JSON. A small solve first, so that code and compiled kernels are not counted.
"""

import json
import resource
import sys
import time

from benchmarks._environment import pin_threads

pin_threads()

import numpy as np  # noqa: E402

import otopt  # noqa: E402


def peak_kib():
    """Kibibytes (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def solve(n, reg, tol=1e-6):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 2)) + 0.5
    a = np.full(n, 1 / n)
    return otopt.sinkhorn(a, a, X=x, Y=y, reg=reg * 50.0, tol=tol)


def main(n, reg):
    solve(500, reg)
    before, start = peak_kib(), time.process_time()
    result = solve(n, reg)
    print(
        json.dumps(
            {
                "seconds": time.process_time() - start,
                "growth_mib": (peak_kib() - before) / 1024,
                "matrix_mib": n * n * 8 / 2**20,
                "status": result.status.name,
                "marginal_error": result.marginal_error,
                "nit": result.nit,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
