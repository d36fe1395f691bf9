"""The parts of the tour, in order: a part is one file with a `run` that returns a `Part`."""

from . import digits, palette

PARTS = (palette, digits)
