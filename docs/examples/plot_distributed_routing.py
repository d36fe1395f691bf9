r"""
Experts shared by processes that see different data
===================================================

Three processes of one training run hold tokens of three subjects. Balanced process by process,
every subject is spread over all experts. With prices that the processes find together
(:func:`otopt.distributed.solve_prices`) only the sum has to be balanced, and each subject keeps
the experts that suit it. What the processes exchange are loads and curvatures of experts, never
tokens.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import otopt

PROCESSES, EXPERTS = 3, 24

# %%
# The script that every process runs. They meet in a file, so no port is needed.

SCRIPT = """
import sys
import numpy as np
import torch.distributed as dist
from otopt.distributed import solve_prices

folder, rank, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
scores = np.load(f"{folder}/scores{rank}.npy")  # this process's own tokens
result = solve_prices(scores)
np.save(f"{folder}/price{rank}.npy", result.price)
dist.destroy_process_group()
"""

rng = np.random.default_rng(0)
taste = rng.normal(size=(PROCESSES, EXPERTS))  # what a subject thinks of the experts
scores = [subject + 0.7 * rng.normal(size=(1500, EXPERTS)) for subject in taste]

with tempfile.TemporaryDirectory() as folder:
    for rank, own in enumerate(scores):
        np.save(Path(folder) / f"scores{rank}.npy", own)
    call = [sys.executable, "-c", SCRIPT, folder]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([*call, str(rank), str(PROCESSES)], env=one_thread)
        for rank in range(PROCESSES)
    ]
    assert not any(process.wait() for process in processes)
    prices = [np.load(Path(folder) / f"price{rank}.npy") for rank in range(PROCESSES)]

# %%
# All got the same prices, and they are those of one process with all tokens.

assert all(np.array_equal(price, prices[0]) for price in prices)
together = otopt.solve_prices(np.concatenate(scores), method="diagonal")
print(f"largest difference from one process: {abs(together.price - prices[0]).max():.1e}")

# %%
# Loads by subject, and the mean score of the expert that a token gets.

ways = {
    "favourites": [np.zeros(EXPERTS)] * PROCESSES,
    "each process by itself": [otopt.solve_prices(own).price for own in scores],
    "prices of all": prices,
}
figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained", sharey=True)
order = np.argsort(taste.argmax(axis=0), kind="stable")
for axis, (name, price) in zip(axes, ways.items(), strict=True):
    chosen = [(own - p).argmax(axis=1) for own, p in zip(scores, price, strict=True)]
    loads = np.array([np.bincount(c, minlength=EXPERTS) for c in chosen])[:, order]
    below = loads.cumsum(axis=0) - loads
    for rank in range(PROCESSES):
        axis.bar(range(EXPERTS), loads[rank], bottom=below[rank], width=1, label=f"process {rank}")
    value = np.mean([own[np.arange(len(own)), c] for own, c in zip(scores, chosen, strict=True)])
    axis.axhline(loads.sum() / EXPERTS, color="k", lw=0.8, ls="--")
    axis.set(xlabel="expert", title=f"{name}\nmean score {value:.2f}")
axes[0].set_ylabel("tokens")
axes[0].legend()
plt.show()
