"""Functions that make no arrays and keep none: numba need not count references to their arguments.

Counting is atomic, and took a fifth of the time of small problems: a column of some dozen entries
goes through half a dozen such functions. What they call must be such a function too, or be
compiled with ``_nrt=True``, for callees inherit the setting.
"""

from numba import njit

leaf = njit(cache=True, _nrt=False)
