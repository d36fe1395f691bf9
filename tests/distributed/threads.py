"""A group of processes played by threads: any number of ranks, at no cost."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

OPERATIONS = {"sum": np.add, "min": np.minimum, "max": np.maximum}


class _Member:
    def __init__(self, rank, size, board, barrier):
        self.rank, self.size, self.board, self.barrier = rank, size, board, barrier

    def _exchange(self, item):
        self.board[self.rank] = item
        self.barrier.wait(60)
        items = list(self.board)
        self.barrier.wait(60)
        return items

    def gather(self, message):
        assert isinstance(message, bytes)
        return self._exchange(message)

    def reduce(self, x, operation):
        return OPERATIONS[operation].reduce(self._exchange(x.copy()))


def on_threads(size, function):
    """Outcomes of ``function(communicator)`` on every rank; exceptions are outcomes too."""
    board, barrier = [None] * size, threading.Barrier(size)

    def run(rank):
        try:
            return function(_Member(rank, size, board, barrier))
        except Exception as error:
            if isinstance(error, (TypeError, ValueError, RuntimeError)):
                return error
            barrier.abort()
            raise

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(run, range(size)))
