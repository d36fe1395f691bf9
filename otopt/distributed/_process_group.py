"""`torch.distributed` as the communicator of the solvers."""

from __future__ import annotations

import torch
import torch.distributed as dist

__all__ = ["ProcessGroup"]


class ProcessGroup:
    """A `Communicator` (see `otopt._sharding`) over a process group with a CPU backend."""

    def __init__(self, function, group=None):
        if not dist.is_available() or not dist.is_initialized():
            message = (
                f"{function}: torch.distributed must be initialised; got no process group; "
                "call torch.distributed.init_process_group('gloo', ...) first."
            )
            raise ValueError(message)
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        if self.rank < 0:
            message = (
                f"{function}: `group` must contain the process that calls; got one that does not; "
                "call it on the members of the group only."
            )
            raise ValueError(message)
        if dist.get_backend(group) == "nccl":
            message = (
                f"{function}: `group` must have a CPU backend; got nccl; "
                "make one with torch.distributed.new_group(backend='gloo')."
            )
            raise ValueError(message)
        self.group = group

    def gather(self, message):
        """Return the messages of all processes, in order of their ranks."""
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(message)]), group=self.group)
        sizes = [int(length) for length in lengths]
        # Collectives want equal sizes: all are padded to the longest.
        padded = torch.zeros(max(*sizes, 1), dtype=torch.uint8)
        if message:
            padded[: len(message)] = torch.frombuffer(bytearray(message), dtype=torch.uint8)
        pieces = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(pieces, padded, group=self.group)
        return [piece.numpy()[:n].tobytes() for piece, n in zip(pieces, sizes, strict=True)]

    def reduce(self, x, operation):
        """Return the elementwise "sum", "min" or "max"."""
        operations = {"sum": dist.ReduceOp.SUM, "min": dist.ReduceOp.MIN, "max": dist.ReduceOp.MAX}
        tensor = torch.from_numpy(x.copy())
        dist.all_reduce(tensor, op=operations[operation], group=self.group)
        return tensor.numpy()
