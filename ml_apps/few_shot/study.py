"""``python -m ml_apps.few_shot.study [--quick]``: test accuracy at equal training loss.

Runs in pieces: what is done is kept in the JSON, Ctrl-C or ``--minutes`` stop, the same command
goes on. ``--quick`` takes about two minutes; the full study of MNIST about two hours of one core.
"""

from __future__ import annotations

import argparse
import itertools
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from ml_apps import _run
from otopt.optimize import networks

from . import methods, problems, report

RESULTS = Path(__file__).parent / "results"
SEEDS = 20
HIDDEN = (64,)  # units of the MLP


def jobs(args):
    """Cells (data, network, n, seed, method), all methods of a seed together, small n first."""
    sizes = [2, 8] if args.quick else [2, 4, 8, 16]
    seeds = range(3 if args.quick else args.seeds)
    cells = []
    for net in args.nets:
        for seed, n in itertools.product(seeds, sizes):
            cells += [(args.data, net, n, seed, m) for m in methods.METHODS]
    if "lenet" in args.nets and args.data != "digits":
        for n in [100] if args.quick else [100, 300, 1000]:
            for seed in range(2 if args.quick else args.seeds):
                cells += [(args.data, "lenet10", n, seed, m) for m in ("pattern", "sgd_ten")]
    return cells


def measure(cell, quick):
    """The record of a cell."""
    data, kind, n, seed, method = cell
    if kind == "lenet10":
        problem = problems.ten_classes(data, n, seed)
        net = networks.LeNet(1.0, problem.side, problem.channels, 10)
        record = methods.run(method, net, kind, problem, seed, quick=quick)
    else:
        problem = problems.pair(data, n, seed)
        if kind == "lenet":
            net = networks.LeNet(0.5, problem.side, problem.channels)
        elif kind == "mlp":
            net = networks.MLP(problem.X.shape[1], HIDDEN)
        else:
            net = networks.Linear(problem.X.shape[1])
        record = methods.run(method, net, kind, problem, seed, quick=quick)
    return {"cell": list(cell)} | record


def main(argv=None):
    """Run what is missing, print the tables, draw the figures."""
    parser = argparse.ArgumentParser(prog="python -m ml_apps.few_shot.study",
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="3 seeds, n = 2 and 8")
    parser.add_argument("--data", default="mnist", choices=problems.DATA)
    parser.add_argument("--nets", nargs="+", default=["lenet"], choices=["lenet", "mlp", "linear"])
    parser.add_argument(
        "--seeds", type=_run.positive_int, default=SEEDS, help=f"data seeds a cell ({SEEDS})"
    )
    parser.add_argument("--only", help="a method, or lenet10: run only its cells")
    parser.add_argument("--minutes", type=float, help="stop after that long; the rest can wait")
    parser.add_argument(
        "--out", type=_run.output_folder, default=str(RESULTS),
        help="folder of the JSON and the figures",
    )  # fmt: skip
    args = parser.parse_args(argv)
    console = _run.console(130)
    threadpool_limits(1)
    import torch

    torch.set_num_threads(1)
    try:
        problems.pair(args.data, 2, 0)
    except FileNotFoundError as error:
        console.print(f"{error}\nGoing on with the 8 x 8 digits of scikit-learn.", style="yellow")
        args.data = "digits"
    cells = jobs(args)
    names = {name for _, net, _, _, method in cells for name in (net, method)}
    if args.only is not None and args.only not in names:
        parser.error(f"--only: must be one of {', '.join(sorted(names))}; got {args.only!r}")
    path = args.out / f"{args.data}{'_quick' if args.quick else ''}.json"
    environment = _run.environment(("otopt", "numpy", "numba", "torch"))
    run = _run.resume({"environment": environment, "records": []}, path)
    done = {tuple(record["cell"]) for record in run["records"]}
    todo = [
        ("records", partial(measure, cell, args.quick))
        for cell in cells
        if cell not in done and (args.only is None or args.only in cell)
    ]
    _run.measure_all(
        todo, run, path, console,
        environment=environment, minutes=args.minutes, write=_run.write_lines,
    )  # fmt: skip
    report.show(run["records"], console)
    for figure in report.draw(run["records"], args.out, path.stem):
        console.print(f"figure: {figure}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
