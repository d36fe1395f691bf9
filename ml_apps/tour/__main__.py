"""Run the parts of the tour, print their tables, write pictures and a page."""

import argparse
import os
import platform
import time
from importlib.metadata import version

from rich.console import Console

from . import report, solve
from .parts import PARTS


def main(argv=None):
    """Return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ml_apps.tour", description="otopt's main job on real inputs."
    )
    parser.add_argument("--out", default="tour", help="folder for the page and the pictures")
    args = parser.parse_args(argv)
    console = Console(width=None if os.isatty(1) else 120)
    start = time.perf_counter()
    environment = (
        f"otopt {version('otopt')}, Python {platform.python_version()}, {os.cpu_count()} cores"
    )
    console.print(f"[bold]otopt: a tour[/bold]   {environment}")
    console.print("The first run compiles the kernels, which takes some twenty seconds.")
    solve.warm_up()
    done = []
    try:
        for part in PARTS:
            with console.status("...") as status:
                done.append(part.run(note=status.update))
            console.print()
            console.print(report.as_table(done[-1]))
            for remark in done[-1].remarks:
                console.print(remark, style="dim")
    except KeyboardInterrupt:
        console.print(f"stopped after {len(done)} of {len(PARTS)} parts")
    page = report.write(done, environment, args.out)
    console.print(f"\n{time.perf_counter() - start:.0f} s. Pictures and page: {page}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
