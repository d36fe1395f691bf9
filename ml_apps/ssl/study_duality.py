"""``python -m ml_apps.ssl.study_duality [--quick]``: one recipe, all losses, several seeds.

Small encoders on real images, judged by a linear probe with five labels a class, on the same draws
of labels for all. Three questions: do the losses differ by more than seeds do; which temperature
brings SimCLR to VICReg; what does the dimension of the embedding do. A run that was stopped goes
on.
"""

import argparse
import json
import sys
import time

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ml_apps import _run
from ml_apps.ssl import evaluate, metrics
from ml_apps.ssl.recipes import LOSSES
from ml_apps.ssl.training import DATA, Config, Run, load_data, write_atomically

__all__ = ["cells", "compare", "main", "measure"]

TEMPERATURES = (0.05, 0.15, 0.3, 0.5, 1.0)
DIMENSIONS = (16, 256)
SWEPT = ("simclr", "vicreg", "vicreg-ctr")
CANNOT = (
    "What this shows: whether these losses can be told apart on small images with one recipe that "
    "was tuned for none of them. Intervals and tests cover seeds of the training alone: the draws "
    "of labels and the test images are the same for all, and a temperature is read off those test "
    "images. What it cannot: an order of the losses at the scale of ImageNet, "
    "with tuned parameters, or for large encoders."
)


def cells(data, seeds, steps, *, quick=False):
    """Every run of the study, as keyword arguments of `measure`."""
    methods = ("simclr", "vicreg", "vicreg-ctr", "barlow") if quick else tuple(LOSSES)
    temperatures = (0.05, 0.5) if quick else TEMPERATURES
    dimensions = DIMENSIONS[:1] if quick else DIMENSIONS
    swept = SWEPT[:2] if quick else SWEPT
    common = {"data": data, "steps": steps}
    out = [common | {"method": m, "seed": s} for m in methods for s in range(seeds)]
    out += [common | {"method": "random", "seed": s} for s in range(seeds)]
    out += [common | {"method": "pixels", "seed": 0}]
    out += [
        common | {"method": "simclr", "temperature": t, "seed": s}
        for t in temperatures
        for s in range(seeds)
        if t != 0.15
    ]
    out += [
        common | {"method": m, "dim": d, "seed": s}
        for d in dimensions
        for m in swept
        for s in range(seeds)
    ]
    return out


def measure(data, method, seed, steps, *, temperature=None, dim=64, limit=None):
    """Train once and probe: the record of a cell."""
    (x, y), (x_test, y_test) = (load_data(data, split, limit) for split in ("train", "test"))
    started = time.process_time()
    settings = {} if temperature is None else {"temperature": temperature}
    config = Config(
        method="vicreg" if method in ("random", "pixels") else method,
        data=data,
        encoder="mlp" if data == "digits" else "conv",
        steps=steps,
        widths=(256, dim),
        settings=settings,
        seed=seed,
    )
    run = Run(config, x)
    if method not in ("random", "pixels"):
        run.train()
    spent = time.process_time() - started
    if method == "pixels":
        z, z_test = x.flatten(1), x_test.flatten(1)
    else:
        z, z_test = run.features(x), run.features(x_test)
    # The draws of labels do not depend on the seed: seeds differ by training alone.
    few = evaluate.few_labels(z, y, z_test, y_test, per_class=5, draws=10, seed=0)
    return {
        "accuracy": few.mean,
        "half_width_of_draws": few.half_width,
        "rankme": float(metrics.rankme(z)),
        "cpu_s": round(spent, 3),
    }


def compare(table):
    """Two-way analysis of variance, methods by seeds.

    Parameters
    ----------
    table : Tensor, shape (methods, seeds)

    Returns
    -------
    between, within, pvalue : float
        Standard deviation of the methods' means; that of a run around its method and seed; and the
        probability of an F as large without differences between methods.
    """
    from scipy.stats import f

    m, s = table.shape
    means = table.mean(dim=1)
    residual = table - means[:, None] - table.mean(dim=0) + table.mean()
    within = residual.square().sum() / ((m - 1) * (s - 1))
    ratio = s * means.var() / within
    return (
        float(means.std()),
        float(within.sqrt()),
        float(f.sf(float(ratio), m - 1, (m - 1) * (s - 1))),
    )


def _accuracies(records, **wanted):
    usual = {"temperature": None, "dim": 64}
    wanted = usual | wanted
    found = [r for r in records if wanted.items() <= (usual | r).items()]
    return [r["accuracy"] for r in sorted(found, key=lambda r: r["seed"])]


