"""One process of the group in test_processes.py, with RANK SIZE MEETING_PLACE OUTPUT."""

import pickle
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from tests.apps.ssl.test_processes import JOBS, run


def main(rank, size, meeting_place, output):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=meeting_place,
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )
    answers = {name: run(name, rank, size) for name in JOBS}
    Path(output).write_bytes(pickle.dumps(answers))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
