"""Real processes that form a gloo group; `threads` plays one at no cost."""

import multiprocessing
import pickle
from datetime import timedelta
from functools import partial


def on_processes(size, function, folder):
    """Outcomes of ``function(rank, size)`` on every rank; an exception on one is raised here.

    The function belongs to a module; processes that wait for others in vain give up after a minute.
    """
    member = partial(_member, function, (folder / "meet").as_uri(), size)
    # None takes the calls of two ranks: it waits for the others before it returns.
    with multiprocessing.get_context("spawn").Pool(size) as pool:
        answers = pool.map_async(member, range(size), chunksize=1).get(timeout=180)
    return [pickle.loads(answer) for answer in answers]


def _member(function, meeting_place, size, rank):
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=meeting_place,
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )
    try:
        return pickle.dumps(function(rank, size))  # tensors by value, not in shared memory
    finally:
        dist.destroy_process_group()
