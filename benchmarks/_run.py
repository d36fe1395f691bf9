"""The runner of all benchmarks; the comparisons of the applications have the same."""

from ml_apps._run import (
    console,
    exit_status,
    measure_all,
    missing,
    parser,
    resume,
    show_promises,
    write,
)

__all__ = [
    "console", "exit_status", "measure_all", "missing", "parser", "resume", "show_promises",
    "write",
]  # fmt: skip
