"""Functions that make no arrays and keep none: numba need not count references to their arguments.

Counts are atomic, and dear beside a column of some dozen entries, which goes through half a dozen
such functions. What they call must be such a function too, or one that
makes arrays and says so, for callees inherit the setting.
"""

from typing import Any

from numba import njit

leaf: Any = njit(cache=True, _nrt=False)  # pyright: ignore
makes_arrays: Any = njit(cache=True, _nrt=True)  # pyright: ignore