def report(records, data, console):
    """Tables and sentences for one data set."""
    records = [r for r in records if r["data"] == data]
    table = Table(title=f"{data}: accuracy with 5 labels a class, 95 % intervals over seeds")
    for head in ("loss", "seeds", "accuracy", "+-", "RankMe"):
        table.add_column(head, justify="right")
    rows = {m: _accuracies(records, method=m) for m in (*LOSSES, "random", "pixels")}
    rows = {m: row for m, row in rows.items() if row}
    for m, row in rows.items():
        mean, half = evaluate.t_interval(row)
        rank = [r["rankme"] for r in records if r["method"] == m and r.get("dim", 64) == 64]
        table.add_row(
            m,
            str(len(row)),
            f"{mean:.4f}",
            f"{half:.4f}" if len(row) > 1 else "-",
            f"{sum(rank) / len(rank):.1f}",
        )
    console.print(table)
    trained = {m: row for m, row in rows.items() if m in LOSSES}
    seeds = min(map(len, trained.values()), default=0)
    if seeds < 2 or len(trained) < 2:
        console.print("too few runs to compare")
        return
    grid = torch.tensor([row[:seeds] for row in trained.values()], dtype=torch.float64)
    between, within, pvalue = compare(grid)
    verdict = "are told apart" if pvalue < 0.05 else "are within the spread of seeds"
    console.print(
        f"Spread of the {len(trained)} losses' means {between:.4f}, of seeds {within:.4f} "
        f"({seeds} seeds): the losses {verdict} (F test, p = {pvalue:.2g})."
    )
    duo = [m for m in ("simclr", "dcl", "vicreg", "vicreg-exp", "vicreg-ctr") if m in trained]
    if len(duo) > 2:
        between, within, pvalue = compare(
            torch.tensor([trained[m][:seeds] for m in duo], dtype=torch.float64)
        )
        console.print(
            f"SimCLR to VICReg alone ({', '.join(duo)}): {between:.4f} against {within:.4f}, "
            f"p = {pvalue:.2g}."
        )
    _sweep(records, console, "SimCLR - VICReg by temperature", [
        (f"T = {t}", _accuracies(records, method="simclr", temperature=None if t == 0.15 else t),
         rows.get("vicreg", []))
        for t in TEMPERATURES
    ])  # fmt: skip
    _sweep(records, console, "against 64 dimensions", [
        (f"{m}, d = {d}", _accuracies(records, method=m, dim=d), rows.get(m, []))
        for d in DIMENSIONS
        for m in SWEPT
    ])  # fmt: skip


def _sweep(records, console, title, pairs):
    """Differences of runs with the same seed."""
    table = Table(title=title)
    for head in ("", "seeds", "accuracy", "difference", "+-", ""):
        table.add_column(head, justify="right")
    for name, ours, other in pairs:
        n = min(len(ours), len(other))
        if n < 2:
            continue
        mean, half = evaluate.t_interval([a - b for a, b in zip(ours[:n], other[:n], strict=True)])
        told = "no difference seen" if abs(mean) <= half else ""
        table.add_row(name, str(n), f"{sum(ours[:n]) / n:.4f}", f"{mean:+.4f}", f"{half:.4f}", told)
    if table.row_count:
        console.print(table)


def main(argv=None):
    """Run what is missing, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m ml_apps.ssl.study_duality", description=__doc__
    )
    parser.add_argument("--quick", action="store_true", help="four losses, two seeds, 40 steps")
    parser.add_argument("--data", nargs="+", default=["digits"], choices=DATA)
    count = _run.positive_int
    parser.add_argument("--seeds", type=count, default=5)
    parser.add_argument("--steps", type=count, default=200)
    parser.add_argument("--limit", type=count, default=4000, help="images that are used")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    parser.add_argument(
        "--out", type=_run.output_file, default="ssl_duality.json", help="JSON, resumed"
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # networks this small only wait for each other's threads
    seeds, steps = (2, 40) if args.quick else (args.seeds, args.steps)
    console = Console(width=None if sys.stdout.isatty() else 110)
    path = args.out.with_stem(args.out.stem + "_quick") if args.quick else args.out
    found = json.loads(path.read_text()) if path.exists() else {"limit": args.limit, "runs": []}
    if found["limit"] != args.limit:
        parser.error(
            f"{path} was measured with --limit {found['limit']}; got {args.limit}; go on with that "
            "limit or choose another --out"
        )
    records = found["runs"]
    todo = [c for data in args.data for c in cells(data, seeds, steps, quick=args.quick)]
    todo = [c for c in todo if not any(c.items() <= r.items() for r in _plain(records, c))]
    started = time.monotonic()
    try:
        for cell in track(todo, "training", console=console, disable=not console.is_terminal):
            if args.minutes is not None and time.monotonic() - started > 60 * args.minutes:
                break
            records.append(cell | measure(**cell, limit=args.limit))
            run = {"torch": torch.__version__, "limit": args.limit, "runs": records}
            write_atomically(path, (json.dumps(run, indent=1) + "\n").encode())
    except KeyboardInterrupt:
        console.print("stopped; what was measured is kept")
    for data in args.data:
        report(records, data, console)
    console.print(CANNOT)
    return 0


def _plain(records, cell):
    """Records that vary what the cell varies, and nothing else."""
    varied = {"temperature", "dim"}
    return (r for r in records if varied & r.keys() == varied & cell.keys())


if __name__ == "__main__":
    raise SystemExit(main())
