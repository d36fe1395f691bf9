"""The trade-off on real images: pre-train on mixtures, then probe or fine-tune on one of them.

All encoders get the same number of steps, and about as many images from each data set of a mixture
as from any other. Draws of labels are the same for all encoders, so that seeds and draws are
crossed.
"""

import functools
import time

import torch
from torch.nn import functional as F

from ml_apps.ssl import evaluate
from ml_apps.ssl.finetune import Finetuning, FinetuningConfig
from ml_apps.ssl.training import Config, Run, load_data

__all__ = ["MIXTURES", "PER_CLASS", "THETAS", "measure"]

MIXTURES = {
    "mnist": ("mnist",),
    "+ fashion": ("mnist", "fashion_mnist"),
    "+ omniglot": ("mnist", "fashion_mnist", "omniglot"),
}
PER_CLASS = (5, 20, 100)
THETAS = (0.0, 0.03, 0.1, 0.3)
TARGET = "mnist"
OTHERS = ("fashion_mnist", "omniglot")
L2S = (1e-3, 1e-2, 1e-1, 1.0)
EACH, VALIDATION, TEST = 3660, 1000, 2000  # images; Omniglot has 3660
SIZE = 28


@functools.cache
def images(name, split):
    """Images of 28 x 28, bright on dark, and their labels."""
    x, y = load_data(name, split)
    if name == "omniglot":  # 105 x 105, dark on bright, thin strokes
        x = F.interpolate(1 - x, SIZE, mode="area")
        x = x / x.amax(dim=(2, 3), keepdim=True)
    return x, y


@functools.lru_cache(maxsize=1)
def pretrained(mixture, seed, steps):
    """The run of SimCLR that is behind a mixture's cells; made again where a study goes on."""
    g = torch.Generator().manual_seed(seed)
    parts = []
    for name in MIXTURES[mixture]:
        x = _unlabelled(name)
        parts.append(x[torch.randperm(len(x), generator=g)[:EACH]])
    config = Config(
        method="simclr", data="mnist", encoder="conv_64", steps=steps, batch=128, seed=seed,
        settings={"temperature": 0.3},
    )  # fmt: skip
    return Run(config, torch.cat(parts)).train()


def _unlabelled(name):
    return images(name, "train")[0][VALIDATION:] if name == TARGET else images(name, "train")[0]


def measure(mixture, seed, per_class, draw, steps, tuning_steps):
    """Accuracies of a probe and of every theta, on one draw of labels: a record."""
    run = pretrained(mixture, seed, steps)
    started = time.process_time()
    x, y = images(TARGET, "train")
    valid, valid_y, pool, pool_y = x[:VALIDATION], y[:VALIDATION], x[VALIDATION:], y[VALIDATION:]
    x_test, y_test = (part[:TEST] for part in images(TARGET, "test"))
    chosen = evaluate.draw_labels(pool_y, per_class, generator=_draw(draw))
    train, train_y = pool[chosen], pool_y[chosen]
    accuracy = {
        "probe": evaluate.tuned_probe(
            run.features(train), train_y, run.features(valid), valid_y,
            run.features(x_test), y_test, l2s=L2S,
        )
    }  # fmt: skip
    for theta in THETAS:
        config = FinetuningConfig(
            data=TARGET, steps=tuning_steps, theta=theta, seed=seed,
            settings={"temperature": 0.3},
        )  # fmt: skip
        tuned = Finetuning(
            config, train, train_y, run.model.encoder, projector=run.model.projector
        ).train()
        accuracy[f"theta={theta:g}"] = tuned.accuracy(x_test, y_test)
    others = {name: _other(run, name, draw) for name in OTHERS} if per_class == 5 else {}
    return {
        "part": "images",
        "mixture": mixture,
        "seed": seed,
        "per_class": per_class,
        "draw": draw,
        "accuracy": accuracy,
        "others": others,
        "cpu_s": round(time.process_time() - started, 2),
    }


def _other(run, name, draw):
    """Probe with five labels a class on another task; Omniglot's classes were never seen."""
    x, y = images(name, "test")
    few = evaluate.draw_labels(y, 5, generator=_draw(draw))
    rest = torch.ones(len(y), dtype=torch.bool)
    rest[few] = False
    rest = rest.nonzero()[:, 0]
    rest = rest[torch.randperm(len(rest), generator=_draw(draw))]
    valid, tested = rest[: len(rest) // 2][:VALIDATION], rest[len(rest) // 2 :][:TEST]
    z = [run.features(x[part]) for part in (few, valid, tested)]
    return evaluate.tuned_probe(z[0], y[few], z[1], y[valid], z[2], y[tested], l2s=L2S)


def _draw(draw):
    return torch.Generator().manual_seed(draw)
