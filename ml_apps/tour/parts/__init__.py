"""The parts of the tour, in order.

A part is one file with a function ``run(*, ..., rng=0, note=...)`` that returns a `Part`: write the
file, add its module here.
"""

from . import digits, fairness, palette, race, routing

PARTS = (palette, digits, fairness, routing, race)
