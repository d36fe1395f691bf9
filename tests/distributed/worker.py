"""One process of the group in test_processes.py, with RANK SIZE MEETING_PLACE OUTPUT."""

import pickle
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from otopt.distributed import sparse_ot
from tests.distributed.cases import CASES, part, problem


def main(rank, size, meeting_place, output):
    warnings.simplefilter("ignore")
    dist.init_process_group(
        "gloo",
        init_method=meeting_place,
        rank=rank,
        world_size=size,
        timeout=timedelta(seconds=60),
    )
    answers = {}
    for name in CASES:
        whole, cut = problem(name)
        answers[name] = sparse_ot(**part(whole, [cut], rank))
    whole, cut = problem("general")
    own = part(whole, [cut], rank)
    tensors = own | {name: torch.from_numpy(own[name]) for name in ("a", "b", "C")}
    answers["tensors"] = sparse_ot(**tensors).value.item()
    if rank == 1:
        own["C"] = own["C"].copy()
        own["C"][2, 3] = np.nan
    try:
        sparse_ot(**own)
    except ValueError as error:
        answers["bad input"] = str(error)
    Path(output).write_bytes(pickle.dumps(answers))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
