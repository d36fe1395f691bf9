"""Ctrl-C as a request to stop at the next good moment."""

import signal
import threading

__all__ = ["Interrupts"]


class Interrupts:
    """Context manager; `requested` is True once Ctrl-C was pressed, a second one raises as usual.

    Signals reach the main thread only; elsewhere nothing changes.
    """

    def __init__(self):
        self.requested = False
        self._previous = None

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            previous = signal.getsignal(signal.SIGINT)
            if previous is not None:
                signal.signal(signal.SIGINT, self._request)
                self._previous = previous
        return self

    def _request(self, signum, frame):
        self.requested = True
        self._restore()

    def _restore(self):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def __exit__(self, *exc):
        self._restore()
