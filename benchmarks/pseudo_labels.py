"""``python -m benchmarks.pseudo_labels [--quick] [--check]``: which items of a queue share a class.

Unit features, PCA-64 of MNIST and Fashion-MNIST; 256 rows take K = 4 items of a queue of 4096 or
16384, over several draws of both. By cosine, by Sinkhorn with the three iterations of PsCo, by
converged Sinkhorn (`otopt.sinkhorn`), and by `otopt.bmatch`. CPU time on one thread, from the
matrix of similarities on. About three minutes.
"""

import time
from functools import lru_cache, partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from rich.table import Table  # noqa: E402

import otopt  # noqa: E402
from benchmarks import _run  # noqa: E402
from ml_apps.data import load_images  # noqa: E402
from ml_apps.ssl.assignments import assign, overlap  # noqa: E402

RESULTS = Path(__file__).parent / "results"
DATA, QUEUES = ("mnist", "fashion_mnist"), (4096, 16384)
METHODS = ("cosine", "sinkhorn", "converged", "bmatch")
ROWS, K, EPS, DIM, IMAGES = 256, 4, 0.05, 64, 20_000
MAX_MS, MAX_LOSS = 30, 0.005


@lru_cache
def features(name):
    """Unit rows of the 64 leading components, and labels."""
    images, labels = load_images(name)
    x = images[:IMAGES].reshape(IMAGES, -1) / 255.0
    x -= x.mean(axis=0)
    _, axes = np.linalg.eigh(x.T @ x)
    z = x @ axes[:, -DIM:]
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return torch.from_numpy(z.astype(np.float32)), torch.from_numpy(labels[:IMAGES])


def converged(S, num_shots):
    """The largest entries of the entropic plan with uniform marginals."""
    n, m = S.shape
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    result = otopt.sinkhorn(a, b, 1 - S.numpy().astype(float), reg=EPS)
    plan = torch.from_numpy(np.asarray(result.plan))
    return plan.topk(num_shots, dim=1).indices


def measure(data, size, draw):
    """All methods on one draw of rows and queue, in turn."""
    z, labels = features(data)
    order = np.random.default_rng(draw).permutation(IMAGES)[: ROWS + size]
    rows, items = order[:ROWS], order[ROWS:]
    S = z[rows] @ z[items].T
    record = {"data": data, "size": size, "draw": draw, "methods": {}}
    for method in METHODS:
        how = converged if method == "converged" else method
        started = time.process_time()
        found = assign(S, K, how, eps=EPS)
        seconds = time.process_time() - started
        quality = overlap(found.indices, labels[rows], labels[items])
        record["methods"][method] = {
            "purity": quality.purity, "distinct": quality.distinct,
            "certified": found.certified, "cpu_ms": 1e3 * seconds,
        }  # fmt: skip
    return record


def warm_up():
    """Compile, and load what is loaded at the first call."""
    S = torch.rand(ROWS, QUEUES[0])
    for method in METHODS:
        assign(S, K, converged if method == "converged" else method)


def cells(run):
    """Records by data and size of the queue."""
    groups = {}
    for r in run["draws"]:
        groups.setdefault((r["data"], r["size"]), []).append(r["methods"])
    return groups


def bars(run):
    """List of (promise, figure, kept)."""
    rows, leads = [], []
    for (data, size), draws in cells(run).items():
        name = f"{data}, M = {size}"
        lead = np.mean([d["bmatch"]["purity"] - d["sinkhorn"]["purity"] for d in draws])
        leads.append(lead)
        rows.append((f"{name}: purity less Sinkhorn's >= -{MAX_LOSS}", lead, lead >= -MAX_LOSS))
        distinct = min(d["bmatch"]["distinct"] for d in draws)
        rows.append((f"{name}: distinct picks, {ROWS * K}", str(distinct), distinct == ROWS * K))
        certified = sum(d["bmatch"]["certified"] for d in draws)
        share = f"{certified} of {len(draws)}"
        rows.append((f"{name}: certificates", share, certified == len(draws)))
        ms = float(np.median([d["bmatch"]["cpu_ms"] for d in draws]))
        rows.append((f"{name}: CPU ms <= {MAX_MS}", ms, ms <= MAX_MS))
    if len(leads) == len(DATA) * len(QUEUES):
        above = sum(lead > 0 for lead in leads)
        rows.append(("purity above Sinkhorn's on at least 3 of 4", above, above >= 3))
    return rows


def show(run, console):
    """One row for every method and queue."""
    table = Table(title=f"{ROWS} rows, K = {K}: means over draws, +- standard deviation of purity")
    for head in ("data", "M", "draws", "method", "purity", "+-", "distinct", "certified", "CPU ms"):
        table.add_column(head, justify="right")
    for (data, size), draws in cells(run).items():
        for method in METHODS:
            found = [d[method] for d in draws]
            purity = [f["purity"] for f in found]
            proof = [f["certified"] for f in found]
            table.add_row(
                data, str(size), str(len(draws)), method, f"{np.mean(purity):.3f}",
                f"{np.std(purity, ddof=1):.3f}" if len(purity) > 1 else "-",
                f"{np.mean([f['distinct'] for f in found]):.0f}",
                "-" if proof[0] is None else f"{sum(proof)} of {len(proof)}",
                f"{np.median([f['cpu_ms'] for f in found]):.1f}",
            )  # fmt: skip
    console.print(table)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = _run.parser("benchmarks.pseudo_labels", __doc__, quick="two draws, M = 4096")
    parser.add_argument("--draws", type=int, default=10)
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    name = "pseudo_labels_quick.json" if args.quick else "pseudo_labels.json"
    path = args.out or RESULTS / name
    console = _run.console(120)
    environment = describe()
    run = {"environment": environment, "draws": [], "done": []}
    if args.resume:
        run = _run.resume(run, path)
    sizes, draws = (QUEUES[:1], 2) if args.quick else (QUEUES, args.draws)
    jobs = [("draws", partial(measure, d, m, i)) for d in DATA for m in sizes for i in range(draws)]
    _run.measure_all(
        _run.missing(jobs, run), run, path, console,
        environment=environment, warm_up=warm_up, minutes=args.minutes,
    )  # fmt: skip
    show(run, console)
    rows = bars(run)
    _run.show_promises(rows, console)
    return _run.exit_status(rows, console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
