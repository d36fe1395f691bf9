"""What the solvers ask of a group of processes, and what can be built from that."""

from __future__ import annotations

import json
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Alone", "Communicator", "check_everywhere", "gather_arrays"]


class Communicator(Protocol):
    """A group of processes that call the same methods in the same order."""

    @property
    def rank(self) -> int:
        """Number of this process."""
        ...

    @property
    def size(self) -> int:
        """How many there are."""
        ...

    def gather(self, message: bytes) -> list[bytes]:
        """The messages of all processes, in order of their ranks, on every process."""
        ...

    def reduce(self, x: NDArray, operation: str) -> NDArray:
        """Elementwise "sum", "min" or "max" over the processes: the same bits on all of them."""
        ...


class Alone:
    """The group of one process."""

    rank, size = 0, 1

    def gather(self, message):
        """Return the one message."""
        return [message]

    def reduce(self, x, operation):
        """Return x."""
        return x


def gather_arrays(communicator, *arrays):
    """Concatenate arrays of all processes along their first axis.

    Each has one dtype and, but for that axis, one shape everywhere.
    """
    message = b"".join(np.ascontiguousarray(x).tobytes() for x in arrays)
    lengths = np.array([len(x) for x in arrays], np.int64).tobytes()
    pieces = [[] for _ in arrays]
    for received in communicator.gather(lengths + message):
        place = len(lengths)
        for length, x, piece in zip(
            np.frombuffer(received[:place], np.int64), arrays, pieces, strict=True
        ):
            count = int(length) * int(np.prod(x.shape[1:]))
            piece.append(
                np.frombuffer(received, x.dtype, count, place).reshape(length, *x.shape[1:])
            )
            place += count * x.dtype.itemsize
    return tuple(np.concatenate(piece) for piece in pieces)


ERRORS = {error.__name__: error for error in (TypeError, ValueError)}


def check_everywhere(communicator, function, check) -> Any:
    """Return what ``check()`` returns, or raise on all processes what it raises on one.

    `check` returns a value and the facts, a dict of texts by name, that must be the same on every
    process: nobody goes on, and waits for ever, while another one has refused its input.
    """
    value, facts, failure = None, {}, None
    try:
        value, facts = check()
    except tuple(ERRORS.values()) as error:
        kind = next(name for name, known in ERRORS.items() if isinstance(error, known))
        failure = [kind, str(error)]
    report = json.dumps([failure, facts]).encode()
    reports = [json.loads(text) for text in communicator.gather(report)]
    for rank, (trouble, _) in enumerate(reports):
        if trouble is not None:
            kind, text = trouble
            message = f"{text} (process {rank} of {communicator.size})"
            raise ERRORS[kind](message)
    _, first = reports[0]
    for rank, (_, other) in enumerate(reports):
        for name, fact in first.items():
            if other[name] != fact:
                message = (
                    f"{function}: `{name}` must be the same on every process; got {fact} on "
                    f"process 0 and {other[name]} on process {rank}; broadcast it first."
                )
                raise ValueError(message)
    return value
