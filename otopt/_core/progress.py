"""A status line for long solves: on a terminal only, and only where rich is installed."""

import sys
import time

__all__ = ["StatusLine"]

DELAY = 2.0  # seconds before it appears


class StatusLine:
    """Context manager; `show` replaces the line."""

    def __init__(self, enabled):
        self.enabled = sys.stderr.isatty() if enabled is None else enabled
        self.started = time.perf_counter()
        self.status = None

    def __enter__(self):
        return self

    def show(self, text):
        """Replace the line; the first call after `DELAY` opens it."""
        if not self.enabled or time.perf_counter() - self.started < DELAY:
            return
        if self.status is None:
            try:
                from rich.console import Console
            except ImportError:
                self.enabled = False
                return
            self.status = Console(stderr=True).status(text)
            self.status.start()
        self.status.update(text)

    def __exit__(self, *exc):
        if self.status is not None:
            self.status.stop()
