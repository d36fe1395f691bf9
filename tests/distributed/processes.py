"""Real processes that form a gloo group; `threads` plays one at no cost."""

import pickle
import pkgutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]


def on_processes(size, function, folder):
    """Outcomes of ``function(rank, size)`` on every rank; `function` belongs to a module."""
    name = f"{function.__module__}:{function.__qualname__}"
    outputs = [folder / f"{rank}.pkl" for rank in range(size)]
    start = sys.executable, "-m", "tests.distributed.processes", name, (folder / "meet").as_uri()
    processes = [
        subprocess.Popen(
            [*start, str(rank), str(size), output], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        for rank, output in enumerate(outputs)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=180)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    return [pickle.loads(output.read_bytes()) for output in outputs]


def main(name, meeting_place, rank, size, output):
    """One process of the group."""
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
    answer = pkgutil.resolve_name(name)(rank, size)
    Path(output).write_bytes(pickle.dumps(answer))
    dist.destroy_process_group()


if __name__ == "__main__":
    name, meeting_place, rank, size, output = sys.argv[1:]
    main(name, meeting_place, int(rank), int(size), output)
