"""A training run that can stop at any step and go on as if it had not.

Nothing random is carried from step to step: the batch and the augmentation of step t come from
generators seeded with (seed, t). So a checkpoint is weights, optimiser and step.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ml_apps.data import IMAGES, load_images
from ml_apps.ssl import augment, optim, recipes
from ml_apps.ssl._check import choice, positive

__all__ = ["DATA", "Config", "Run", "load_data", "write_atomically"]

DATA = ("digits", *IMAGES)
OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "lars": optim.LARS,
    "sgd": partial(torch.optim.SGD, momentum=0.9),
}


@dataclass(frozen=True)
class Config:
    """What is trained, on what, and how long.

    Attributes
    ----------
    method, data, encoder : str
        See `recipes.METHODS`, `DATA` and `models.ENCODERS`.
    steps, batch : int
    lr, weight_decay : float
        Of the optimiser.
    optimizer : {"adamw", "lars", "sgd"}
        "sgd" has momentum 0.9.
    warmup : float
        Share of the steps.
    widths : tuple of int
        Of the projector.
    crops : int
        Local views beside the two global ones; DINO only.
    settings : dict
        Of the loss.
    seed : int
    limit : int or None
        Images that are used.
    device : str

    Raises
    ------
    ValueError
        If `steps`, `batch` or `limit` is not positive.
    """

    method: str = "vicreg"
    data: str = "digits"
    encoder: str = "mlp"
    steps: int = 300
    batch: int = 256
    lr: float = 2e-3
    weight_decay: float = 1e-4
    optimizer: str = "adamw"
    warmup: float = 0.1
    widths: tuple = (256, 64)
    crops: int = 0
    settings: dict = field(default_factory=dict)
    seed: int = 0
    limit: int | None = None
    device: str = "cpu"

    def __post_init__(self):
        positive("Config", steps=self.steps, batch=self.batch)
        if self.limit is not None:
            positive("Config", limit=self.limit)


def load_data(name, split="train", limit=None):
    """Images in [0, 1] of shape (n, c, h, w) and their labels.

    Parameters
    ----------
    name : str
        One of `DATA`: "digits" (scikit-learn's, 8 x 8, two thirds for training) or what
        `ml_apps.data.load_images` knows.
    split : {"train", "test"}
    limit : int, optional
        The first so many.

    Returns
    -------
    images : Tensor of float32, shape (n, c, h, w)
    labels : Tensor of int64, shape (n,)

    Raises
    ------
    ValueError, FileNotFoundError
        If there are no such data, or not here.
    """
    choice("load_data", "name", name, DATA)
    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        order = np.random.default_rng(0).permutation(len(digits.target))
        cut = 1200
        chosen = order[:cut] if split == "train" else order[cut:]
        images, labels = digits.images[chosen] / 16, digits.target[chosen]
    else:
        images, labels = load_images(name, split)
        images = images / np.float32(255)
    x = torch.as_tensor(np.ascontiguousarray(images[:limit]), dtype=torch.float32)
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2).contiguous()
    return x, torch.as_tensor(np.ascontiguousarray(labels[:limit]), dtype=torch.int64)


def write_atomically(path, data):
    """Replace a file in one step, so that an interruption leaves the old one or the new one.

    Parameters
    ----------
    path : Path
    data : bytes or object
        Bytes, or what torch.save stores.
    """
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        if isinstance(data, bytes):
            file.write(data)
        else:
            torch.save(data, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _generator(*key, device="cpu"):
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator(device=device).manual_seed(seed)


class Run:
    """A network in training.

    Parameters
    ----------
    config : Config
    images : Tensor, shape (n, c, h, w)
    folder : Path, optional
        Of checkpoint and metrics; nothing is written without one.

    Raises
    ------
    ValueError
        If there is no such method, encoder or optimiser, or the loss refuses its settings.
    """

    def __init__(self, config, images, folder=None):
        self.config, self.images = config, images.to(config.device)
        self.folder = Path(folder) if folder else None
        self.model = self._build(images).to(config.device)
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        choice("Run", "optimizer", config.optimizer, tuple(OPTIMIZERS))
        self.optimizer = OPTIMIZERS[config.optimizer](
            parameters, config.lr, weight_decay=config.weight_decay
        )
        grey = "digits" if config.data in ("digits", "mnist") else "grey"
        self.augmentation = augment.AUGMENTATIONS["colour" if images.shape[1] == 3 else grey]
        self.step = 0

    def _build(self, images):
        config = self.config
        return recipes.build(
            config.method,
            encoder=config.encoder,
            channels=images.shape[1],
            size=images.shape[-1],
            widths=config.widths,
            seed=config.seed,
            **config.settings,
        )

    def train(self, until=None, *, every=100, progress=None):
        """Go on to step `until`, the end by default, with a checkpoint every so many steps.

        Parameters
        ----------
        until : int, optional
        every : int
        progress : callable, optional
            Called as ``progress(step, loss)`` after each step.

        Returns
        -------
        Run
            This one. On Ctrl-C what was done is kept, and written where there is a folder.

        Raises
        ------
        ArithmeticError
            If the loss is not finite.
        """
        until = min(until or self.config.steps, self.config.steps)
        try:
            while self.step < until:
                loss = self._step()
                if self.step % every == 0 or self.step == until:
                    self._log({"step": self.step, "loss": loss})
                    self.save()
                if progress:
                    progress(self.step, loss)
        except KeyboardInterrupt:
            self.save()
            raise
        return self

    def _step(self):
        c, n = self.config, len(self.images)
        self.model.train()
        batch = min(c.batch, n)
        a_pass = n // batch  # batches of one permutation do not overlap
        order = torch.randperm(n, generator=_generator(c.seed, 1, self.step // a_pass))
        start = self.step % a_pass * batch
        chosen = order[start : start + batch].to(self.images.device)
        x = self.images[chosen]
        g = _generator(c.seed, 2, self.step, device=c.device)
        if c.crops:
            views = augment.multi_crop(x, self.augmentation, generator=g, local=c.crops)
        elif c.method in recipes.QUEUED:
            views = augment.strong_and_weak(x, self.augmentation, generator=g)
        else:
            views = list(augment.two_view(x, self.augmentation, generator=g))
        warmup = int(c.warmup * c.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = optim.cosine(self.step, c.steps, start=c.lr, warmup=warmup)
        loss = self._loss(views, chosen)
        if not torch.isfinite(loss):
            raise ArithmeticError(
                f"train: the loss of {c.method} is {loss.item()} at step {self.step}; lower lr "
                f"(now {c.lr}) or raise warmup"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self.model.after_step(self.step / c.steps)
        return loss.item()

    def _loss(self, views, chosen):
        del chosen  # images have no labels here
        return self.model(views)

    @torch.no_grad()
    def features(self, images):
        """Features in evaluation mode.

        Parameters
        ----------
        images : Tensor, shape (n, c, h, w)

        Returns
        -------
        Tensor, shape (n, dim)
        """
        self.model.eval()
        parts = images.to(self.config.device).split(1024)
        return torch.cat([self.model.features(x) for x in parts]).cpu()

    def save(self):
        """Write the checkpoint; nothing without a folder."""
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            state = {
                "config": json.dumps(asdict(self.config)),
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
            write_atomically(self.folder / "checkpoint.pt", state)

    def resume(self):
        """Go back to the checkpoint, if there is one.

        Returns
        -------
        Run
            This one.

        Raises
        ------
        ValueError
            If the checkpoint is one of another configuration.
        """
        path = self.folder / "checkpoint.pt" if self.folder else None
        if path is None or not path.exists():
            return self
        state = torch.load(path, map_location=self.config.device, weights_only=True)
        if json.loads(state["config"]) != json.loads(json.dumps(asdict(self.config))):
            raise ValueError(
                f"train: {path} belongs to another configuration, {state['config']}; choose "
                "another folder, or remove it"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        return self

    def _log(self, record):
        if self.folder:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
