"""One run: a router, a seed, and what is recorded of it."""

from __future__ import annotations

import contextlib
import math
import time

import torch
from torch.nn import functional

from ml_apps.moe.router import Router, update

from .methods import METHODS
from .model import CharacterModel
from .text import VOCABULARY, batches, load_text

__all__ = ["run_one"]

BATCH, LENGTH, RATE = 16, 64, 3e-3
EVALUATIONS = 48


def run_one(name, seed, steps):
    """Train and evaluate; a dictionary for the JSON.

    Data, initial weights outside the router and their order are the same for all routers of a seed.
    """
    method = METHODS[name]
    train_text, held_out = load_text()
    with _torch_seed(seed):
        model = CharacterModel(VOCABULARY, method.make, length=LENGTH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda t: min(1, (t + 1) / 20) * 0.5 * (1 + math.cos(math.pi * t / steps))
    )
    start = time.process_time()
    loads, drops = [], []
    data = batches(train_text, steps, BATCH, LENGTH, seed)
    for batch in data:
        model.train()
        logits, outputs = model(batch[:, :-1])
        loss = functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
        extra = sum(value for o in outputs for value in o.losses.values())
        optimizer.zero_grad()
        (loss + extra).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        update(model)
        loads.append([float(o.metrics["max_over_mean"]) for o in outputs])
        drops.append([float(o.metrics["dropped"]) for o in outputs])
    seconds = time.process_time() - start
    record = {
        "router": name, "seed": seed, "steps": steps, "seconds": seconds,
        "loss": evaluate(model, held_out),
    }  # fmt: skip
    if method.in_batch_eval:
        record["loss_in_batch"] = evaluate(model, held_out, in_batch=True)
    if loads[0]:
        half = steps // 2
        record |= {
            "load": [max(x) for x in loads],
            "max_over_mean": _mean(loads[half:]),
            "max_over_mean_early": _mean(loads[:50]),
            "worst_load": max(max(x) for x in loads),
            "dropped": _mean(drops[half:]),
            "dropped_early": _mean(drops[:50]),
            "dropped_ever": max(max(x) for x in drops),
        }
    return record


@torch.no_grad()
def evaluate(model, text, *, in_batch=False):
    """Mean loss on held-out characters; token by token, or with routers that see the batch."""
    model.eval()
    if in_batch:
        for module in model.modules():
            if isinstance(module, Router):
                module.train()
                if hasattr(module, "token_wise_eval"):
                    module.eval()
                    module.token_wise_eval = False
    total = 0.0
    for batch in batches(text, EVALUATIONS, BATCH, LENGTH, 12345):
        logits, _ = model(batch[:, :-1])
        total += functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).item()
    return total / EVALUATIONS


def _mean(rows):
    return sum(sum(x) / len(x) for x in rows) / len(rows)


@contextlib.contextmanager
def _torch_seed(seed):
    """Initial weights come from torch's own generator, which is left as it was."""
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
