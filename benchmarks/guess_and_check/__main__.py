"""``python -m benchmarks.guess_and_check [--quick] [--check]``: candidates a second, and their law.

Beside the published evaluation of grouped networks, re-implemented from its description in torch;
one thread, CPU time, medians of paired ratios. About three minutes; what was stopped goes on with
the same command, and ``--again`` starts anew.
"""

import argparse
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

import torch  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import measure, problems  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
SPEED = {("lenet", 2): 10, ("lenet", 16): 40, ("linear", 2): 15, ("linear", 16): 100}


def bars(run):
    """List of (promise, figure, kept)."""
    rows = []
    for r in run["guess"]:
        name = f"{r['net']}, n = {r['n']}"
        bar = SPEED[r["net"], r["n"]]
        ratio = r["ratio"]["published"]
        rows.append((f"{name}: candidates a second / published, >= {bar}", ratio, ratio >= bar))
        if "by_network" in r["ratio"]:
            text = f"{name}: / a product a network, which nobody published"
            rows.append((text, r["ratio"]["by_network"], None))
    for r in run["law"]:
        name = f"{r['net']}, n = {r['n']}"
        rows += [
            (f"{name}: equal acceptance rates, p", r["rates_p"], r["rates_p"] > 1e-3),
            (f"{name}: equal test accuracies, p", r["ks_p"], r["ks_p"] > 1e-3),
        ]
    for r in run["trial"]:
        name, bound = f"pattern search, n = {r['n']}", r["n"] == 1000
        a, b = r["grouped_over_trial"], r["forward_over_trial"]
        rows += [
            (f"{name}: grouped / trial, >= 300", a, a >= 300 if bound else None),
            (f"{name}: best forward pass / trial, >= 100", b, b >= 100 if bound else None),
        ]
    for r in run["exactness"]:
        error, drift = r["largest_relative_error"], r["cache_drift"]
        rows += [
            ("loss of a trial: relative error <= 1e-6", error, error <= 1e-6),
            (f"caches after {r['commits']} commits <= 1e-5", drift, drift <= 1e-5),
        ]
    return rows


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guess_and_check",
                                     description=__doc__)  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="once, few networks")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--again", action="store_true", help="forget what the JSON holds")
    parser.add_argument("--out", type=Path, help="JSON to write")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    name = "guess_and_check_quick.json" if args.quick else "guess_and_check.json"
    path = args.out or RESULTS / name
    repeats, wanted = (1, 40) if args.quick else (5, 300)
    console = _run.console(160)
    environment = describe()
    run = {"environment": environment, "data": problems.images()[0],
           "guess": [], "law": [], "trial": [], "exactness": []}  # fmt: skip
    run = run if args.again else _run.resume(run, path)
    done = {name: len(rows) for name, rows in run.items() if isinstance(rows, list)}
    jobs = [
        *[("guess", partial(measure.guess_record, *cell, repeats)) for cell in SPEED],
        *[("law", partial(measure.law_record, kind, n, wanted, 50_000))
          for kind, n in (("lenet", 4), ("lenet", 8), ("linear", 8))],
        *[("trial", partial(measure.trial_record, n, repeats, 500)) for n in (100, 1000)],
        ("exactness", partial(measure.exactness_record, 100, 2 if args.quick else 20)),
    ]  # fmt: skip
    jobs = [
        job for i, job in enumerate(jobs) if sum(j[0] == job[0] for j in jobs[:i]) >= done[job[0]]
    ]
    _run.measure_all(jobs, run, path, console, environment=environment, warm_up=measure.warm_up)
    _run.show_promises(bars(run), console)
    return _run.exit_status(bars(run), console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
