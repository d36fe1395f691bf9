"""A binary heap of items by key, the least first; its size is kept by the caller."""

from numba import njit


@njit(cache=True, nogil=True)
def push(keys, items, size, key, item):
    """Add an item to `size` others."""
    at = size
    while at > 0:
        up = (at - 1) >> 1
        if keys[up] <= key:
            break
        keys[at] = keys[up]
        items[at] = items[up]
        at = up
    keys[at] = key
    items[at] = item


@njit(cache=True, nogil=True)
def pop(keys, items, size):
    """Remove the first of `size` items, the one with the least key."""
    last = size - 1
    key = keys[last]
    item = items[last]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= last:
            break
        if below + 1 < last and keys[below + 1] < keys[below]:
            below += 1
        if keys[below] >= key:
            break
        keys[at] = keys[below]
        items[at] = items[below]
        at = below
    keys[at] = key
    items[at] = item
