"""``python -m ml_apps.tour``: run the parts, print their tables, write a page with pictures."""

import argparse
import os
import platform
import time
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from ml_apps import _run

from . import page, solve
from .parts import PARTS


def main(argv=None):
    """Return the exit status: 0, or 130 where Ctrl-C cut the tour short."""
    parser = argparse.ArgumentParser(
        prog="python -m ml_apps.tour", description="What otopt does, on real inputs, in a minute."
    )
    parser.add_argument(
        "--out", type=_run.output_folder, default="tour", help="folder for page and pictures (tour)"
    )
    names = {part.__name__.rpartition(".")[2]: part for part in PARTS}
    parser.add_argument("--only", nargs="+", choices=names, help="parts to run, of all five")
    args = parser.parse_args(argv)
    chosen = [names[name] for name in args.only or names]
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a file or a pipe has no width of its own

    start = time.perf_counter()
    setting = (
        f"otopt {version('otopt')}, Python {platform.python_version()}, {os.cpu_count()} cores."
    )
    console.print(f"[bold]otopt: a short tour[/bold]  [dim]{setting}[/dim]")
    done, interrupted = [], False
    threadpool_limits(1)  # every method in one thread: otopt's own default, and a fair clock
    try:
        with console.status("compiling the kernels: half a minute, on the first run only"):
            seconds = solve.warm_up()
        console.print(f"kernels ready in {seconds:.1f} s (later runs: about one)", style="dim")
        for number, part in enumerate(chosen, start=1):
            place = f"part {number} of {len(chosen)}"
            with console.status(place) as status:

                def note(text, place=place, status=status):
                    status.update(f"{place}: {text}")

                done.append(part.run(note=note))
            console.print(as_table(done[-1]))
            for remark in (done[-1].headline, *done[-1].remarks, done[-1].certificate):
                if remark:
                    console.print(remark, style="dim", highlight=False)
            page.write(done, setting, args.out)
            if not done[-1].complete:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        interrupted = True
        console.print("\nstopped; what was done is kept")
    if done:
        path = page.write(done, setting, args.out)
        elapsed = time.perf_counter() - start
        console.print(f"\n[bold]{path}[/bold] has the pictures  [dim]({elapsed:.0f} s)[/dim]")
    return 130 if interrupted else 0


def as_table(part):
    """The table of a part for the terminal."""
    table = Table(title=f"\n{part.title}", title_justify="left", title_style="bold")
    for i, name in enumerate(part.columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in part.rows:
        table.add_row(*row, style="bold" if row[0].startswith("otopt") else "")
    return table


if __name__ == "__main__":
    raise SystemExit(main())
