"""One process of the group in test_prices.py, with RANK SIZE MEETING_PLACE OUTPUT."""

import sys
from datetime import timedelta

import torch
import torch.distributed as dist

from ml_apps import moe
from otopt.distributed import solve_prices
from tests.distributed.test_prices import ROUTERS, SIZES, router_of, scores, steps


def main(rank, size, meeting_place, output):
    dist.init_process_group(
        "gloo", init_method=meeting_place, rank=rank, world_size=size,
        timeout=timedelta(seconds=60),
    )  # fmt: skip
    answers = {}
    for n, cut in SIZES:
        own = slice(0, cut) if rank == 0 else slice(cut, n)
        S = scores(n)[own]
        fixed = solve_prices(S, 2, passes=4)
        solved = solve_prices(torch.from_numpy(S), 2)
        answers[n, cut] = {
            "fixed": torch.from_numpy(fixed.price),
            "solved": solved.price,
            "bound": solved.dual_bound,
            "load": solved.load,
        }
    for mode in ROUTERS:
        router = router_of(mode, dist.group.WORLD)
        indices = []
        for x in steps():
            half = len(x) // 2
            indices.append(router(x[:half] if rank == 0 else x[half:]).indices)
            router.update()
        answers[mode] = {"price": router.price, "ema": router.price_ema, "indices": indices}
    sign = moe.SignBiasRouter(8, 4, process_group=dist.group.WORLD)
    sign.load_state_dict(moe.SignBiasRouter(8, 4).state_dict() | {"weight": torch.eye(4, 8)})
    x = steps()[0]
    half = len(x) // 2
    sign(x[:half] if rank == 0 else x[half:])
    sign.update()
    answers["sign"] = sign.bias
    torch.save(answers, output)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
