"""What every benchmark does: measure job by job, keep what is done, judge the promises.

A job is a tuple that starts with the list of the JSON its record goes to and ends with the function
that makes the record. A promise is ``(text, figure, kept)``, where kept is None if none was made.
"""

import json
import os
import time

from rich.console import Console
from rich.progress import track
from rich.table import Table


def console(width):
    """A console that prints whole tables where it is no terminal."""
    return Console(width=None if os.isatty(1) else width)


def write(run, path):
    """Replace the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(run, indent=1, allow_nan=False) + "\n")
    partial.replace(path)


def resume(run, path):
    """The run that the file holds, or `run` without a file."""
    return run | json.loads(path.read_text()) if path.exists() else run


def measure_all(jobs, run, path, console, *, environment, warm_up, minutes=None, keep=None):
    """Add the record of every job to the run, until Ctrl-C or for so many minutes.

    `keep` is called with the job and its record; by default the record joins its list. Where a
    run goes on that began in another `environment`, this one is noted in "resumed".
    """
    started = time.monotonic()
    is_noted = run["environment"] == environment
    try:
        warm_up()
        for job in track(jobs, "measuring", console=console, disable=not console.is_terminal):
            if minutes and time.monotonic() - started > 60 * minutes:
                break
            record = job[-1]()
            if keep is None:
                run[job[0]].append(record)
            else:
                keep(job, record)
            if not is_noted:
                run.setdefault("resumed", []).append(environment)
                is_noted = True
            write(run, path)
    except KeyboardInterrupt:
        console.print("stopped; what was measured is kept")


def show_promises(rows, console, digits=3):
    """The table of the promises."""
    table = Table(title="Promises")
    for name in ("promise", "figure", "kept"):
        table.add_column(name)
    for name, figure, kept in rows:
        table.add_row(name, f"{figure:.{digits}g}", "" if kept is None else "yes" if kept else "NO")
    console.print(table)


def exit_status(rows, console, *, check):
    """1 with `check` where a promise is broken, which is then named."""
    broken = [name for name, _, kept in rows if kept is not None and not kept]
    if check and broken:
        console.print("broken:", *broken, sep="\n  ")
        return 1
    return 0
