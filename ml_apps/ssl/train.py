"""``python -m ml_apps.ssl.train --method vicreg --data digits --out runs/a``: train, then probe.

Started again with the same arguments it goes on where it stopped. Metrics go to metrics.jsonl.
"""

import argparse
import json
import sys
from dataclasses import fields
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ml_apps import _run
from ml_apps.ssl import evaluate, metrics
from ml_apps.ssl.models import ENCODERS
from ml_apps.ssl.recipes import METHODS
from ml_apps.ssl.training import DATA, Config, Run, load_data

__all__ = ["main"]


def main(argv=None):
    """Train and evaluate; the exit status is 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m ml_apps.ssl.train", description=__doc__)
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--data", choices=DATA)
    parser.add_argument("--encoder", choices=ENCODERS)
    parser.add_argument("--config", type=Path, help="JSON with any field of training.Config")
    parser.add_argument("--steps", type=_run.positive_int)
    parser.add_argument("--batch", type=_run.positive_int)
    parser.add_argument("--limit", type=_run.positive_int, help="use so many images")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--device")
    parser.add_argument(
        "--out", type=_run.output_folder, help="folder of checkpoint.pt and metrics.jsonl"
    )
    args = parser.parse_args(argv)
    console = Console()
    try:
        config = _configure(args)
        images, labels = load_data(config.data, limit=config.limit)
        run = Run(config, images, args.out).resume()
    except (OSError, TypeError, ValueError) as error:
        parser.error(str(error))
    if run.step:
        console.print(f"going on from step {run.step}")
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    try:
        with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
            task = bar.add_task("training", total=config.steps, completed=run.step)
            run.train(
                progress=lambda step, loss: bar.update(
                    task, completed=step, description=f"loss {loss:.4g}"
                )
            )
    except KeyboardInterrupt:
        console.print(f"stopped at step {run.step}; the same command goes on")
        return 130
    test, test_labels = load_data(config.data, "test", limit=config.limit)
    train_z, test_z = run.features(images), run.features(test)
    result = {
        "knn": evaluate.knn(train_z, labels, test_z, test_labels),
        "linear": evaluate.linear_probe(train_z, labels, test_z, test_labels),
        "rankme": float(metrics.rankme(train_z)),
    }
    few = evaluate.few_labels(train_z, labels, test_z, test_labels, seed=config.seed)
    result |= {"five_labels": few.mean, "five_labels_half_width": few.half_width}
    for name, value in result.items():
        console.print(f"{name:24s} {value:.4f}")
    if args.out:
        with (args.out / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"step": run.step} | result) + "\n")
    return 0


def _configure(args):
    """The configuration of file and arguments; arguments win."""
    try:
        chosen = json.loads(args.config.read_text()) if args.config else {}
    except (OSError, ValueError) as error:
        raise ValueError(f"--config: must be a JSON file; got {args.config}: {error}") from error
    if not isinstance(chosen, dict):
        raise ValueError(f"--config: must hold an object of fields; got {chosen!r}")
    names = {f.name for f in fields(Config)}
    if unknown := chosen.keys() - names:
        raise ValueError(
            f"--config: no such field: {', '.join(sorted(unknown))}; there are "
            f"{', '.join(sorted(names))}"
        )
    chosen |= {k: v for k, v in vars(args).items() if k in names and v is not None}
    if "widths" in chosen:
        chosen["widths"] = tuple(chosen["widths"])
    if chosen.get("data", "digits") != "digits":
        chosen.setdefault("encoder", "conv")
    config = Config(**chosen)
    try:
        torch.empty(0, device=config.device)
    except (AssertionError, RuntimeError) as error:  # the former where CUDA is not compiled in
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--device: must be one that PyTorch can use here; got {config.device!r}: {reason}"
        ) from error
    return config


if __name__ == "__main__":
    sys.exit(main())
