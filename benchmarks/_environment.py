"""Threads pinned before numpy is loaded, and where a number was measured."""

import os

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def pin_threads(count=1):
    """Must be called before numpy is imported."""
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)


def describe(*peers):
    """Machine, versions (of `peers` too), threads, load and commit, for the JSON of a benchmark."""
    import platform
    import subprocess
    from pathlib import Path

    from ml_apps._run import environment

    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        cpu = models[0].split(":", 1)[1].strip() if models else cpu

    def git(*arguments):
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, check=False
            ).stdout.strip()
        except OSError:
            return ""

    packages = ("otopt", "numpy", "scipy", "numba", "torch", "pot", "cvxpy", "clarabel", *peers)
    return {
        **environment(packages),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": {name: os.environ.get(name) for name in THREAD_VARIABLES},
        "load_average": os.getloadavg(),
        "commit": git("rev-parse", "HEAD") or None,
        "modified": bool(git("status", "--porcelain", "--", "../otopt", ".")),
    }
