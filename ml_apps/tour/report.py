"""What a part of the tour returns, and how it is shown: a table, pictures, one HTML page."""

import base64
import html
import io
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True)
class Picture:
    """A figure with a file name (without ending) and a caption."""

    name: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Part:
    """One part of the tour: prose, a table and pictures."""

    title: str
    text: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    pictures: list[Picture] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def as_picture(figure, name, caption):
    """Render a matplotlib figure and close it."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return Picture(name, caption, buffer.getvalue())


def as_table(part):
    """The table of a part for the terminal."""
    table = Table(title=part.title, title_justify="left", caption_justify="left")
    for i, name in enumerate(part.columns):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in part.rows:
        table.add_row(*row)
    return table


STYLE = """
:root { color-scheme: light dark; --ink: #1d2126; --paper: #fdfdfc; --line: #d9dce0;
  --soft: #5b6570 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8ea; --paper: #15181b; --line: #363c43; --soft: #9aa4ae } }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 60rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 0 .3rem } h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem }
p { max-width: 44rem } .soft, figcaption { color: var(--soft) }
.scroll { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: right;
  white-space: nowrap } th:first-child, td:first-child { text-align: left }
th { font-weight: 600 } figure { margin: 1.2rem 0 } img { max-width: 100%; border-radius: 4px }
figcaption { font-size: .9rem } code { font-size: .92em }
"""


def as_page(parts, environment):
    """A page that needs nothing but itself."""
    body = [
        "<h1>otopt: a tour</h1>",
        f'<p class="soft">{html.escape(environment)}</p>',
        "<p>Every plan below is <em>sparse by construction</em>: at most k sources feed a target. "
        "It meets its marginals to rounding, and its <em>gap</em> says how far from the best "
        "k-sparse plan it can be at most.</p>",
    ]
    for part in parts:
        body.append(f"<h2>{html.escape(part.title)}</h2><p>{html.escape(part.text)}</p>")
        head = "".join(f"<th>{html.escape(c)}</th>" for c in part.columns)
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(x)}</td>" for x in row) + "</tr>"
            for row in part.rows
        )
        body.append(f'<div class="scroll"><table><tr>{head}</tr>{rows}</table></div>')
        body += [f'<p class="soft">{html.escape(remark)}</p>' for remark in part.remarks]
        for picture in part.pictures:
            data = base64.b64encode(picture.png).decode()
            caption = html.escape(picture.caption)
            body.append(
                f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
                f"<figcaption>{caption}</figcaption></figure>"
            )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>otopt: a tour</title><style>{STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>\n"
    )


def write(parts, environment, folder):
    """Write the pictures and the page; return the path of the page."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for picture in part.pictures:
            (folder / f"{picture.name}.png").write_bytes(picture.png)
    page = folder / "index.html"
    page.write_text(as_page(parts, environment), encoding="utf-8")
    return page
