"""Real processes that form a gloo group; `threads` plays one at no cost."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial


def on_processes(size, function, folder):
    """Outcomes of ``function(rank, size)`` on every rank; an exception on one is raised here.

    The function belongs to a module; processes that wait for others in vain give up after a minute.
    """
    member = partial(_member, function, (folder / "meet").as_uri(), size)
    with ProcessPoolExecutor(size, multiprocessing.get_context("spawn")) as pool:
        return [pickle.loads(found) for found in pool.map(member, range(size), timeout=180)]


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
