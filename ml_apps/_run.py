"""What every comparison and benchmark does: measure job by job, keep what is done, judge promises.

A job is a tuple that starts with the list of the JSON its record goes to and ends with the function
that makes the record. A promise is ``(text, figure, kept)``: the figure a number, or text that says
more, and kept None if nothing was promised.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

__all__ = [
    "console", "environment", "exit_status", "measure_all", "missing", "output_file",
    "output_folder", "parser", "positive_int", "resume", "show_promises", "shown", "write",
    "write_lines",
]  # fmt: skip


def parser(module, description, *, quick):
    """Options that a run has which can be cut into pieces; `quick` says what --quick takes."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--resume", action="store_true", help="keep what the JSON holds, go on")
    parser.add_argument("--check", action="store_true", help="fail where a promise is broken")
    parser.add_argument("--minutes", type=float, help="start nothing after so many")
    parser.add_argument(
        "--out", type=output_file, help="JSON to write, and the name of what goes with it"
    )
    return parser


def positive_int(text):
    """Type of an argument: an integer >= 1."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be an integer >= 1; got {text!r}")
    return int(text)


def output_folder(text):
    """Type of an argument: a folder, made and tried here, since after the work it is too late."""
    folder = Path(text)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        message = f"must be where files can be written; got {text!r}: {error.strerror or error}"
        raise argparse.ArgumentTypeError(message) from error
    return folder


def output_file(text):
    """Type of an argument: a file in such a folder."""
    path = Path(text)
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"must be a file; got the folder {text!r}")
    output_folder(path.parent)
    return path


def console(width):
    """A console that prints whole tables where it is no terminal."""
    return Console(width=None if os.isatty(1) else width)


def environment(packages):
    """Time, system and versions, None for what is not installed."""

    def installed(package):
        try:
            return version(package)
        except PackageNotFoundError:
            return None

    return {
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {package: installed(package) for package in packages},
    }


def write(run, path):
    """Replace the file in one step."""
    _replace(path, json.dumps(run, indent=1, allow_nan=False))


def write_lines(run, path):
    """As `write`, with a line for each record and six digits: records hold whole curves."""
    parts = {key: json.dumps(_rounded(value), allow_nan=False) for key, value in run.items()}
    lines = [json.dumps(_rounded(record), allow_nan=False) for record in run["records"]]
    parts["records"] = "[\n" + ",\n".join(lines) + "\n]"
    _replace(path, "{" + ",\n".join(f'"{key}": {text}' for key, text in parts.items()) + "}")


def _replace(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(text + "\n")
    partial.replace(path)


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else value


def resume(run, path):
    """The run that the file holds, or `run` without a file."""
    return run | json.loads(path.read_text()) if path.exists() else run


def missing(jobs, run):
    """Jobs that are not named in the run's list "done"."""
    return [job for job in jobs if _name(job) not in run["done"]]


def _name(job):
    return " ".join([job[0], *map(str, getattr(job[-1], "args", ()))])


def measure_all(
    jobs, run, path, console, *, environment, warm_up=None, minutes=None, keep=None, write=write
):
    """Add the record of every job to the run, until Ctrl-C or for so many minutes.

    `keep` is called with the job and its record; by default the record joins its list, and the
    job's name the list "done", if there is one. Where a run goes on that began in another
    `environment`, this one is noted in "resumed".
    """
    started = time.monotonic()
    is_noted = run["environment"] == environment
    try:
        if warm_up is not None:
            warm_up()
        for job in track(jobs, "measuring", console=console, disable=not console.is_terminal):
            if minutes is not None and time.monotonic() - started > 60 * minutes:
                break
            record = job[-1]()
            if keep is None:
                run[job[0]].append(record)
                if "done" in run:
                    run["done"].append(_name(job))
            else:
                keep(job, record)
            if not is_noted:
                run.setdefault("resumed", []).append(environment)
                is_noted = True
            write(run, path)
    except KeyboardInterrupt:
        console.print("stopped; what was measured is kept")


def shown(figure, digits=3):
    """A figure as text; text stays what it is."""
    return figure if isinstance(figure, str) else f"{figure:.{digits}g}"


def show_promises(rows, console, *, digits=3, title="Promises"):
    """The table of the promises."""
    table = Table(title=title)
    for name in ("promise", "figure", "kept"):
        table.add_column(name)
    for name, figure, kept in rows:
        verdict = "" if kept is None else "yes" if kept else "NO"
        table.add_row(name, shown(figure, digits), verdict)
    console.print(table)


def exit_status(rows, console, *, check):
    """1 with `check` where a promise is broken, which is then named."""
    broken = [name for name, _, kept in rows if kept is not None and not kept]
    if check and broken:
        console.print("broken:", *broken, sep="\n  ")
        return 1
    return 0
