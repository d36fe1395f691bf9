"""``python -m benchmarks.optimizers [--quick] [--check]``: derivative-free optimisers in profiles.

The quick run, every sixth problem without the slow peers, takes about a minute; most of the full
one is spent inside COBYQA, COBYLA, Py-BOBYQA and NOMAD. The course of every run goes to a file
``*_runs.jsonl`` beside the JSON, line by line: ``--resume`` goes on from there, and ``--again
NAME`` first forgets what a solver did, after a change of it. Functions and solvers of your own are
five lines, see `benchmarks.optimizers.problems` and `benchmarks.optimizers.solvers`.
"""

import argparse
import json
from functools import partial
from pathlib import Path

from benchmarks._environment import describe, pin_threads

pin_threads()

from rich.table import Table  # noqa: E402

from benchmarks import _run  # noqa: E402

from . import bars, plots, profiles  # noqa: E402
from .measure import record  # noqa: E402
from .problems import SETS, problems  # noqa: E402
from .solvers import SOLVERS, installed  # noqa: E402

RESULTS = Path(__file__).parent.parent / "results"
SLOW = ("Py-BOBYQA", "NOMAD", "scipy COBYQA")
PEERS = ("nlopt", "Py-BOBYQA", "cma", "PyNomadBBO")  # distributions, for their versions


def read(path):
    """Records by (set, solver, problem)."""
    lines = path.read_text().splitlines() if path.exists() else []
    records = map(json.loads, lines)
    return {(r["set"], r["solver"], r["problem"]): r for r in records}


def plan_of_run(sets, solvers, quick, known):
    """Jobs that are left over, solver by solver."""
    jobs = []
    for name in sets:
        for solver in solvers:
            for index, problem in enumerate(problems(name, quick)):
                key = (name, solver, problem.name)
                if key not in known:
                    jobs.append((*key, partial(_measure, name, solver, index, quick)))
    return jobs


def _measure(name, solver, index, quick):
    # Problems are built anew, so that none carries the state of a generator along.
    return record(SOLVERS[solver], problems(name, quick)[index])


def summaries(sets, solvers, quick, known):
    """What the profiles need, of solvers that ran on all problems of a set."""
    found = {}
    for name in sets:
        chosen = problems(name, quick)
        runs = {
            s: [known[name, s, p.name] for p in chosen]
            for s in solvers
            if all((name, s, p.name) in known for p in chosen)
        }
        if runs:
            found[name] = profiles.summarise(chosen, runs)
    return found


def show(run, console):
    """Tables of the shares solved, and of the promises."""
    for name, entry in run["sets"].items():
        table = Table(title=f"{name}: {len(entry['problems'])} problems, share solved within "
                      f"{bars.BUDGET} (n + 1) evaluations")  # fmt: skip
        table.add_column("solver")
        for tau in profiles.TAUS:
            table.add_column(f"tau {tau:g}", justify="right")
        table.add_column("CPU us / evaluation", justify="right")
        table.add_column("runs that raised", justify="right")
        order = sorted(entry["solvers"], key=lambda s: -bars.solved(entry, s, 1e-5))
        for solver in order:
            shares = [f"{bars.solved(entry, solver, tau):.3f}" for tau in profiles.TAUS]
            found = entry["solvers"][solver]
            table.add_row(solver, *shares, f"{found['microseconds']:.0f}", str(found["raised"]))
        console.print(table)
    if all(bars.OURS in entry["solvers"] for entry in run["sets"].values()):
        _run.show_promises(bars.summary(run), console)


def main(argv=None):
    """Run, print, write; exit status 1 with --check where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.optimizers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every sixth problem, fast peers")
    parser.add_argument("--sets", help=f"comma-separated; all by default: {', '.join(SETS)}")
    parser.add_argument("--solvers", help="comma-separated; all that are installed by default")
    parser.add_argument("--minutes", type=float, help="start nothing after so many")
    parser.add_argument("--resume", action="store_true", help="keep what was measured, go on")
    parser.add_argument("--again", action="append", default=[], help="a solver to measure anew")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--out", type=Path, help="JSON to write; a PNG is written beside it")
    args = parser.parse_args(argv)
    path = args.out or RESULTS / ("optimizers_quick.json" if args.quick else "optimizers.json")
    runs = path.with_name(path.stem + "_runs.jsonl")
    console = _run.console(140)
    sets = args.sets.split(",") if args.sets else list(SETS)
    solvers = installed()
    if args.solvers:
        solvers = args.solvers.split(",")
        for name in solvers:
            if name not in installed():
                parser.error(f"unknown or not installed: {name!r}; see SOLVERS in solvers.py")
    elif args.quick:
        solvers = [s for s in solvers if s not in SLOW]

    environment = describe(*PEERS)
    run = {"environment": environment, "sets": {}}
    known = {}
    if args.resume or args.again:
        run = _run.resume(run, path)
        known = {k: r for k, r in read(runs).items() if k[1] not in args.again}
    runs.parent.mkdir(parents=True, exist_ok=True)
    runs.write_text("".join(json.dumps(r) + "\n" for r in known.values()))

    def keep(job, measured):
        line = {"set": job[0], "solver": job[1], "problem": job[2]} | measured
        known[job[:3]] = line
        with runs.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    jobs = plan_of_run(sets, solvers, args.quick, known)
    _run.measure_all(
        jobs, run, path, console, environment=environment, warm_up=lambda: None,
        minutes=args.minutes, keep=keep,
    )  # fmt: skip
    names = [s for s in SOLVERS if any(key[1] == s for key in known)]
    run["sets"] = summaries(SETS, names, args.quick, known)
    _run.write(run, path)
    left = sum(job[:3] not in known for job in jobs)
    console.print(f"{left} measurements left")
    show(run, console)
    plots.draw(run, path.with_suffix(".png"))
    rows = bars.summary(run) if args.check else []
    return _run.exit_status(rows, console, check=args.check)


if __name__ == "__main__":
    raise SystemExit(main())
