"""``python -m ml_apps.ssl.study_tradeoff [--quick] [--resume]``: what breadth costs in labels.

Two parts. "factors": a data model with a known answer, where the weights that contrastive
pre-training gives to features, the cost of many tasks in labels and what a contrastive regulariser
wins back are measured against theory. "images": one small encoder, pre-trained on one, two and
three real data sets for the same number of steps; then a linear probe, fine-tuning, and fine-tuning
with ``theta`` times a contrastive term, with few labels. Records are written as they are made, and
with ``--minutes`` and ``--resume`` the study can be cut into pieces.
"""

from __future__ import annotations

import functools
from pathlib import Path

import torch

from ml_apps import _run

from . import factors, images, plots, report

PACKAGES = ("numpy", "torch")
PARTS = ("factors", "images")
MEASURE = {"factors": factors.measure, "images": images.measure}
FULL = {
    "factors": {"seeds": 12, "pairs": 400_000, "repetitions": 24},
    "images": {"seeds": 3, "draws": 3, "steps": 200, "tuning_steps": 100},
}
QUICK = {
    "factors": {"seeds": 3, "pairs": 100_000, "repetitions": 8},
    "images": {"seeds": 2, "draws": 2, "steps": 20, "tuning_steps": 10},
}


def main(argv=None):
    """Measure, print, draw, write; exit status 1 with --check where a promise is broken."""
    quick = "3 repetitions of the model; 2 mixtures, 5 labels a class, 20 steps of pre-training"
    parser = _run.parser("ml_apps.ssl.study_tradeoff", __doc__, quick=quick)
    parser.add_argument("--part", choices=PARTS, nargs="+", default=PARTS, help="both by default")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # networks this small only wait for each other's threads
    console = _run.console(120)
    path = args.out or Path("ssl_tradeoff_quick.json" if args.quick else "ssl_tradeoff.json")
    settings = {part: (QUICK if args.quick else FULL)[part] for part in args.part}
    environment = _run.environment(PACKAGES)
    run = {"environment": environment, "settings": settings, "done": [], "records": []}
    if args.resume:
        run = _run.resume(run, path)
        if run["settings"] | settings != settings | run["settings"]:
            parser.error(f"{path} was made with {run['settings']}; choose another --out")
        run["settings"] |= settings
    jobs = [job for part in args.part for job in _jobs(part, settings[part], quick=args.quick)]
    _run.measure_all(
        _run.missing(jobs, run), run, path, console,
        environment=environment, minutes=args.minutes, write=_run.write_lines,
    )  # fmt: skip
    if not run["records"]:
        return 0
    report.show(run["records"], console)
    plots.draw(run["records"], path.with_suffix(".png"))
    rows = report.promises(run["records"])
    _run.show_promises(rows, console)
    console.print(report.CANNOT)
    return _run.exit_status(rows, console, check=args.check)


def _jobs(part, settings, *, quick):
    if part == "factors":
        cells = [
            (seed, settings["pairs"], settings["repetitions"]) for seed in range(settings["seeds"])
        ]
    else:
        cells = [  # an early stop leaves whole seeds
            (mixture, seed, per_class, draw, settings["steps"], settings["tuning_steps"])
            for seed in range(settings["seeds"])
            for mixture in list(images.MIXTURES)[: 2 if quick else None]
            for per_class in images.PER_CLASS[: 1 if quick else None]
            for draw in range(settings["draws"])
        ]
    return [("records", functools.partial(_measure, part, *cell)) for cell in cells]


def _measure(part, *cell):
    return MEASURE[part](*cell)


if __name__ == "__main__":
    raise SystemExit(main())
