"""Rows folded onto a few groups, whose extremes say where it is worth looking."""

from numba import njit


@njit(cache=True, nogil=True)
def fold(x, y, top):
    """Maxima of ``x - y`` over the entries ``g, g + G, ...`` of every group, G the length of top.

    A loop over neighbours, which LLVM turns into vector maxima without any reordering.
    """
    groups, m = top.shape[0], x.shape[0]
    for g in range(groups):
        top[g] = x[g] - y[g]
    for first in range(groups, m, groups):
        part = x[first : first + groups]
        other = y[first : first + groups]
        for g in range(part.shape[0]):
            lead = part[g] - other[g]
            top[g] = lead if lead > top[g] else top[g]
