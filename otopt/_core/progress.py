"""A status line for long solves: on a terminal only, and only where rich is installed."""

import sys
import threading
import time

__all__ = ["StatusLine"]

DELAY = 2.0  # seconds before it appears


class StatusLine:
    """Context manager; `show` replaces the line."""

    def __init__(self, enabled):
        self.enabled = sys.stderr.isatty() if enabled is None else enabled
        self.started = time.perf_counter()
        self.status = None
        self.timer = None

    def __enter__(self):
        return self

    def announce(self, text):
        """Show the line in `DELAY` seconds, unless another one or the end comes first.

        For work that does not come back in between.
        """
        if self.enabled:
            self.timer = threading.Timer(DELAY, self._open, (text,))
            self.timer.daemon = True
            self.timer.start()

    def show(self, text):
        """Replace the line; the first call after `DELAY` opens it."""
        self._forget()
        if not self.enabled or time.perf_counter() - self.started < DELAY:
            return
        self._open(text)

    def _forget(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer.join()
            self.timer = None

    def _open(self, text):
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
        self._forget()
        if self.status is not None:
            self.status.stop()
