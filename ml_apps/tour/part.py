"""What a part of the tour hands back: prose, a table and pictures."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

__all__ = ["Part", "Picture", "figure_to_png", "image_to_png"]


@dataclass(frozen=True)
class Picture:
    """A picture: file name without ending, caption, PNG bytes."""

    name: str
    caption: str
    png: bytes
    wide: bool = False  # across the page rather than a tile among others


@dataclass(frozen=True)
class Part:
    """One part of the tour; `text` and `remarks` are paragraphs.

    `headline` says in a sentence what came out, `certificate` what of it is proven, and how.
    """

    name: str  # that of its file, for links and for ``--only``
    title: str
    text: tuple[str, ...]
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    pictures: list[Picture] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    headline: str = ""
    certificate: str = ""
    complete: bool = True


def image_to_png(image):
    """PNG bytes of an (h, w, 3) array of floats in [0, 1]."""
    import matplotlib.image

    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, image.clip(0, 1), format="png")
    return buffer.getvalue()


def figure_to_png(figure):
    """PNG bytes of a matplotlib figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144)
    return buffer.getvalue()
