"""One HTML page with everything in it, and the pictures beside it."""

import base64
from html import escape
from pathlib import Path

__all__ = ["write"]

LEAD = """\
<header><h1>otopt: <span>a short tour</span></h1>
<p class="lead">Transport plans in which every target is fed by at most <i>k</i> sources: sparse by
construction, exact in their marginals, and with a proof of how good they are.</p></header>"""

LEGEND = """\
<dl><dt>sources per target</dt><dd>How many sources feed a target: the average, and the most.</dd>
<dt>marginals missed by</dt><dd>What is left over at the sources and missing at the targets, as a
share of all mass. A transport plan misses nothing.</dd>
<dt>gap</dt><dd>No plan with at most <i>k</i> sources for a target is better by more than this:
proven, not estimated.</dd>
<dt>seconds</dt><dd>On this machine, in one thread, after the kernels were compiled.</dd></dl>"""


def write(parts, setting, folder):
    """Write page and pictures; return the path of the page.

    Parameters
    ----------
    parts : list of Part
    setting : str
        Versions and machine, for the foot of the page.
    folder : str or Path
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        for picture in part.pictures:
            (folder / f"{picture.name}.png").write_bytes(picture.png)
    page = folder / "index.html"
    page.write_text(as_html(parts, setting), encoding="utf-8")
    return page


def as_html(parts, setting):
    """The page: no script, no font, no picture from elsewhere."""
    style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    body = [LEAD, LEGEND, *(_section(part) for part in parts)]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>otopt: a short tour</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + '\n<footer class="soft"><p>Made by <code>python -m ml_apps.tour</code>. '
        + f"{escape(setting)}</p></footer>\n</body>\n</html>\n"
    )


def _section(part):
    paragraphs = [f"<p>{escape(text)}</p>" for text in part.text]
    if part.headline:
        paragraphs.insert(0, f'<p class="lead">{escape(part.headline)}</p>')
    if not part.complete:
        paragraphs.append("<p><b>Stopped before its end:</b> what was done by then.</p>")
    tiles = [_figure(picture) for picture in part.pictures if not picture.wide]
    return "\n".join(
        [
            f'<section id="{escape(part.name)}"><h2>{escape(part.title)}</h2>',
            *paragraphs,
            f'<div class="tiles">{"".join(tiles)}</div>' if tiles else "",
            _table(part),
            *(f"<p>{escape(remark)}</p>" for remark in part.remarks),
            f"<p><b>Certificate.</b> {escape(part.certificate)}</p>" if part.certificate else "",
            *(_figure(picture) for picture in part.pictures if picture.wide),
            f'<p class="soft">Alone: <code>python -m ml_apps.tour --only {part.name}</code>. '
            f"Code: <code>ml_apps/tour/parts/{part.name}.py</code></p>",
            "</section>",
        ]
    )


def _table(part):
    head = "".join(f"<th>{escape(name)}</th>" for name in part.columns)
    rows = []
    for row in part.rows:
        ours = ' class="ours"' if row[0].startswith("otopt") else ""
        cells = zip(part.columns, row, strict=True)
        rows.append(
            f"<tr{ours}>"
            + "".join(f'<td data-label="{escape(c)}">{escape(x)}</td>' for c, x in cells)
            + "</tr>"
        )
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _figure(picture):
    data = base64.b64encode(picture.png).decode("ascii")
    caption = escape(picture.caption)
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    if picture.wide:
        image = f'<div class="scroll">{image}</div>'
    kind = ' class="wide"' if picture.wide else ""
    return f"<figure{kind}>{image}<figcaption>{caption}</figcaption></figure>"
