"""``python -m ml_apps.moe.compare [--quick] [--resume]``: routers in a small language model.

Two layers of 8 experts learn the characters of the standard library's source; data and their order
are the same for all routers of a seed. A run takes about 15 CPU seconds, the whole comparison a
quarter of an hour; records are written as they are made, and with ``--minutes`` and ``--resume``
it can be cut into pieces.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import platform
import time
from importlib.metadata import version
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from . import bars, plots
from .methods import METHODS, QUICK
from .train import run_one


def main(argv=None):
    """Measure, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m ml_apps.moe.compare", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three routers, two seeds, 120 steps")
    parser.add_argument("--resume", action="store_true", help="go on with the records of --out")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--seeds", type=int, help="seeds (5; 2 with --quick)")
    parser.add_argument("--steps", type=int, help="training steps (400; 120 with --quick)")
    parser.add_argument("--minutes", type=float, help="start nothing after so many")
    parser.add_argument("--router", action="append", help="only this one; may be repeated")
    parser.add_argument("--out", type=Path, help="JSON to write; a PNG is written beside it")
    args = parser.parse_args(argv)
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    path = args.out or Path("moe_quick.json" if args.quick else "moe.json")
    names = args.router or list(QUICK if args.quick else METHODS)
    unknown = sorted(set(names) - set(METHODS))
    if unknown:
        parser.error(f"no router {unknown}; there are {list(METHODS)}")
    steps = args.steps or (120 if args.quick else 400)
    run = {"environment": _environment(), "steps": steps, "records": []}
    if args.resume and path.exists():
        run |= json.loads(path.read_text())
        if run["steps"] != steps:
            parser.error(
                f"{path} was made with {run['steps']} steps; give --steps or another --out"
            )
    torch.set_num_threads(1)
    _measure_all(
        names, args.seeds or (2 if args.quick else 5), steps, run, path, args.minutes, console
    )
    if not run["records"]:
        return 0
    _show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    broken = [text for text, _, kept in bars.promises(run) if not kept]
    if args.check and broken:
        console.print("broken:", *broken, sep="\n  ")
        return 1
    return 0


def _environment():
    return {
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": {package: version(package) for package in ("otopt", "numpy", "torch")},
    }


def _measure_all(names, seeds, steps, run, path, minutes, console):
    """Seed by seed, so that an early stop leaves whole seeds."""
    done = {(r["router"], r["seed"]) for r in run["records"]}
    jobs = [(n, s) for s in range(seeds) for n in names if (n, s) not in done]
    started = time.monotonic()
    try:
        with console.status("reading the text") as status:
            for number, (name, seed) in enumerate(jobs):
                if minutes and time.monotonic() - started > 60 * minutes:
                    break

                def note(text, number=number):
                    status.update(f"{number + 1} of {len(jobs)}: {text}")

                run["records"].append(run_one(name, seed, steps, note=note))
                _write(run, path)
    except KeyboardInterrupt:
        console.print("stopped; what was measured is kept")


def _write(run, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    parts = {key: json.dumps(_rounded(value), allow_nan=False) for key, value in run.items()}
    parts["records"] = parts["records"].replace('{"router"', '\n{"router"')  # a line each
    partial.write_text("{" + ",\n".join(f'"{key}": {text}' for key, text in parts.items()) + "}\n")
    partial.replace(path)


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def _show(run, console):
    table = Table(
        title=f"Validation loss after {run['steps']} steps, routed token by token",
        caption=f"± after a loss: deviation over seeds; after a difference: 95 % interval, paired "
        f"with {bars.OURS!r}. Loads and drops: second half of training, then the first 50 steps.",
    )
    for name in (
        "router", "seeds", "loss", "less ours", "max/mean", "early", "dropped, %", "early", "CPU s",
    ):  # fmt: skip
        table.add_column(name, justify="left" if name == "router" else "right")
    for name in bars.routers(run):
        table.add_row(*bars.row(run, name), style="bold" if name == bars.OURS else "")
    console.print(table)
    table = Table(title="Promises")
    for name in ("promise", "figure", "kept"):
        table.add_column(name)
    for text, figure, kept in bars.promises(run):
        table.add_row(text, f"{figure:.3g}", "yes" if kept else "NO")
    console.print(table)


if __name__ == "__main__":
    raise SystemExit(main())
